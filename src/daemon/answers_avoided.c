#include "daemon/answers_avoided.h"

#include "sys/clock.h"

/* Whose a name is: a peer's, else that of whoever proves the domain. */
static uint32_t whose_is(const struct sw_config *c, const char *name)
{
    int64_t i = sw_names_index(&c->peer_names, sw_slice_str(name));
    return i >= 0 ? c->proxy.peers[i].id : sw_proxy_domain_id(&c->proxy, sw_slice_str(name));
}

static void one(const struct sw_config *c, const struct sw_avoided *x, int64_t now_ms,
                struct sw_answer *a, bool *first)
{
    char address[SW_ENDPOINT_TEXT_MAX], until[SW_DATE_BYTES];
    const struct sw_peer_conf *peer = sw_proxy_peer(&c->proxy, x->whose);
    int64_t left_s = (x->until_ms - now_ms + 999) / 1000;
    const struct sw_field f[] = {
        sw_field_text("peer", peer ? peer->name : SW_SLICE("verified")),
        sw_field_text("transport", sw_transport_name((enum sw_transport)x->transport)),
        sw_field_str("address", sw_endpoint_text(&x->remote, address)),
        sw_field_number("seconds", left_s),
        sw_field_str("until", sw_answer_date(sw_clock_wall_s() + left_s, until)),
    };
    sw_answer_row(a, first, f, sizeof(f) / sizeof(f[0]));
}

void sw_answer_avoided(const struct sw_daemon *d, const char *only, struct sw_answer *a)
{
    const struct sw_config *c = &d->now->config;
    const int64_t now_ms = sw_clock_ms();
    struct sw_avoided x;
    uint32_t at = 0;
    bool first = true;
    sw_answer_text(a, "{\"avoided\":[", 12);
    while (sw_avoid_next(d->now->avoid, &at, now_ms, &x))
        if (!only[0] || x.whose == whose_is(c, only))
            one(c, &x, now_ms, a, &first);
    sw_answer_text(a, "]}\n", 3);
}
