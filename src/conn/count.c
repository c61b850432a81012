#include "conn/count.h"

const struct sw_attempt_refusal sw_conn_one_too_many = {
    .status = SW_LIMIT_PEER,
    .phase = "policy",
    .code = "too_many_of_peer",
    .why = "limit connections of the peer: so many are open or being opened",
    .help = "raise limits.connections of the peer if these are wanted"};

static enum sw_load_way_of way_of(const struct sw_conn *c)
{
    return c->flow.outbound ? SW_LOAD_TO : SW_LOAD_FROM;
}

bool sw_conn_place(const struct sw_conn_peer *p, enum sw_load_way_of way, bool limited,
                   struct sw_load **load)
{
    *load = NULL;
    if (!p || !p->load)
        return true;
    if (!sw_load_connect(p->load, way, limited ? p->connections : 0))
        return false;
    *load = p->load;
    return true;
}

bool sw_conn_count(const struct sw_conns *s, struct sw_conn *c, uint32_t peer, bool limited)
{
    sw_conn_uncount(c);
    return sw_conn_place(sw_conn_peer_find(s, peer), way_of(c), limited, &c->load);
}

void sw_conn_uncount(struct sw_conn *c)
{
    sw_load_disconnect(&c->load, way_of(c));
}
