/* Proxy configurations made by hand, for tests without files. */
#ifndef TESTS_SUPPORT_CONF_H
#define TESTS_SUPPORT_CONF_H

#include "proxy/conf.h"
#include "proxy/proxy.h"

enum { CONF_MAX = 16 };

struct conf {
    struct sw_proxy_conf proxy;
    struct sw_listener_conf listeners[CONF_MAX];
    struct sw_peer_conf peers[CONF_MAX];
    struct sw_route_conf routes[CONF_MAX];
    struct sw_slice domains[CONF_MAX];
    struct sw_slice peer_domain[CONF_MAX];
    struct sw_endpoint peer_address[CONF_MAX][4];
    struct sw_cidr peer_source[CONF_MAX];
    uint16_t to[CONF_MAX][4];
    struct sw_peer_state state[CONF_MAX];
    char texts[CONF_MAX * 4][SW_ENDPOINT_TEXT_MAX];
    unsigned text_count;
};

/** An empty configuration for the domain example.test. */
void conf_init(struct conf *c);
void conf_fini(struct conf *c);

/** A listener; it advertises its address unless `host` is given. */
struct sw_listener_conf *conf_listener(struct conf *c, const char *name, const char *address,
                                       enum sw_transport transport, const char *host);

/** A peer at an address; with TLS `domain` is what its certificate must prove, trust is entry 1. */
struct sw_peer_conf *conf_peer(struct conf *c, const char *name, const char *address,
                               enum sw_transport transport, const char *domain);

/** One more address of the last peer. */
void conf_address(struct conf *c, const char *address);

/** A route from a peer (NULL: any) to peers by name, closed with NULL. */
struct sw_route_conf *conf_route(struct conf *c, const char *from, ...) __attribute__((sentinel));

/** Call once when all is added. */
void conf_done(struct conf *c);

/** A certificate's facts: a SAN URI sip:DOMAIN, or up to four with a space between the domains,
 * vouched for by trust entry 1. Free with free(). */
struct sw_ident *conf_ident(const char *domain);

#endif
