#include "daemon/failures.h"

#include "conn/failures.h"
#include "sys/log.h"

#include <stdlib.h>
#include <time.h>

enum { DATE_BYTES = 32, HEAD_BYTES = 256 };

/* With milliseconds, as in the log. */
static const char *date(int64_t wall_ms, char out[DATE_BYTES])
{
    time_t t = (time_t)(wall_ms / 1000);
    struct tm tm;
    if (!gmtime_r(&t, &tm) || !strftime(out, DATE_BYTES, "%Y-%m-%dT%H:%M:%S.000Z", &tm))
        return "-";
    for (int i = 2, rest = (int)(wall_ms % 1000); i >= 0; i--, rest /= 10)
        out[20 + i] = (char)('0' + rest % 10);
    return out;
}

static const struct sw_peer_conf *peer_named(const struct sw_daemon *d, const char *name)
{
    const struct sw_proxy_conf *c = &d->now->config.proxy;
    for (uint32_t i = 0; i < c->peer_count; i++)
        if (sw_slice_eq(c->peers[i].name, sw_slice_str(name)))
            return &c->peers[i];
    return NULL;
}

static bool from_its_address(const struct sw_peer_conf *p, const struct sw_endpoint *remote)
{
    for (uint32_t i = 0; i < p->address_count; i++)
        if (sw_endpoint_ip_eq(&p->addresses[i], remote))
            return true;
    for (uint32_t i = 0; i < p->source_count; i++)
        if (sw_cidr_has(&p->sources[i], remote))
            return true;
    return false;
}

/* True if a domain is among the names of a certificate: "URI:sip:a.test DNS:b.test". */
static bool names(struct sw_slice text, struct sw_slice domain)
{
    while (text.n) {
        const char *end = memchr(text.p, ' ', text.n);
        struct sw_slice name = sw_slice(text.p, end ? (size_t)(end - text.p) : text.n);
        text = end ? sw_slice_from(text, name.n + 1) : sw_slice("", 0);
        for (size_t skip = 0; skip < name.n; skip++) /* behind the kinds, which end in ":" */
            if (name.p[skip] == ':' && sw_slice_eq_case(sw_slice_from(name, skip + 1), domain))
                return true;
    }
    return false;
}

/* Why a record is told to who asked for this peer; NULL: it is not. What a peer tried without
 * proving who it is has no peer's name. */
static const char *belongs(const struct sw_failure *x, const char *name,
                           const struct sw_peer_conf *p)
{
    if (sw_slice_eq(x->peer, sw_slice_str(name)))
        return "the peer";
    if (!p || x->outbound || x->peer.n)
        return NULL;
    for (uint32_t i = 0; i < p->domain_count; i++)
        if (names(x->names, p->domains[i]))
            return "a name in its certificate";
    return from_its_address(p, &x->remote) ? "its address" : NULL;
}

static void put_row(struct sw_answer *a, bool *first, const struct sw_failure_row *r,
                    const char *matched)
{
    char head[HEAD_BYTES], at[DATE_BYTES], last[DATE_BYTES];
    struct sw_buf b = sw_buf(head, sizeof(head));
    const struct sw_field f[] = {
        sw_field_str("time", date(r->x.wall_ms, at)),
        sw_field_str("last", date(r->last_ms, last)),
        sw_field_number("count", (int64_t)r->count),
        sw_field_str("matched", matched ? matched : "-"),
    };
    sw_log_object(&b, f, matched ? 4 : 3);
    if (!*first)
        sw_answer_text(a, ",", 1);
    *first = false;
    sw_answer_text(a, head, b.n - 1); /* the object goes on */
    sw_answer_text(a, r->x.text.p, r->x.text.n);
    sw_answer_text(a, "}", 1);
}

void sw_answer_failures(const struct sw_daemon *d, const char *peer, struct sw_answer *a)
{
    struct sw_failures *all = d->all.failures;
    const struct sw_peer_conf *p = peer_named(d, peer);
    struct sw_failure_row *r = malloc(sizeof(*r));
    uint64_t i, end;
    bool first = true;
    if (!r) {
        a->failed = true;
        return;
    }
    sw_answer_text(a, "{\"failures\":[", 13);
    for (sw_failures_range(all, &i, &end); i < end; i++) {
        if (!sw_failures_row(all, i, r))
            continue; /* overwritten meanwhile */
        const char *matched = peer[0] ? belongs(&r->x, peer, p) : NULL;
        if (matched || !peer[0])
            put_row(a, &first, r, matched);
    }
    free(r);
    if (first && peer[0] && !p) { /* one that was removed has its records still */
        a->n = 0;
        sw_answer_no_peer(a, peer);
        return;
    }
    sw_answer_text(a, "]}\n", 3);
}
