#include "proxy/place.h"

static struct sw_endpoint address(const struct sw_peer_conf *peer, uint32_t i,
                                  enum sw_transport transport)
{
    struct sw_endpoint e = peer->addresses[i];
    e.port = e.port ? e.port : sw_transport_port(transport);
    return e;
}

struct sw_place_walk sw_place_begin(const struct sw_proxy *p, const struct sw_peer_conf *peer,
                                    enum sw_transport transport)
{
    struct sw_place_walk w = {.peer = peer, .transport = (uint8_t)transport};
    for (uint32_t i = 0; peer && i < peer->address_count && i < 64; i++) {
        const struct sw_endpoint e = address(peer, i, transport);
        if (sw_avoid_has(p->avoid, peer->id, &e, transport, p->e->now_ms))
            w.avoided |= UINT64_C(1) << i;
    }
    return w;
}

bool sw_place_next(struct sw_place_walk *w, struct sw_endpoint *out)
{
    const uint32_t count = w->peer ? w->peer->address_count : 0;
    for (;;) {
        while (w->next < count && (w->next < 64 && w->avoided >> w->next & 1) != w->last)
            w->next++;
        if (w->next < count)
            break;
        if (w->last)
            return false;
        w->last = true;
        w->next = 0;
    }
    *out = address(w->peer, w->next++, (enum sw_transport)w->transport);
    return true;
}
