/* Peers as groups: which of a route's peers comes first, when one counts as down, and what it may
 * take. docs/groups.md */
#ifndef SW_DAEMON_CONFIG_GROUPS_H
#define SW_DAEMON_CONFIG_GROUPS_H

#include "daemon/config.h"

/* What is said of one peer of a route beside its name. */
struct sw_config_place {
    uint16_t q, weight, order;
    bool has_q, has_weight, has_order;
};

/** Reads one entry of `to`, NAME;q=0.7 or a mapping: its name, with `.s.p` NULL if it has none. */
struct sw_text sw_config_read_place(struct sw_config_build *b, const struct sw_text *t,
                                    struct sw_config_place *out);

/**
 * `choose` of a route, after its places were read, and what does not go with it. `any`: what at
 * least one of its places has.
 */
void sw_config_choose(struct sw_config_build *b, const struct sw_route_directive *d,
                      const struct sw_config_place *any, struct sw_route_conf *r);

/** `fail_after`, `retry_after` and `limits` of a peer. */
void sw_config_peer_group(struct sw_config_build *b, const struct sw_peer_directive *d,
                          struct sw_peer_conf *p, struct sw_conn_peer *cp);

#endif
