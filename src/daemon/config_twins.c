/* Peers of a configuration that could be taken for each other. */
#include "daemon/config.h"

static bool shares_name(const struct sw_peer_conf *p, const struct sw_peer_conf *q)
{
    for (uint32_t i = 0; p->tls && q->tls && p->trust == q->trust && i < p->domain_count; i++)
        for (uint32_t k = 0; k < q->domain_count; k++)
            if (sw_slice_eq(p->domains[i], q->domains[k]))
                return true;
    return false;
}

static bool shares_pin(const struct sw_peer_conf *p, const struct sw_peer_conf *q)
{
    for (uint32_t i = 0; i < p->pin_count; i++)
        for (uint32_t k = 0; k < q->pin_count; k++)
            if (p->pins[i].of_key == q->pins[k].of_key &&
                memcmp(p->pins[i].sha256, q->pins[k].sha256, SW_SHA256_BYTES) == 0)
                return true;
    return false;
}

static bool shares_source(const struct sw_peer_conf *p, const struct sw_peer_conf *q)
{
    bool same_kind = (p->udp && q->udp) || (p->tcp && q->tcp);
    for (uint32_t i = 0; same_kind && p->listener == q->listener && i < p->source_count; i++)
        for (uint32_t k = 0; k < q->source_count; k++)
            if (sw_cidr_has(&p->sources[i], &q->sources[k].base) ||
                sw_cidr_has(&q->sources[k], &p->sources[i].base))
                return true;
    return false;
}

void sw_config_twins(struct sw_config_build *b, const struct sw_peer_directive *d)
{
    enum { QUICK = 2000 };
    const struct sw_proxy_conf *c = &b->c->proxy;
    for (uint32_t i = 1; i < c->peer_count && c->peer_count <= QUICK; i++)
        for (uint32_t k = 0; k < i; k++) {
            const struct sw_peer_conf *p = &c->peers[k], *q = &c->peers[i];
            if (p->id == q->id && !sw_slice_eq(p->name, q->name))
                sw_diag_error(
                    b->diags, d[i].name.mark,
                    "the names of peers \"%s\" and \"%s\" have the same hash (rename one)",
                    d[k].name.s.p, d[i].name.s.p);
            if (shares_pin(p, q))
                sw_diag_error(
                    b->diags, d[i].trust.mark,
                    "a pin belongs to one peer, and \"%s\" has it already (a trust entry of "
                    "its own)",
                    d[k].name.s.p);
            else if (shares_name(p, q) || shares_source(p, q))
                sw_diag_warning(
                    b->diags, d[i].mark,
                    "peers \"%s\" and \"%s\" can both match: what both match is \"%s\"'s, "
                    "the first in the file",
                    d[k].name.s.p, d[i].name.s.p, d[k].name.s.p);
        }
}
