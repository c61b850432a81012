/* What the proxy must know of the configuration: plain data, filled by the daemon, read-only here.
 */
#ifndef SW_PROXY_CONF_H
#define SW_PROXY_CONF_H

#include "base/flow.h"
#include "crypto/hmac.h"
#include "crypto/siphash.h"
#include "crypto/siv.h"
#include "sip/domain.h"

enum sw_unknown { SW_UNKNOWN_DROP, SW_UNKNOWN_REJECT };

struct sw_listener_conf {
    struct sw_slice name;
    struct sw_endpoint address;
    struct sw_slice host; /* as Via and Record-Route carry it; IPv6 in brackets */
    uint16_t port;        /* likewise, never 0 */
    uint8_t transport;    /* enum sw_transport; a UDP listener takes TCP as well */
    uint8_t unknown;      /* enum sw_unknown */
    bool transport_tls;   /* ;transport=tls may stand in Record-Route */
    bool requires_certificate;
    bool dane; /* servers of strangers may be believed by TLSA records: RFC 7673 */
};

enum sw_sips_mode { SW_SIPS_ALLOW, SW_SIPS_REQUIRE, SW_SIPS_DENY };
enum sw_reverse { SW_REVERSE_FLOW, SW_REVERSE_ALIAS, SW_REVERSE_NEVER };

/* What extendedKeyUsage a peer's certificate needs, if it has that extension. */
enum sw_purposes {
    SW_PURPOSES_STRICT,           /* that of its role, or sipDomain */
    SW_PURPOSES_SERVER_IS_ENOUGH, /* serverAuth also for a client */
    SW_PURPOSES_ANY,              /* it is not asked for */
};

/* What a peer is in the terms of RFC 3325: docs/rules.md "Asserted identity". */
enum sw_asserted {
    SW_ASSERTED_DISTRUST, /* outside: what it asserts is removed */
    SW_ASSERTED_TRUST,    /* in our Trust Domain */
    SW_ASSERTED_WITHHOLD, /* outside, and told only what a user wants to be told */
};

/* A header field by its name, in full; `id` is SW_HDR_OTHER for one that we do not know. */
struct sw_header_name {
    struct sw_slice name;
    uint8_t id; /* enum sw_hdr_id */
};

/* Each for what the peer sends and, counted apart, for what is sent to it; 0: any number. */
struct sw_peer_limits {
    uint32_t connections;  /* at once */
    uint32_t calls_per_s;  /* requests outside of dialogs per second, and as many at once */
    uint32_t transactions; /* requests without final answer, at once */
};

struct sw_peer_conf {
    struct sw_slice name;
    uint32_t id;                    /* stable: a hash of the name */
    const struct sw_slice *domains; /* names its certificate must prove, the first is its own */
    const struct sw_endpoint *addresses; /* where it is; none: by DNS */
    const struct sw_cidr *sources;       /* whose datagrams and plain connections are its */
    const struct sw_pin *pins;           /* certificates that stand for it as they are */
    uint32_t domain_count, address_count, source_count, pin_count;
    uint32_t trust; /* id of its trust entry; 0: none */
    uint16_t listener;
    bool udp, tcp, tls;       /* tls alone, or udp and tcp in any combination */
    uint8_t verify;           /* enum sw_verify */
    uint8_t purposes;         /* enum sw_purposes */
    uint8_t sips;             /* enum sw_sips_mode */
    uint8_t reverse;          /* enum sw_reverse */
    bool without_certificate; /* its source is enough on a TLS listener */
    bool best_effort;         /* security: best-effort */
    bool dane;                /* its server may be believed by TLSA records: RFC 7673 */
    bool hide_inside;         /* what is behind us is hidden from it: docs/hiding.md */
    bool sip_contact;         /* a sips request of it may have a sip Contact */
    bool shares_domains;      /* its connections are for all domains of ours: proxy/local.h */
    struct sw_endpoint clear_address;
    struct sw_slice retarget; /* HOST or HOST:PORT that takes the place of ours in a Request-URI */
    uint32_t ping_ms;         /* 0: off */
    uint32_t timeout_ms;
    const struct sw_header_name *remove; /* from what goes to it */
    uint32_t remove_count;
    uint8_t asserted_identity; /* enum sw_asserted */
    bool asserted_is_default;  /* nobody said so */
    uint32_t fail_after;     /* attempts in a row without answer that take it down; 0: any number */
    uint32_t retry_after_ms; /* then one request may try it again */
    struct sw_peer_limits limits;
};

enum sw_from { SW_FROM_ANY, SW_FROM_PEER, SW_FROM_REGISTERED, SW_FROM_VERIFIED };

/* What several peers of a route mean. */
enum sw_fork_rule {
    SW_FORK_ORDER,    /* one place: the next is tried if one cannot be reached */
    SW_FORK_SERIAL,   /* the next is tried if one does not accept */
    SW_FORK_PARALLEL, /* all at once */
};

/* Which of several peers comes first: docs/groups.md */
enum sw_choose {
    SW_CHOOSE_ORDER,        /* as they stand */
    SW_CHOOSE_WEIGHT,       /* by chance for each Call-ID, in proportion to their weights */
    SW_CHOOSE_LEAST_LOADED, /* the fewest transactions for its weight */
    SW_CHOOSE_HASH,         /* the same one for the same Call-ID */
};

/* Where a route leads that names no peers. */
enum sw_lookup_rule {
    SW_LOOKUP_NONE,
    SW_LOOKUP_DNS,  /* to the next Route or the Request-URI: RFC 3261 16.6 step 6, 7 */
    SW_LOOKUP_ENUM, /* to the URI that ENUM has for the number: RFC 6116 */
};

struct sw_route_conf {
    uint8_t from;                         /* enum sw_from */
    uint16_t from_peer;                   /* index of a peer */
    struct sw_slice user, domain, method; /* globs; .p NULL: any */
    const uint16_t *to;                   /* indices of peers, in the order of the file */
    const uint16_t *q;                    /* of each, 0 to SW_Q_MAX; NULL: all that */
    const uint16_t *weight;               /* of each; NULL: all 1 */
    const uint16_t *order;                /* of each, the lower first; NULL: all 0 */
    uint32_t to_count;
    uint8_t fork;                      /* enum sw_fork_rule */
    uint8_t choose;                    /* enum sw_choose, among those of one order */
    uint16_t reject;                   /* the response to give instead; 0: none */
    const struct sw_rule_match *match; /* further conditions; NULL: none. proxy/rules.h */
    const struct sw_rule_set *set;     /* what is changed; NULL: nothing */
    bool unsupported;                  /* `to: location` needs what this version does not have */
    uint8_t lookup;                    /* enum sw_lookup_rule */
    uint16_t listener;                 /* of `lookup`: where connections come from */
    struct sw_slice suffix;            /* of SW_LOOKUP_ENUM: without dots at its ends */
};

struct sw_peer_name {
    struct sw_slice name; /* in lower case */
    uint16_t peer;
};

struct sw_peer_source {
    struct sw_endpoint ip;
    uint16_t peer;
};

/* Keys that open what is sealed; the first of them seals. */
enum { SW_SEAL_KEYS_MAX = 4 };

struct sw_proxy_conf {
    const struct sw_slice *domains; /* ours, in lower case, sorted */
    const struct sw_listener_conf *listeners;
    const struct sw_peer_conf *peers;
    const struct sw_route_conf *routes;
    uint32_t domain_count, listener_count, peer_count, route_count;
    struct sw_hmac_key seal_key;                         /* seals and opens */
    struct sw_hmac_key seal_older[SW_SEAL_KEYS_MAX - 1]; /* only open */
    uint32_t seal_older_count;
    uint16_t node;
    uint32_t headers_max;           /* rows of one message, up to SW_HDRS_MAX */
    uint32_t uri_max;               /* bytes of a Request-URI or a Route's URI */
    uint32_t branches_max;          /* targets at which a request is tried */
    uint32_t source_messages_per_s; /* from one address that is nobody's, by UDP; 0: all */
    uint32_t avoid_ms;              /* a place that failed is tried last; 0: it is not */
    uint32_t lateness_ms;           /* timers later than that: new requests get 503; 0: never */
    bool best_effort;               /* a peer has security: best-effort */
    bool has_domain_key;            /* it is given; else sw_proxy_conf_index makes it */
    struct sw_sip_key domain_key;   /* of sw_proxy_domain_id */
    /* made by sw_proxy_conf_index */
    struct sw_peer_name *by_domain;   /* sorted by name, then peer */
    struct sw_peer_source *by_source; /* whole addresses, sorted, then peer */
    uint16_t *by_range;               /* peers with a range among their sources */
    uint16_t *by_id;                  /* peers sorted by id */
    uint16_t *clear;                  /* peers with security: best-effort */
    uint16_t *wide;                   /* peers whose name rule is wider than equality */
    uint32_t by_domain_count, by_source_count, by_range_count, clear_count, wide_count;
    const struct sw_header_name **rule_headers; /* those that a route matches on */
    uint32_t rule_header_count;
    bool rule_sources;                            /* a route matches on the source address */
    struct sw_siv_key hide_key[SW_SEAL_KEYS_MAX]; /* of seal_key and seal_older */
    bool hides;                                   /* a peer has hide_inside */
    bool any_dane;                                /* a peer or a listener has dane */
};

/**
 * Builds the sorted look-up tables; they are freed with sw_proxy_conf_fini. The domains must be in
 * lower case and sorted already. SW_LIMIT_MEMORY
 */
SW_MUST_USE enum sw_status sw_proxy_conf_index(struct sw_proxy_conf *c);
void sw_proxy_conf_fini(struct sw_proxy_conf *c);

/** The peer with this id, or NULL. */
const struct sw_peer_conf *sw_proxy_peer(const struct sw_proxy_conf *c, uint32_t id);

/** The first TLS peer in the file with this domain, without regard to case, or NULL. */
const struct sw_peer_conf *sw_proxy_peer_of_domain(const struct sw_proxy_conf *c,
                                                   struct sw_slice domain);

/** Which of the peer's domains a host is, in any case, from 1; 0: none. */
uint32_t sw_peer_domain(const struct sw_peer_conf *p, struct sw_slice host);

/** The key of ids that a key stands for: that of `domain_key`, or one that seals. */
struct sw_sip_key sw_proxy_domain_key(const struct sw_hmac_key *of);

/** The id of a peer name: never SW_PEER_NOBODY or SW_PEER_VERIFIED. */
uint32_t sw_proxy_peer_id(struct sw_slice name);

/**
 * The id of a proved domain that is no peer's, without regard to case: never the id of a peer. It
 * depends on a key: nobody can make a domain whose id is that of another one, and have a connection
 * to it used for that. The key stays while seal keys come and go: the ids stand in dialogs and with
 * connections.
 */
uint32_t sw_proxy_domain_id(const struct sw_proxy_conf *c, struct sw_slice domain);

/** The one of `domains` that a host is, whatever its case and with a dot behind it; or NULL. */
const struct sw_slice *sw_proxy_domain(const struct sw_proxy_conf *c, struct sw_slice host);

/**
 * True if a host, with this port or (0) without, is one of ours: a domain of ours, or the address
 * or advertised name of a listener, whose port must then be that listener's if it is given.
 */
bool sw_proxy_is_ours(const struct sw_proxy_conf *c, struct sw_slice host, uint16_t port);

/** True if this is the `clear_address` of a peer with security: best-effort, whatever the port. */
bool sw_proxy_is_clear_address(const struct sw_proxy_conf *c, const struct sw_endpoint *e);

/** Orders slices by bytes: for the sorted tables. */
int sw_slice_order(struct sw_slice a, struct sw_slice b);

#endif
