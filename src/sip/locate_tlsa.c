/* What is signed of the certificates of the servers that were found. RFC 7673, RFC 7671, RFC 6698
 */
#include "sip/locate_inside.h"

/* The step with a server's addresses, if they are signed; NULL: they are not, or there are none. */
static const struct sw_locate_step *addresses(const struct sw_locate *x,
                                              const struct sw_locate_server *s)
{
    const int steps[2] = {s->aaaa, s->a};
    for (int i = 0; i < 2; i++)
        if (steps[i] >= 0 && x->step[steps[i]].secure && x->step[steps[i]].address_count)
            return &x->step[steps[i]];
    return NULL;
}

/* "the entire chain of DNS RRset(s) returned MUST be secure": also the NAPTR record, which may lead
 * to services of another domain. RFC 7673 3.1 */
static bool is_led_to(const struct sw_locate *x, const struct sw_locate_server *s)
{
    const struct sw_locate_step *first = &x->step[0];
    if (first->question.type == SW_DNS_NAPTR && first->used && !first->secure)
        return false;
    return x->phase == SW_LOCATE_PHASE_OWN || x->step[x->service[s->service].step].secure;
}

/* "_5061._tcp.sip.example.com": RFC 6698 3 */
static int ask_of(struct sw_locate *x, const struct sw_locate_server *s, const char *host)
{
    char text[SW_DNS_NAME_MAX + 16];
    struct sw_buf b = sw_buf(text, sizeof(text));
    sw_buf_char(&b, '_');
    sw_buf_u64(&b, s->port ? s->port : sw_transport_port(SW_TLS));
    sw_buf_lit(&b, "._tcp.");
    sw_buf_str(&b, host);
    return b.full ? -1 : sw_locate_ask(x, sw_buf_view(&b), SW_DNS_TLSA);
}

bool sw_locate_ask_tlsa(struct sw_locate *x)
{
    bool any = false;
    if (!x->tlsa || x->tlsa_asked)
        return false;
    x->tlsa_asked = true;
    for (int i = 0; i < x->server_count; i++) {
        struct sw_locate_server *s = &x->server[i];
        const struct sw_locate_step *at =
            x->service[s->service].transport == SW_TLS ? addresses(x, s) : NULL;
        if (at && is_led_to(x, s))
            s->tlsa = (int8_t)ask_of(x, s, at->question.name);
        any |= s->tlsa >= 0;
    }
    return any;
}

/* Keeps a record as it came. False: there is no room. */
static bool keep(struct sw_locate_tlsa *t, struct sw_slice rdata)
{
    if (rdata.n + 2 > sizeof(t->bytes) - t->n)
        return false;
    t->bytes[t->n] = (char)(rdata.n >> 8);
    t->bytes[t->n + 1] = (char)rdata.n;
    memcpy(t->bytes + t->n + 2, rdata.p, rdata.n);
    t->n = (uint16_t)(t->n + 2 + rdata.n);
    return true;
}

void sw_locate_read_tlsa(struct sw_locate *x, struct sw_locate_step *s,
                         const struct sw_dns_answer *answer)
{
    struct sw_slice rest = answer->records, rdata;
    struct sw_dns_tlsa r;
    s->tlsa_at = x->tlsa->n;
    if (!answer->secure) {
        s->note = answer->count ? "not signed, so they do not count" : NULL;
        return;
    }
    while (sw_dns_next(&rest, &rdata) == SW_OK) {
        const char *why = "a record cannot be read";
        if (sw_dns_read_tlsa(rdata, &r) == SW_OK)
            why = sw_dns_tlsa_unusable(&r);
        if (why) {
            s->note = why;
        } else if (keep(x->tlsa, rdata)) {
            s->used++;
        } else { /* the one that matches may be among those that are left out */
            s->status = SW_LIMIT_SIZE;
            s->note = "there are more TLSA records than are kept";
            break;
        }
    }
    s->tlsa_n = (uint16_t)(x->tlsa->n - s->tlsa_at);
}

bool sw_locate_tlsa_failed(const struct sw_locate *x, const struct sw_locate_server *server)
{
    const struct sw_locate_step *s = server->tlsa >= 0 ? &x->step[server->tlsa] : NULL;
    return s && s->status != SW_OK && s->status != SW_PEER_NO_NAME;
}

struct sw_dane sw_locate_dane(const struct sw_locate *x, const struct sw_locate_place *place)
{
    if (place->tlsa < 0 || place->step < 0)
        return (struct sw_dane){.records = {NULL, 0}};
    const struct sw_locate_step *s = &x->step[place->tlsa];
    return (struct sw_dane){
        .records = sw_slice(x->tlsa->bytes + s->tlsa_at, s->tlsa_n),
        .host = sw_slice_str(x->step[place->step].question.name),
        .domain = sw_slice_str(x->host),
    };
}
