/* A configuration that was read, checked and made into what the rooms want. Immutable once loaded.
 */
#ifndef SW_DAEMON_CONFIG_H
#define SW_DAEMON_CONFIG_H

#include "base/field.h"
#include "conn/conn.h"
#include "daemon/directives.h"
#include "dns/context.h"
#include "proxy/conf.h"

/* Names of one kind, sorted, with the index of what they name. */
struct sw_name_ref {
    struct sw_slice name;
    uint32_t index;
};

struct sw_names {
    struct sw_name_ref *n;
    size_t count;
    const char *what; /* such as "identity" */
};

/* How a listener's sockets are to be. */
struct sw_config_listener {
    struct sw_endpoint address;
    uint8_t transport;
    bool freebind;
};

struct sw_config_limits {
    uint32_t drain_ms;
    uint32_t connections;          /* of the process */
    uint32_t connections_per_peer; /* 0: min(workers, 4) */
    uint32_t transactions;         /* of the process */
    uint32_t calls;                /* answered ones whose hops are kept, of the process */
    uint32_t revocation_refresh_s; /* how long an answer is used before it is asked for again */
    struct sw_conn_limits conn;
};

/* Where a revocation list of a trust entry came from. */
struct sw_config_crl {
    const char *file;
    struct sw_mark mark;
};

/* A file of lists that could not be read: what it had stays. */
struct sw_config_unread {
    struct sw_config_unread *next;
    const char *entry; /* the trust entry */
    const char *file;  /* or folder */
    const char *why;
    int64_t since_s; /* wall clock; of the first reading that failed */
    uint32_t lists;  /* that stay */
};

/* A file that the configuration names. */
struct sw_config_file {
    struct sw_config_file *next;
    const char *path;
    bool list; /* of revocations */
};

/* What a configuration is made from. */
enum sw_config_from {
    SW_CONFIG_FILE,    /* its file, and all that it names */
    SW_CONFIG_RUNNING, /* the text that runs; all files that it names are read again */
    SW_CONFIG_LISTS,   /* the text that runs; only revocation lists are read again */
};

/* Who uses an identity or a trust entry: the first, and how many. */
struct sw_config_use {
    const char *kind, *name; /* such as "listener" "outside" */
    uint32_t count;
    bool as_server, as_client;
};

struct sw_config {
    struct sw_slab slab;
    struct sw_arena arena;
    struct sw_slice text; /* of the file, as it was read */
    char *dir;            /* of the file: paths in it are relative to this */
    struct sw_config_file *files;
    uint32_t last_id; /* of trust entries and identities, over all reloads */
    struct sw_directives d;
    struct sw_names identity_names, trust_names, listener_names, peer_names, policy_names;
    struct sw_tls_identity *identities;
    struct sw_trust_entry *trusts;
    struct sw_config_crl **crl_from; /* per trust entry, in the order of its lists */
    struct sw_config_unread *unread; /* none after reading the file itself: it is refused then */
    struct sw_trust **stores;        /* all that were made, to be freed */
    size_t store_count;
    struct sw_trust **trust_store;  /* per trust entry, made when first wanted */
    struct sw_tls_policy *policies; /* the three that always exist, and the file's own */
    uint32_t identity_count, trust_count, policy_count;
    struct sw_config_use *identity_use, *trust_use;
    struct sw_config_listener *listeners;
    struct sw_conn_listener *conn_listeners;
    struct sw_conn_peer *conn_peers; /* sorted by id */
    struct sw_proxy_conf proxy;
    struct sw_config_limits limits;
    struct sw_dns_conf dns;
    uint32_t dns_cache;       /* answers that a worker keeps */
    const char *admin_socket; /* a path; NULL: none is wanted */
    unsigned workers;
    enum sw_level log_level;
    bool log_json;
};

/**
 * Reads a file and all it names. `before` is the configuration it is to replace, whose ids and
 * random keys it keeps; NULL: none. SW_OK: it can run, perhaps with warnings. SW_PEER_SYNTAX: it
 * cannot. SW_SYS: the file itself cannot be read. SW_LIMIT_MEMORY. All is told in `diags`. Free it
 * in any case.
 */
SW_MUST_USE enum sw_status sw_config_load(const char *path, const struct sw_config *before,
                                          struct sw_config *c, struct sw_diags *diags);
void sw_config_free(struct sw_config *c);

/**
 * The same, made again from the text of `before`, whatever stands in its file now. A list that
 * cannot be read stays as it was, see `unread`. With SW_CONFIG_LISTS nothing else is read, and only
 * memory can be missing.
 */
SW_MUST_USE enum sw_status sw_config_again(const char *path, const struct sw_config *before,
                                           enum sw_config_from from, struct sw_config *c,
                                           struct sw_diags *diags);

/* ---- for the files of this configuration: each fills its part ---- */

struct sw_config_build {
    struct sw_config *c;
    const struct sw_config *before; /* NULL: there is none */
    enum sw_config_from from;
    struct sw_diags *diags;
    int64_t now_s;
    const char **policy_weakness; /* per policy; empty: it has none */
    bool memory_out;              /* it was told */
};

void sw_config_identities(struct sw_config_build *b);
void sw_config_identities_free(struct sw_config *c);
void sw_config_trust(struct sw_config_build *b);     /* identities, trust entries, policies */
void sw_config_listen(struct sw_config_build *b);    /* listeners */
void sw_config_peers(struct sw_config_build *b);     /* peers */
void sw_config_routes(struct sw_config_build *b);    /* domains, routes */
void sw_config_seal_keys(struct sw_config_build *b); /* the keys of seal_key */
void sw_config_dns(struct sw_config_build *b);       /* dns */
void sw_config_fits(struct sw_config_build *b);      /* policies against trust entries */
void sw_config_dane(struct sw_config_build *b);      /* dane of peers and listeners */
void sw_config_lookup(struct sw_config_build *b, const struct sw_route_directive *d,
                      struct sw_route_conf *r); /* routes to where the DNS says */
void sw_config_misc(
    struct sw_config_build *b); /* workers, log, limits, seal, what is not acted on */

/** What a route asks and sets, and what a peer is not told: config_rules.c */
void sw_config_route_rules(struct sw_config_build *b, const struct sw_route_directive *d,
                           struct sw_route_conf *r);
void sw_config_peer_rules(struct sw_config_build *b, const struct sw_peer_directive *d,
                          struct sw_peer_conf *p);

/** Notes who uses which identity and trust entry, and warns of what is weak in identities; last. */
void sw_config_identities_check(struct sw_config_build *b);

/** Tells of peers that could be taken for each other: the first in the file wins. Up to a number
 * that is quick. */
void sw_config_twins(struct sw_config_build *b, const struct sw_peer_directive *d);

/** Warns of a server's certificate that promises a staple that cannot be sent. RFC 7633 4.3.2 */
void sw_config_check_staple(struct sw_config_build *b, struct sw_mark mark,
                            const struct sw_tls_identity *id, bool staples);

/** Tells where `reverse: alias` of a peer can have no effect, as it is configured. RFC 5923 9 */
void sw_config_reuse(struct sw_config_build *b, const struct sw_peer_directive *d,
                     const struct sw_peer_conf *p, const struct sw_conn_peer *cp);

/**
 * Fills the names that a listener shows identities by: those of `identity` and of `sni`, the first
 * that has a name keeping it. True if one of them proves `host`. RFC 6066 3, RFC 5922 7.5
 */
bool sw_config_shown(struct sw_config_build *b, const struct sw_listen_directive *d,
                     struct sw_slice host, struct sw_tls_params *tls);

/** The name under which a certificate is found by server name; a wildcard is one whole label.
 * False: none. RFC 6066 3 */
bool sw_config_shown_name(const struct sw_cert_name *x, struct sw_slice *name);

/* One use of an identity or of a trust entry. */
struct sw_use_of {
    const struct sw_tls_identity *identity; /* NULL: it is of the trust entry */
    const struct sw_trust_entry *trust;
    const char *kind, *name; /* such as "listener" "outside" */
    bool as_client;
};

/** Tells each use, in the order of the file; an identity under `sni` counts as its listener's. */
void sw_config_uses(const struct sw_config *c, void (*use)(void *user, const struct sw_use_of *u),
                    void *user);

/** "listener outside and 2 more", for people. */
void sw_use_text(const struct sw_config_use *u, char *out, size_t cap);

/** Sorts the names of `count` directives of `size` bytes whose first text is at `offset`. */
void sw_names_build(struct sw_config_build *b, struct sw_names *names, const char *what,
                    const struct sw_maps *maps, size_t size, size_t offset);

/** The index of a name, or -1. */
int64_t sw_names_index(const struct sw_names *names, struct sw_slice name);

/** The index that a name stands for, or -1 with an error that names the nearest. */
int64_t sw_names_find(struct sw_config_build *b, const struct sw_names *names,
                      const struct sw_text *name, const char *key);

/** Tells, once, that memory is out: nothing of this configuration is used then. */
void sw_config_memory_out(struct sw_config_build *b);

/** Cleared memory in the configuration's arena. NULL: memory is out, which is told. */
void *sw_config_alloc(struct sw_config_build *b, size_t n);

/** A path of the file as it is to be opened; it is noted in `files`. Empty if memory is out. */
const char *sw_config_path(struct sw_config_build *b, const struct sw_text *path);

/** Notes one more file whose change is a reason to read all files again. */
void sw_config_watch(struct sw_config_build *b, const char *path);

/** The same of a file or folder of revocation lists: these are read again alone. */
void sw_config_watch_list(struct sw_config_build *b, const char *path);

/** The same path, not noted. */
const char *sw_config_path_only(struct sw_config_build *b, const struct sw_text *path);

/* With SW_CONFIG_LISTS, instead of reading files. */
void sw_config_share_files(struct sw_config_build *b);
void sw_config_share_identity(struct sw_config_build *b, uint32_t i);
void sw_config_share_trust(struct sw_config_build *b, uint32_t i);

/** Reads what `crl` of a trust entry names: files, and folders with such. */
void sw_config_crls(struct sw_config_build *b, const struct sw_trust_directive *d, uint32_t entry);

/** The store for one trust entry, or for a list of them; equal lists share one. */
struct sw_trust *sw_config_store(struct sw_config_build *b, const uint32_t *entries, size_t count);

/**
 * The number of the policy that a text names, `standard` if it is not given. What is weak in it is
 * a warning that names who uses it: `whose` is "listener" or "peer", `user` its name.
 */
unsigned sw_config_policy(struct sw_config_build *b, const struct sw_text *name, const char *whose,
                          const struct sw_text *user);

static inline bool sw_text_is(const struct sw_text *t, const char *word)
{
    return t->s.p && sw_slice_eq(t->s, sw_slice_str(word));
}

#endif
