/* The keys of the configuration file as the contract has them, before anything is made of them. */
#ifndef SW_DAEMON_DIRECTIVES_H
#define SW_DAEMON_DIRECTIVES_H

#include "daemon/schema.h"

struct sw_identity_directive {
    struct sw_mark mark;
    struct sw_text name, passphrase;
    struct sw_texts certificate, key;
    struct sw_number staple;
};

struct sw_trust_directive {
    struct sw_mark mark;
    struct sw_text name, ca, revocation, revocation_failure;
    struct sw_texts pinned, crl;
    struct sw_number depth;
};

struct sw_listen_directive {
    struct sw_mark mark;
    struct sw_text name, address, transport, identity, client_certificate, policy, advertise,
        transport_tls, unknown, sni_unknown, dane;
    struct sw_texts sni, trust;
    struct sw_number freebind;
};

struct sw_peer_limits_directive {
    struct sw_mark mark;
    struct sw_number connections, calls_per_second, transactions;
};

struct sw_peer_directive {
    struct sw_mark mark;
    struct sw_text name, identity, trust, verify, purposes, policy, security, dane, sips,
        sips_contact, listen, without_certificate, reverse, local_domains, clear_address,
        asserted_identity;
    struct sw_texts domain, address, transport, source, remove;
    struct sw_number ping, timeout, hide_inside, fail_after, retry_after;
    struct sw_peer_limits_directive limits;
};

struct sw_set_directive {
    struct sw_mark mark; /* line 0: not given */
    struct sw_text user, prefix, host;
    struct sw_texts add, remove;
    struct sw_number strip;
};

/* An entry of `to` that is a mapping. */
struct sw_to_directive {
    struct sw_mark mark;
    struct sw_text peer, q;
    struct sw_number weight, order;
};

struct sw_route_directive {
    struct sw_mark mark;
    struct sw_text from, user, domain, method, fork, user_regex, choose, listen, suffix;
    struct sw_texts to, header, source;
    struct sw_number reject;
    struct sw_set_directive set;
};

struct sw_policy_directive {
    struct sw_mark mark;
    struct sw_text name, min_version, max_version, ciphers, ciphersuites, groups,
        signature_algorithms;
};

struct sw_registrar_directive {
    struct sw_mark mark;
    struct sw_number enabled, min_expires, max_expires;
    struct sw_text realm;
    struct sw_texts algorithms;
};

struct sw_dns_directive {
    struct sw_mark mark;
    struct sw_texts servers;
    struct sw_text dnssec, anchor;
    struct sw_number timeout;
};

struct sw_admin_directive {
    struct sw_mark mark;
    struct sw_text address, socket;
};

struct sw_log_directive {
    struct sw_mark mark;
    struct sw_text level, format;
};

struct sw_limits_directive {
    struct sw_mark mark;
    struct sw_number drain, connect, handshake, idle, surplus, message, unacknowledged, recheck,
        resumption, sessions, revocation_wait, revocation_refresh;
    struct sw_number header_bytes, headers, uri_bytes, body_bytes, output_bytes;
    struct sw_number connections, connections_per_peer, transactions, branches, calls;
    struct sw_number handshakes_per_source, messages_per_second, source_messages_per_second,
        lateness, avoid, dns_questions, dns_cache;
};

struct sw_directives {
    struct sw_mark mark;
    struct sw_texts domains;
    struct sw_number workers;
    struct sw_maps identities, trust, listen, peers, routes, tls_policies;
    struct sw_registrar_directive registrar;
    struct sw_dns_directive dns;
    struct sw_text store;
    struct sw_texts seal_key;
    struct sw_text domain_key;
    struct sw_admin_directive admin;
    struct sw_log_directive log;
    struct sw_limits_directive limits;
};

/* The table of keys: docs/config.md describes each. */
extern const struct sw_schema sw_config_schema;

#endif
