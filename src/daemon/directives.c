#include "daemon/directives.h"

#define SCHEMA(what, keys, type)                                                                   \
    {                                                                                              \
        what, keys, sizeof(keys) / sizeof((keys)[0]), sizeof(struct type),                         \
            offsetof(struct type, mark)                                                            \
    }

static const struct sw_key_def identity_keys[] = {
    {"name", SW_KEY_TEXT, offsetof(struct sw_identity_directive, name), true, NULL, NULL},
    {"certificate", SW_KEY_TEXTS, offsetof(struct sw_identity_directive, certificate), true, NULL,
     NULL},
    {"key", SW_KEY_TEXTS, offsetof(struct sw_identity_directive, key), true, NULL, NULL},
    {"staple", SW_KEY_BOOL, offsetof(struct sw_identity_directive, staple), false, NULL, NULL},
    {"passphrase", SW_KEY_TEXT, offsetof(struct sw_identity_directive, passphrase), false, NULL,
     NULL},
};
static const struct sw_schema identity_schema =
    SCHEMA("an identity", identity_keys, sw_identity_directive);

static const struct sw_key_def trust_keys[] = {
    {"name", SW_KEY_TEXT, offsetof(struct sw_trust_directive, name), true, NULL, NULL},
    {"ca", SW_KEY_TEXT, offsetof(struct sw_trust_directive, ca), false, NULL, NULL},
    {"crl", SW_KEY_TEXTS, offsetof(struct sw_trust_directive, crl), false, NULL, NULL},
    {"revocation", SW_KEY_TEXT, offsetof(struct sw_trust_directive, revocation), false,
     "off|crl|ocsp|any", NULL},
    {"revocation_failure", SW_KEY_TEXT, offsetof(struct sw_trust_directive, revocation_failure),
     false, "hard|soft", NULL},
    {"pinned", SW_KEY_TEXTS, offsetof(struct sw_trust_directive, pinned), false, NULL, NULL},
    {"depth", SW_KEY_COUNT, offsetof(struct sw_trust_directive, depth), false, NULL, NULL},
};
static const struct sw_schema trust_schema =
    SCHEMA("a trust entry", trust_keys, sw_trust_directive);

static const struct sw_key_def listen_keys[] = {
    {"name", SW_KEY_TEXT, offsetof(struct sw_listen_directive, name), true, NULL, NULL},
    {"address", SW_KEY_TEXT, offsetof(struct sw_listen_directive, address), true, NULL, NULL},
    {"transport", SW_KEY_TEXT, offsetof(struct sw_listen_directive, transport), true, "udp|tcp|tls",
     NULL},
    {"identity", SW_KEY_TEXT, offsetof(struct sw_listen_directive, identity), false, NULL, NULL},
    {"sni", SW_KEY_TEXTS, offsetof(struct sw_listen_directive, sni), false, NULL, NULL},
    {"sni_unknown", SW_KEY_TEXT, offsetof(struct sw_listen_directive, sni_unknown), false,
     "default|refuse", NULL},
    {"trust", SW_KEY_TEXTS, offsetof(struct sw_listen_directive, trust), false, NULL, NULL},
    {"client_certificate", SW_KEY_TEXT, offsetof(struct sw_listen_directive, client_certificate),
     false, "require|request|none", NULL},
    {"policy", SW_KEY_TEXT, offsetof(struct sw_listen_directive, policy), false, NULL, NULL},
    {"advertise", SW_KEY_TEXT, offsetof(struct sw_listen_directive, advertise), false, NULL, NULL},
    {"transport_tls", SW_KEY_TEXT, offsetof(struct sw_listen_directive, transport_tls), false,
     "auto|never", NULL},
    {"freebind", SW_KEY_BOOL, offsetof(struct sw_listen_directive, freebind), false, NULL, NULL},
    {"unknown", SW_KEY_TEXT, offsetof(struct sw_listen_directive, unknown), false, "drop|reject",
     NULL},
    {"dane", SW_KEY_TEXT, offsetof(struct sw_listen_directive, dane), false, "off|on", NULL},
};
static const struct sw_schema listen_schema =
    SCHEMA("a listener", listen_keys, sw_listen_directive);

static const struct sw_key_def peer_limits_keys[] = {
    {"connections", SW_KEY_COUNT, offsetof(struct sw_peer_limits_directive, connections), false,
     NULL, NULL},
    {"calls_per_second", SW_KEY_COUNT, offsetof(struct sw_peer_limits_directive, calls_per_second),
     false, NULL, NULL},
    {"transactions", SW_KEY_COUNT, offsetof(struct sw_peer_limits_directive, transactions), false,
     NULL, NULL},
};
static const struct sw_schema peer_limits_schema =
    SCHEMA("the limits of a peer", peer_limits_keys, sw_peer_limits_directive);

static const struct sw_key_def peer_keys[] = {
    {"name", SW_KEY_TEXT, offsetof(struct sw_peer_directive, name), true, NULL, NULL},
    {"domain", SW_KEY_TEXTS, offsetof(struct sw_peer_directive, domain), false, NULL, NULL},
    {"address", SW_KEY_TEXTS, offsetof(struct sw_peer_directive, address), false, NULL, NULL},
    {"transport", SW_KEY_TEXTS, offsetof(struct sw_peer_directive, transport), false, "tls|tcp|udp",
     NULL},
    {"identity", SW_KEY_TEXT, offsetof(struct sw_peer_directive, identity), false, NULL, NULL},
    {"trust", SW_KEY_TEXT, offsetof(struct sw_peer_directive, trust), false, NULL, NULL},
    {"verify", SW_KEY_TEXT, offsetof(struct sw_peer_directive, verify), false,
     "domain|wildcard|address|chain", NULL},
    {"purposes", SW_KEY_TEXT, offsetof(struct sw_peer_directive, purposes), false,
     "strict|server-is-enough|any", NULL},
    {"policy", SW_KEY_TEXT, offsetof(struct sw_peer_directive, policy), false, NULL, NULL},
    {"security", SW_KEY_TEXT, offsetof(struct sw_peer_directive, security), false,
     "tls-only|best-effort", NULL},
    {"sips", SW_KEY_TEXT, offsetof(struct sw_peer_directive, sips), false, "allow|require|deny",
     NULL},
    {"sips_contact", SW_KEY_TEXT, offsetof(struct sw_peer_directive, sips_contact), false,
     "refuse|tolerate", NULL},
    {"listen", SW_KEY_TEXT, offsetof(struct sw_peer_directive, listen), false, NULL, NULL},
    {"source", SW_KEY_TEXTS, offsetof(struct sw_peer_directive, source), false, NULL, NULL},
    {"without_certificate", SW_KEY_TEXT, offsetof(struct sw_peer_directive, without_certificate),
     false, "refuse|allow", NULL},
    {"reverse", SW_KEY_TEXT, offsetof(struct sw_peer_directive, reverse), false, "flow|alias|never",
     NULL},
    {"local_domains", SW_KEY_TEXT, offsetof(struct sw_peer_directive, local_domains), false,
     "separate|shared", NULL},
    {"ping", SW_KEY_DURATION, offsetof(struct sw_peer_directive, ping), false, NULL, NULL},
    {"timeout", SW_KEY_DURATION, offsetof(struct sw_peer_directive, timeout), false, NULL, NULL},
    {"fail_after", SW_KEY_COUNT, offsetof(struct sw_peer_directive, fail_after), false, NULL, NULL},
    {"retry_after", SW_KEY_DURATION, offsetof(struct sw_peer_directive, retry_after), false, NULL,
     NULL},
    {"limits", SW_KEY_MAP, offsetof(struct sw_peer_directive, limits), false, NULL,
     &peer_limits_schema},
    {"clear_address", SW_KEY_TEXT, offsetof(struct sw_peer_directive, clear_address), false, NULL,
     NULL},
    {"asserted_identity", SW_KEY_TEXT, offsetof(struct sw_peer_directive, asserted_identity), false,
     "distrust|trust|withhold", NULL},
    {"remove", SW_KEY_TEXTS, offsetof(struct sw_peer_directive, remove), false, NULL, NULL},
    {"dane", SW_KEY_TEXT, offsetof(struct sw_peer_directive, dane), false, "off|on", NULL},
    {"hide_inside", SW_KEY_BOOL, offsetof(struct sw_peer_directive, hide_inside), false, NULL,
     NULL},
};
static const struct sw_schema peer_schema = SCHEMA("a peer", peer_keys, sw_peer_directive);

static const struct sw_key_def set_keys[] = {
    {"user", SW_KEY_TEXT, offsetof(struct sw_set_directive, user), false, NULL, NULL},
    {"strip", SW_KEY_COUNT, offsetof(struct sw_set_directive, strip), false, NULL, NULL},
    {"prefix", SW_KEY_TEXT, offsetof(struct sw_set_directive, prefix), false, NULL, NULL},
    {"host", SW_KEY_TEXT, offsetof(struct sw_set_directive, host), false, NULL, NULL},
    {"add", SW_KEY_TEXTS, offsetof(struct sw_set_directive, add), false, NULL, NULL},
    {"remove", SW_KEY_TEXTS, offsetof(struct sw_set_directive, remove), false, NULL, NULL},
};
static const struct sw_schema set_schema = SCHEMA("set", set_keys, sw_set_directive);
static const struct sw_key_def to_keys[] = {
    {"peer", SW_KEY_TEXT, offsetof(struct sw_to_directive, peer), true, NULL, NULL},
    {"weight", SW_KEY_COUNT, offsetof(struct sw_to_directive, weight), false, NULL, NULL},
    {"order", SW_KEY_COUNT, offsetof(struct sw_to_directive, order), false, NULL, NULL},
    {"q", SW_KEY_TEXT, offsetof(struct sw_to_directive, q), false, NULL, NULL},
};
static const struct sw_schema to_schema = SCHEMA("an entry of to", to_keys, sw_to_directive);

static const struct sw_key_def route_keys[] = {
    {"from", SW_KEY_TEXT, offsetof(struct sw_route_directive, from), false, NULL, NULL},
    {"to", SW_KEY_TEXTS, offsetof(struct sw_route_directive, to), false, NULL, &to_schema},
    {"user", SW_KEY_TEXT, offsetof(struct sw_route_directive, user), false, NULL, NULL},
    {"domain", SW_KEY_TEXT, offsetof(struct sw_route_directive, domain), false, NULL, NULL},
    {"method", SW_KEY_TEXT, offsetof(struct sw_route_directive, method), false, NULL, NULL},
    {"user_regex", SW_KEY_TEXT, offsetof(struct sw_route_directive, user_regex), false, NULL, NULL},
    {"header", SW_KEY_TEXTS, offsetof(struct sw_route_directive, header), false, NULL, NULL},
    {"source", SW_KEY_TEXTS, offsetof(struct sw_route_directive, source), false, NULL, NULL},
    {"set", SW_KEY_MAP, offsetof(struct sw_route_directive, set), false, NULL, &set_schema},
    {"reject", SW_KEY_COUNT, offsetof(struct sw_route_directive, reject), false, NULL, NULL},
    {"fork", SW_KEY_TEXT, offsetof(struct sw_route_directive, fork), false, "order|serial|parallel",
     NULL},
    {"choose", SW_KEY_TEXT, offsetof(struct sw_route_directive, choose), false,
     "order|weight|least-loaded|hash", NULL},
    {"listen", SW_KEY_TEXT, offsetof(struct sw_route_directive, listen), false, NULL, NULL},
    {"suffix", SW_KEY_TEXT, offsetof(struct sw_route_directive, suffix), false, NULL, NULL},
};
static const struct sw_schema route_schema = SCHEMA("a route", route_keys, sw_route_directive);

static const struct sw_key_def policy_keys[] = {
    {"name", SW_KEY_TEXT, offsetof(struct sw_policy_directive, name), true, NULL, NULL},
    {"min_version", SW_KEY_TEXT, offsetof(struct sw_policy_directive, min_version), false,
     "1.0|1.1|1.2|1.3", NULL},
    {"max_version", SW_KEY_TEXT, offsetof(struct sw_policy_directive, max_version), false,
     "1.0|1.1|1.2|1.3", NULL},
    {"ciphers", SW_KEY_TEXT, offsetof(struct sw_policy_directive, ciphers), false, NULL, NULL},
    {"ciphersuites", SW_KEY_TEXT, offsetof(struct sw_policy_directive, ciphersuites), false, NULL,
     NULL},
    {"groups", SW_KEY_TEXT, offsetof(struct sw_policy_directive, groups), false, NULL, NULL},
    {"signature_algorithms", SW_KEY_TEXT,
     offsetof(struct sw_policy_directive, signature_algorithms), false, NULL, NULL},
};
static const struct sw_schema policy_schema =
    SCHEMA("a TLS policy", policy_keys, sw_policy_directive);

static const struct sw_key_def registrar_keys[] = {
    {"enabled", SW_KEY_BOOL, offsetof(struct sw_registrar_directive, enabled), false, NULL, NULL},
    {"realm", SW_KEY_TEXT, offsetof(struct sw_registrar_directive, realm), false, NULL, NULL},
    {"algorithms", SW_KEY_TEXTS, offsetof(struct sw_registrar_directive, algorithms), false,
     "MD5|SHA-256|SHA-512-256", NULL},
    {"min_expires", SW_KEY_DURATION, offsetof(struct sw_registrar_directive, min_expires), false,
     NULL, NULL},
    {"max_expires", SW_KEY_DURATION, offsetof(struct sw_registrar_directive, max_expires), false,
     NULL, NULL},
};
static const struct sw_schema registrar_schema =
    SCHEMA("registrar", registrar_keys, sw_registrar_directive);

static const struct sw_key_def dns_keys[] = {
    {"servers", SW_KEY_TEXTS, offsetof(struct sw_dns_directive, servers), false, NULL, NULL},
    {"dnssec", SW_KEY_TEXT, offsetof(struct sw_dns_directive, dnssec), false,
     "off|opportunistic|require", NULL},
    {"anchor", SW_KEY_TEXT, offsetof(struct sw_dns_directive, anchor), false, NULL, NULL},
    {"timeout", SW_KEY_DURATION, offsetof(struct sw_dns_directive, timeout), false, NULL, NULL},
};
static const struct sw_schema dns_schema = SCHEMA("dns", dns_keys, sw_dns_directive);

static const struct sw_key_def admin_keys[] = {
    {"address", SW_KEY_TEXT, offsetof(struct sw_admin_directive, address), false, NULL, NULL},
    {"socket", SW_KEY_TEXT, offsetof(struct sw_admin_directive, socket), false, NULL, NULL},
};
static const struct sw_schema admin_schema = SCHEMA("admin", admin_keys, sw_admin_directive);

static const struct sw_key_def log_keys[] = {
    {"level", SW_KEY_TEXT, offsetof(struct sw_log_directive, level), false,
     "error|warn|info|debug|trace", NULL},
    {"format", SW_KEY_TEXT, offsetof(struct sw_log_directive, format), false, "text|json", NULL},
};
static const struct sw_schema log_schema = SCHEMA("log", log_keys, sw_log_directive);

static const struct sw_key_def limits_keys[] = {
    {"drain", SW_KEY_DURATION, offsetof(struct sw_limits_directive, drain), false, NULL, NULL},
    {"connect", SW_KEY_DURATION, offsetof(struct sw_limits_directive, connect), false, NULL, NULL},
    {"handshake", SW_KEY_DURATION, offsetof(struct sw_limits_directive, handshake), false, NULL,
     NULL},
    {"idle", SW_KEY_DURATION, offsetof(struct sw_limits_directive, idle), false, NULL, NULL},
    {"surplus", SW_KEY_DURATION, offsetof(struct sw_limits_directive, surplus), false, NULL, NULL},
    {"message", SW_KEY_DURATION, offsetof(struct sw_limits_directive, message), false, NULL, NULL},
    {"unacknowledged", SW_KEY_DURATION, offsetof(struct sw_limits_directive, unacknowledged), false,
     NULL, NULL},
    {"recheck", SW_KEY_DURATION, offsetof(struct sw_limits_directive, recheck), false, NULL, NULL},
    {"resumption", SW_KEY_DURATION, offsetof(struct sw_limits_directive, resumption), false, NULL,
     NULL},
    {"sessions", SW_KEY_COUNT, offsetof(struct sw_limits_directive, sessions), false, NULL, NULL},
    {"revocation_wait", SW_KEY_DURATION, offsetof(struct sw_limits_directive, revocation_wait),
     false, NULL, NULL},
    {"revocation_refresh", SW_KEY_DURATION,
     offsetof(struct sw_limits_directive, revocation_refresh), false, NULL, NULL},
    {"header_bytes", SW_KEY_SIZE, offsetof(struct sw_limits_directive, header_bytes), false, NULL,
     NULL},
    {"headers", SW_KEY_COUNT, offsetof(struct sw_limits_directive, headers), false, NULL, NULL},
    {"uri_bytes", SW_KEY_SIZE, offsetof(struct sw_limits_directive, uri_bytes), false, NULL, NULL},
    {"body_bytes", SW_KEY_SIZE, offsetof(struct sw_limits_directive, body_bytes), false, NULL,
     NULL},
    {"output_bytes", SW_KEY_SIZE, offsetof(struct sw_limits_directive, output_bytes), false, NULL,
     NULL},
    {"connections", SW_KEY_COUNT, offsetof(struct sw_limits_directive, connections), false, NULL,
     NULL},
    {"connections_per_peer", SW_KEY_COUNT,
     offsetof(struct sw_limits_directive, connections_per_peer), false, NULL, NULL},
    {"transactions", SW_KEY_COUNT, offsetof(struct sw_limits_directive, transactions), false, NULL,
     NULL},
    {"branches", SW_KEY_COUNT, offsetof(struct sw_limits_directive, branches), false, NULL, NULL},
    {"calls", SW_KEY_COUNT, offsetof(struct sw_limits_directive, calls), false, NULL, NULL},
    {"handshakes_per_source", SW_KEY_COUNT,
     offsetof(struct sw_limits_directive, handshakes_per_source), false, NULL, NULL},
    {"messages_per_second", SW_KEY_COUNT, offsetof(struct sw_limits_directive, messages_per_second),
     false, NULL, NULL},
    {"source_messages_per_second", SW_KEY_COUNT,
     offsetof(struct sw_limits_directive, source_messages_per_second), false, NULL, NULL},
    {"avoid", SW_KEY_DURATION, offsetof(struct sw_limits_directive, avoid), false, NULL, NULL},
    {"lateness", SW_KEY_DURATION, offsetof(struct sw_limits_directive, lateness), false, NULL,
     NULL},
    {"dns_questions", SW_KEY_COUNT, offsetof(struct sw_limits_directive, dns_questions), false,
     NULL, NULL},
    {"dns_cache", SW_KEY_COUNT, offsetof(struct sw_limits_directive, dns_cache), false, NULL, NULL},
};
static const struct sw_schema limits_schema = SCHEMA("limits", limits_keys, sw_limits_directive);

static const struct sw_key_def config_keys[] = {
    {"domains", SW_KEY_TEXTS, offsetof(struct sw_directives, domains), true, NULL, NULL},
    {"workers", SW_KEY_COUNT, offsetof(struct sw_directives, workers), false, NULL, NULL},
    {"identities", SW_KEY_MAPS, offsetof(struct sw_directives, identities), false, NULL,
     &identity_schema},
    {"trust", SW_KEY_MAPS, offsetof(struct sw_directives, trust), false, NULL, &trust_schema},
    {"listen", SW_KEY_MAPS, offsetof(struct sw_directives, listen), true, NULL, &listen_schema},
    {"peers", SW_KEY_MAPS, offsetof(struct sw_directives, peers), false, NULL, &peer_schema},
    {"routes", SW_KEY_MAPS, offsetof(struct sw_directives, routes), false, NULL, &route_schema},
    {"tls_policies", SW_KEY_MAPS, offsetof(struct sw_directives, tls_policies), false, NULL,
     &policy_schema},
    {"registrar", SW_KEY_MAP, offsetof(struct sw_directives, registrar), false, NULL,
     &registrar_schema},
    {"dns", SW_KEY_MAP, offsetof(struct sw_directives, dns), false, NULL, &dns_schema},
    {"store", SW_KEY_TEXT, offsetof(struct sw_directives, store), false, NULL, NULL},
    {"seal_key", SW_KEY_TEXTS, offsetof(struct sw_directives, seal_key), false, NULL, NULL},
    {"domain_key", SW_KEY_TEXT, offsetof(struct sw_directives, domain_key), false, NULL, NULL},
    {"admin", SW_KEY_MAP, offsetof(struct sw_directives, admin), false, NULL, &admin_schema},
    {"log", SW_KEY_MAP, offsetof(struct sw_directives, log), false, NULL, &log_schema},
    {"limits", SW_KEY_MAP, offsetof(struct sw_directives, limits), false, NULL, &limits_schema},
};
const struct sw_schema sw_config_schema = SCHEMA("the configuration", config_keys, sw_directives);
