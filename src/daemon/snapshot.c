#include "daemon/snapshot.h"

#include <stdlib.h>

uint32_t sw_share(uint32_t total, unsigned workers, uint32_t least)
{
    uint32_t n = total / workers + (total % workers != 0);
    return n < least ? least : n;
}

/* Connections count where the peer's transactions do. */
static void count_connections(struct sw_snapshot *s)
{
    for (uint32_t i = 0; i < s->config.proxy.peer_count; i++) {
        struct sw_conn_peer *cp = &s->config.conn_peers[i]; /* in another order */
        const struct sw_peer_conf *peer = sw_proxy_peer(&s->config.proxy, cp->id);
        if (peer)
            cp->load = s->peers[peer - s->config.proxy.peers].load;
    }
}

static void fill(struct sw_snapshot *s, uint32_t instance)
{
    const struct sw_config *c = &s->config;
    count_connections(s);
    s->gateway = (struct sw_gateway_live){.proxy = &c->proxy, .peers = s->peers, .avoid = s->avoid};
    s->live.step = &s->gateway;
    s->live.connections_per_peer = c->limits.connections_per_peer;
    s->live.dns_cache = c->dns_cache;
    s->live.dns_version = c->dns.version;
    s->live.conn = (struct sw_conn_conf){
        .limits = c->limits.conn,
        .listeners = c->conn_listeners,
        .peers = c->conn_peers,
        .policies = c->policies,
        .listener_count = c->proxy.listener_count,
        .peer_count = c->proxy.peer_count,
        .policy_count = c->policy_count,
        .revocations = s->learnt,
        .hold = &s->live.hold,
        .instance = instance,
        .node = c->proxy.node,
    };
    s->live.conn.limits.connections = sw_share(c->limits.connections, c->workers, 1);
    s->live.conn.limits.sessions = sw_share(c->limits.conn.sessions, c->workers, 1);
}

/* Whoever judges or shows a certificate gets at what is learnt. */
static void share_learnt(struct sw_snapshot *s)
{
    struct sw_config *c = &s->config;
    const struct sw_identity_directive *d = c->d.identities.item;
    for (size_t i = 0; i < c->store_count; i++)
        sw_trust_learn(c->stores[i], s->learnt);
    for (uint32_t i = 0; i < c->identity_count; i++)
        for (struct sw_tls_identity *id = &c->identities[i]; id; id = id->also)
            id->staples = d[i].staple.v ? s->learnt : NULL;
}

static void copy_state(const struct sw_peer_state *from, struct sw_peer_state *to)
{
    atomic_store(&to->down_until_ms, atomic_load(&from->down_until_ms));
    atomic_store(&to->spoke_tls_ms, atomic_load(&from->spoke_tls_ms));
    atomic_store(&to->ping_failed, atomic_load(&from->ping_failed));
    atomic_store(&to->identity_told, atomic_load(&from->identity_told));
}

/* The state of a peer in an older snapshot, or NULL. */
static struct sw_peer_state *state_in(const struct sw_snapshot *s, uint32_t id)
{
    const struct sw_peer_conf *peer = sw_proxy_peer(&s->config.proxy, id);
    return peer ? &s->peers[peer - s->config.proxy.peers] : NULL;
}

static enum sw_status make_states(struct sw_snapshot *s, const struct sw_snapshot *before)
{
    const struct sw_proxy_conf *c = &s->config.proxy;
    s->peers = calloc(c->peer_count + 1, sizeof(*s->peers));
    s->avoid = calloc(1, sizeof(*s->avoid));
    if (!s->peers || !s->avoid)
        return SW_LIMIT_MEMORY;
    if (before)
        sw_avoid_copy(before->avoid, s->avoid);
    for (uint32_t i = 0; i < c->peer_count; i++) {
        const struct sw_peer_state *was = before ? state_in(before, c->peers[i].id) : NULL;
        s->peers[i].load = was ? sw_load_ref(was->load) : sw_load_new();
        if (!s->peers[i].load)
            return SW_LIMIT_MEMORY;
        if (was)
            copy_state(was, &s->peers[i]);
        if (!c->peers[i].ping_ms) /* nothing would ever say that it is up again */
            atomic_store(&s->peers[i].ping_failed, false);
    }
    return SW_OK;
}

void sw_snapshot_merge(const struct sw_snapshot *before, struct sw_snapshot *after)
{
    const struct sw_proxy_conf *c = &after->config.proxy;
    for (uint32_t i = 0; i < c->peer_count; i++) {
        const struct sw_peer_state *was = state_in(before, c->peers[i].id);
        int64_t then = was ? atomic_load(&was->spoke_tls_ms) : 0;
        if (then > atomic_load(&after->peers[i].spoke_tls_ms))
            atomic_store(&after->peers[i].spoke_tls_ms, then);
    }
}

enum sw_status sw_snapshot_load(const char *path, const struct sw_snapshot *before,
                                uint32_t instance, struct sw_diags *diags, struct sw_snapshot **out)
{
    return sw_snapshot_again(path, before, SW_CONFIG_FILE, instance, diags, out);
}

enum sw_status sw_snapshot_again(const char *path, const struct sw_snapshot *before,
                                 enum sw_config_from from, uint32_t instance,
                                 struct sw_diags *diags, struct sw_snapshot **out)
{
    /* struct sw_hmac_key wants its alignment */
    struct sw_snapshot *s = aligned_alloc(64, (sizeof(*s) + 63) & ~(size_t)63);
    if (!s) {
        sw_diag_error(diags, ((struct sw_mark){0, 0}), "memory is out");
        return SW_LIMIT_MEMORY;
    }
    memset(s, 0, sizeof(*s));
    const struct sw_config *was = before ? &before->config : NULL;
    enum sw_status st = from == SW_CONFIG_FILE
                            ? sw_config_load(path, was, &s->config, diags)
                            : sw_config_again(path, was, from, &s->config, diags);
    s->learnt = before ? sw_revocations_ref(before->learnt) : sw_revocations_new();
    if (st == SW_OK && (!s->learnt || make_states(s, before) != SW_OK)) {
        sw_diag_error(diags, ((struct sw_mark){0, 0}), "memory is out");
        st = SW_LIMIT_MEMORY;
    }
    if (st != SW_OK) {
        sw_snapshot_free(s);
        return st;
    }
    share_learnt(s);
    fill(s, instance);
    *out = s;
    return SW_OK;
}

void sw_snapshot_free(struct sw_snapshot *s)
{
    if (!s)
        return;
    for (uint32_t i = 0; s->peers && i < s->config.proxy.peer_count; i++)
        sw_load_unref(s->peers[i].load);
    sw_config_free(&s->config);
    sw_revocations_unref(s->learnt);
    free(s->peers);
    free(s->avoid);
    free(s);
}

/* ---- what a reload can change ---- */

static bool same_listener(const struct sw_snapshot *a, const struct sw_snapshot *b, uint32_t i)
{
    const struct sw_config_listener *x = &a->config.listeners[i], *y = &b->config.listeners[i];
    return strcmp(a->live.conn.listeners[i].name, b->live.conn.listeners[i].name) == 0 &&
           sw_endpoint_eq(&x->address, &y->address) && x->transport == y->transport &&
           x->freebind == y->freebind;
}

static void compare_listeners(const struct sw_snapshot *a, const struct sw_snapshot *b,
                              struct sw_diags *diags)
{
    const struct sw_listen_directive *d = b->config.d.listen.item;
    uint32_t n = b->config.proxy.listener_count, was = a->config.proxy.listener_count;
    struct sw_mark mark = n > was ? d[was].mark : b->config.d.mark;
    if (n != was)
        sw_diag_error(diags, mark,
                      "listen: there are %u listeners now, %u run (sockets are opened at the "
                      "start: restart to add or remove one)",
                      n, was);
    for (uint32_t i = 0; i < n && i < was; i++)
        if (!same_listener(a, b, i))
            sw_diag_error(
                diags, d[i].mark,
                "listen: \"%s\" has another name, place in the list, address, transport or "
                "freebind than the listener that runs (restart to change these)",
                b->live.conn.listeners[i].name);
}

static void note_restart(struct sw_diags *diags, struct sw_mark mark, const char *what, bool same)
{
    if (!same)
        sw_diag_note(diags, mark, "%s: the new value counts only after a restart", what);
}

void sw_snapshot_compare(const struct sw_snapshot *before, const struct sw_snapshot *after,
                         struct sw_diags *diags)
{
    const struct sw_config *a = &before->config, *b = &after->config;
    const struct sw_config_limits *x = &a->limits, *y = &b->limits;
    compare_listeners(before, after, diags);
    note_restart(diags, b->d.workers.mark, "workers", a->workers == b->workers);
    note_restart(diags, b->d.log.mark, "log",
                 a->log_level == b->log_level && a->log_json == b->log_json);
    note_restart(diags, b->d.limits.mark, "limits.connections", x->connections == y->connections);
    note_restart(diags, b->d.limits.mark, "limits.transactions",
                 x->transactions == y->transactions);
    note_restart(diags, b->d.limits.mark, "limits.calls", x->calls == y->calls);
    note_restart(diags, b->d.limits.mark, "limits.header_bytes and body_bytes",
                 x->conn.frame.head_max == y->conn.frame.head_max &&
                     x->conn.frame.body_max == y->conn.frame.body_max);
    note_restart(diags, b->d.limits.mark, "limits.resumption and sessions",
                 x->conn.resumption_s == y->conn.resumption_s &&
                     x->conn.sessions == y->conn.sessions);
    bool both = a->admin_socket && b->admin_socket;
    note_restart(diags, b->d.admin.mark, "admin.socket",
                 both ? strcmp(a->admin_socket, b->admin_socket) == 0
                      : !a->admin_socket && !b->admin_socket);
}
