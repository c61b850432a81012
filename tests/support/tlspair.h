/* Two TLS sessions that talk to each other in memory. cmocka.h comes first. */
#ifndef SW_TESTS_TLSPAIR_H
#define SW_TESTS_TLSPAIR_H

#include "support/pki.h"
#include "tls/session.h"
#include <string.h>

/* Numbers of the policies that a pair may use: the built-in ones and two with one version only. */
enum { POLICY_1_2 = SW_POLICIES, POLICY_1_0, PAIR_POLICIES };

struct side {
    struct sw_tls *t;
    struct sw_tls_worker *w;
    enum sw_status status;      /* of the handshake, or what reading said after it */
    size_t piece;               /* bytes fed at once, at most */
    size_t fed, n;              /* of what is on the wire to it */
    char wire[1 << 20];         /* never overwritten: fed bytes must stay */
    struct sw_tls_failure said; /* why it failed, if it did */
};

struct pair {
    struct side client, server;
};

/** A worker whose sessions are one side's; `seen` may be NULL. */
static inline struct sw_tls_worker *pair_worker(void (*seen)(void *user,
                                                             const struct sw_tls_seen *m))
{
    static struct sw_tls_policy policies[PAIR_POLICIES];
    for (unsigned i = 0; i < PAIR_POLICIES; i++)
        policies[i] = *sw_tls_policy_builtin(i < SW_POLICIES ? i : SW_POLICY_LEGACY);
    policies[POLICY_1_2].min_version = policies[POLICY_1_2].max_version = SW_TLS_1_2;
    policies[POLICY_1_0].min_version = policies[POLICY_1_0].max_version = SW_TLS_1_0;
    struct sw_tls_worker *w = sw_tls_worker_new(policies, PAIR_POLICIES, seen);
    assert_non_null(w);
    return w;
}

/** Puts bytes on the wire to a side. */
static inline void side_send(struct side *to, const void *p, size_t n)
{
    assert_in_range(n, 0, sizeof(to->wire) - to->n);
    memcpy(to->wire + to->n, p, n);
    to->n += n;
}

/** Moves what a side wants sent to the other. */
static inline void side_flush(struct side *from, struct side *to)
{
    struct sw_slice out = sw_tls_output(from->w);
    side_send(to, out.p, out.n);
    sw_tls_output_taken(from->w);
}

/** Feeds the next piece; false if nothing is on the wire. */
static inline bool side_feed(struct side *s)
{
    size_t k = s->n - s->fed < s->piece ? s->n - s->fed : s->piece;
    if (!k)
        return false;
    sw_tls_feed(s->t, sw_slice(s->wire + s->fed, k));
    s->fed += k;
    return true;
}

static inline void side_step(struct side *s, struct side *other)
{
    do {
        s->status = sw_tls_handshake(s->t);
        side_flush(s, other);
    } while (s->status == SW_AGAIN && side_feed(s));
    sw_tls_failure(s->t, &s->said);
}

/** Reads all that has come, into `p`; s->status is SW_AGAIN unless the session has ended. */
static inline size_t side_read(struct side *s, struct side *other, char *p, size_t cap)
{
    size_t n = 0, got;
    do {
        while ((s->status = sw_tls_read(s->t, p + n, cap - n, &got)) == SW_OK)
            n += got;
        side_flush(s, other);
    } while (s->status == SW_AGAIN && side_feed(s));
    sw_tls_failure(s->t, &s->said);
    return n;
}

/** Two sessions before their handshake. */
static inline void pair_open(struct pair *p, struct sw_tls_worker *w,
                             const struct sw_tls_params *client, const struct sw_tls_params *server,
                             void *user)
{
    p->client = (struct side){.w = w, .piece = SIZE_MAX, .status = SW_AGAIN};
    p->server = (struct side){.w = w, .piece = SIZE_MAX, .status = SW_AGAIN};
    p->client.t = sw_tls_new(w, client, user);
    p->server.t = sw_tls_new(w, server, user);
    assert_non_null(p->client.t);
    assert_non_null(p->server.t);
}

/** Lets both go on until neither can. */
static inline void pair_shake(struct pair *p)
{
    for (int turn = 0; turn < 10; turn++) {
        if (p->client.status == SW_AGAIN)
            side_step(&p->client, &p->server);
        if (p->server.status == SW_AGAIN)
            side_step(&p->server, &p->client);
    }
}

static inline void pair_close(struct pair *p)
{
    sw_tls_free(p->client.t);
    sw_tls_free(p->server.t);
}

/** What a certificate made by pki_make shows; `chain` is a file with more of its chain, or NULL. */
static inline struct sw_tls_identity *pair_identity(uint32_t id, const char *name,
                                                    const char *chain)
{
    char file[64];
    struct sw_tls_identity *x = calloc(1, sizeof(*x));
    assert_non_null(x);
    x->id = id;
    pki_sh("cat %s.pem %s >chain.pem", name, chain ? chain : "");
    x->chain = pki_certs("chain.pem");
    snprintf(file, sizeof(file), "%s.key", name);
    x->key = pki_key(file);
    return x;
}

static inline void pair_identity_free(struct sw_tls_identity *x)
{
    sw_certs_free(&x->chain);
    sw_key_free(x->key);
    free(x);
}

#endif
