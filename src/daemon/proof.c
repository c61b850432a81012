#include "daemon/proof.h"

#include "crypto/hmac.h"
#include <stdlib.h>

/* KINDS_MAX: certificates of one identity, one for each kind of key. */
enum { FLIGHTS_MAX = 12, WIRE_BYTES = 128 * 1024, KINDS_MAX = 4 };

struct end {
    struct sw_tls_worker *w;
    struct sw_tls *t;
    enum sw_status status;
    char *wire; /* what the other one sent last */
};

struct proof {
    const struct sw_config *c;
    struct sw_diags *diags;
    struct end client, server;
    unsigned held;
    struct tried {
        uint32_t identity;
        unsigned policy;
    } * tried;
    size_t tried_count;
};

static void step(struct end *from, struct end *to)
{
    from->status = sw_tls_handshake(from->t);
    struct sw_slice out = sw_tls_output(from->w);
    size_t n = out.n < WIRE_BYTES ? out.n : WIRE_BYTES;
    memcpy(to->wire, out.p, n);
    sw_tls_output_taken(from->w);
    sw_tls_feed(to->t, sw_slice(to->wire, n));
}

/* Both must end; what was left over by one is fed by the other's next flight. */
static const struct end *shake(struct proof *p)
{
    for (int i = 0; i < FLIGHTS_MAX; i++) {
        struct end *x = i % 2 ? &p->server : &p->client, *y = i % 2 ? &p->client : &p->server;
        if (x->status == SW_AGAIN)
            step(x, y);
        if (x->status != SW_OK && x->status != SW_AGAIN)
            return x;
        if (p->client.status == SW_OK && p->server.status == SW_OK)
            return NULL;
    }
    return &p->client;
}

static void told(struct proof *p, const struct sw_tls_identity *id, const char *policy,
                 struct sw_mark mark, const struct end *bad)
{
    struct sw_tls_failure f = {.why = "memory is out"};
    const struct sw_identity_directive *d = p->c->d.identities.item;
    if (bad->t)
        sw_tls_failure(bad->t, &f);
    sw_diag_error(p->diags, mark,
                  "identity \"%s\" cannot shake hands with itself under policy %s, as %s: %s (%s)",
                  d[id - p->c->identities].name.s.p, policy,
                  bad == &p->client ? "client" : "server", f.why,
                  f.help ? f.help : "try the certificate and its key with openssl s_server");
}

/* The certificates are their own trust: what is proved is that key, chain and policy work. */
static struct sw_trust *trust_in(const struct sw_tls_identity *id, struct sw_trust_entry *entry,
                                 struct sw_pin pins[KINDS_MAX])
{
    *entry = (struct sw_trust_entry){.name = "itself", .id = 1, .pins = pins};
    for (; id && entry->pin_count < KINDS_MAX; id = id->also) {
        struct sw_cert_facts facts;
        struct sw_pin *pin = &pins[entry->pin_count++];
        sw_cert_facts(id->chain.c[0], &facts);
        *pin = (struct sw_pin){.name = "itself"};
        memcpy(pin->sha256, facts.sha256, SW_SHA256_BYTES);
    }
    const struct sw_trust_entry *list[] = {entry};
    return sw_trust_new(list, 1);
}

static void prove(struct proof *p, const struct sw_tls_identity *id, unsigned policy,
                  struct sw_mark mark)
{
    struct sw_trust_entry entry;
    struct sw_pin pins[KINDS_MAX];
    struct sw_cert_facts facts;
    sw_cert_facts(id->chain.c[0], &facts);
    if (facts.weak_key) /* we would not believe it ourselves; the policy has warned of it */
        return;
    for (size_t i = 0; i < p->tried_count; i++)
        if (p->tried[i].identity == id->id && p->tried[i].policy == policy)
            return;
    p->tried[p->tried_count++] = (struct tried){id->id, policy};
    struct sw_tls_params params = {.policy = policy,
                                   .identity = id,
                                   .client_cert = SW_CERT_REQUIRE,
                                   .trust = trust_in(id, &entry, pins)};
    p->client.t = params.trust ? sw_tls_new(p->client.w, &params, NULL) : NULL;
    params.server = true;
    p->server.t = p->client.t ? sw_tls_new(p->server.w, &params, NULL) : NULL;
    p->client.status = p->server.status = SW_AGAIN;
    const struct end *bad = p->server.t ? shake(p) : &p->server;
    if (bad)
        told(p, id, p->c->policies[policy].name, mark, bad);
    else
        p->held++;
    sw_tls_free(p->client.t);
    sw_tls_free(p->server.t);
    sw_trust_free((struct sw_trust *)(uintptr_t)params.trust);
}

static void prove_all(struct proof *p)
{
    const struct sw_listen_directive *l = p->c->d.listen.item;
    const struct sw_peer_directive *d = p->c->d.peers.item;
    const struct sw_conn_conf conf = {.listeners = p->c->conn_listeners,
                                      .listener_count = p->c->proxy.listener_count,
                                      .peers = p->c->conn_peers,
                                      .peer_count = p->c->proxy.peer_count};
    for (uint32_t i = 0; i < conf.listener_count; i++)
        if (conf.listeners[i].tls.identity)
            prove(p, conf.listeners[i].tls.identity, conf.listeners[i].tls.policy, l[i].mark);
    for (uint32_t i = 0; i < conf.peer_count; i++) {
        int64_t at = sw_names_index(&p->c->peer_names, sw_slice_str(conf.peers[i].name));
        if (conf.peers[i].tls.identity)
            prove(p, conf.peers[i].tls.identity, conf.peers[i].tls.policy,
                  at >= 0 ? d[at].mark : (struct sw_mark){0, 0});
    }
}

unsigned sw_proof(const struct sw_config *c, struct sw_diags *diags)
{
    struct proof p = {.c = c, .diags = diags};
    p.client.w = sw_tls_worker_new(c->policies, c->policy_count, NULL);
    p.server.w = sw_tls_worker_new(c->policies, c->policy_count, NULL);
    p.client.wire = malloc(WIRE_BYTES);
    p.server.wire = malloc(WIRE_BYTES);
    p.tried = calloc(c->proxy.listener_count + c->proxy.peer_count + 1, sizeof(*p.tried));
    if (p.client.w && p.server.w && p.client.wire && p.server.wire && p.tried)
        prove_all(&p);
    else
        sw_diag_error(diags, ((struct sw_mark){0, 0}), "memory is out");
    free(p.tried);
    free(p.client.wire);
    free(p.server.wire);
    sw_tls_worker_free(p.client.w);
    sw_tls_worker_free(p.server.w);
    return p.held;
}
