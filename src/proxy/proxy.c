#include "proxy/proxy.h"

struct sw_slice sw_proxy_peer_name(const struct sw_proxy *p, uint32_t id)
{
    const struct sw_peer_conf *peer = sw_proxy_peer(p->conf, id);
    if (peer)
        return peer->name;
    if (id == SW_PEER_VERIFIED || id > INT32_MAX) /* or the hash of a domain */
        return SW_SLICE("verified");
    return id == SW_PEER_NOBODY ? SW_SLICE("nobody") : SW_SLICE("removed");
}
