#include "proxy/alias.h"

#include "engine/action.h"

bool sw_alias_used(const struct sw_peer_conf *peer)
{
    return peer && peer->tls && peer->reverse == SW_REVERSE_ALIAS;
}

bool sw_alias_offered(const struct sw_proxy_conf *c, const struct sw_flow *flow)
{
    return flow->outbound && flow->transport == SW_TLS && flow->mutual &&
           flow->proof >= SW_PROOF_NAME && sw_alias_used(sw_proxy_peer(c, flow->peer));
}

/* The parameter has no value; with one it is another's. RFC 5923 7 */
static bool wants_alias(const struct sw_via *via)
{
    struct sw_param x;
    return sw_param_find(via->params, SW_SLICE("alias"), &x) && !x.value.p;
}

static void enter(struct sw_proxy *p, const struct sw_flow *flow, uint16_t port)
{
    struct sw_action *a = sw_action_add(p->e->out, SW_ACT_ALIAS);
    if (!a)
        return;
    a->alias.flow = flow->id;
    a->alias.port = port;
}

/* The address is where it came from, only the port is what it says: nobody takes another's place.
 * The first word of a connection holds, so that a flood of them changes nothing. */
void sw_alias_read(struct sw_proxy *p, const struct sw_flow *flow, const struct sw_via *via)
{
    if (flow->outbound || flow->transport != SW_TLS || !flow->mutual || !flow->ident ||
        flow->alias_port || !sw_alias_used(sw_proxy_peer(p->conf, flow->peer)) || !wants_alias(via))
        return;
    enter(p, flow, via->port ? via->port : 5061); /* RFC 5923 8.2 */
}

void sw_alias_judge(struct sw_proxy *p, const struct sw_flow *flow, uint32_t peer)
{
    if (flow->alias_port && !sw_alias_used(sw_proxy_peer(p->conf, peer)))
        enter(p, flow, 0);
}
