#include "sim/twice.h"

#include "engine/client.h"
#include "engine/server.h"
#include <stdio.h>
#include <stdlib.h>

/* A server transaction that gave its request, or a client one that gave its final response. */
struct given {
    uint64_t key[2]; /* zero: none */
    const struct sw_engine *e;
    struct sw_ref ref;
    uint16_t final;
    uint8_t transport;
};

static struct {
    struct given *set; /* open addressing */
    size_t n, cap;
    bool own_input;
    uint64_t elsewhere;
    void (*request)(const struct sw_engine *e, struct sw_ref ref, unsigned method);
} all;

void twice_reset(void)
{
    free(all.set);
    memset(&all, 0, sizeof(all));
}

void twice_own_input(void)
{
    all.own_input = true;
}

void twice_tell(void (*request)(const struct sw_engine *e, struct sw_ref ref, unsigned method))
{
    all.request = request;
}

uint64_t twice_elsewhere(void)
{
    return all.elsewhere;
}

static _Noreturn void breach(const struct sw_engine *e, const char *what, struct sw_slice about)
{
    printf("instance %u, worker %u: %s: %.*s\n", e->conf.instance, e->conf.worker, what,
           SW_SLICE_ARG(about));
    fflush(stdout);
    abort();
}

static struct given *place(struct given *set, size_t cap, struct sw_key key)
{
    size_t i = key.a & (cap - 1);
    while ((set[i].key[0] || set[i].key[1]) && (set[i].key[0] != key.a || set[i].key[1] != key.b))
        i = (i + 1) & (cap - 1);
    return &set[i];
}

static void grow(void)
{
    size_t cap = all.cap ? all.cap * 2 : 64;
    struct given *set = aligned_alloc(64, cap * sizeof(*set)); /* test_alloc.c lets calloc fail */
    if (!set)
        abort();
    memset(set, 0, cap * sizeof(*set));
    for (size_t i = 0; i < all.cap; i++)
        if (all.set[i].key[0] || all.set[i].key[1])
            *place(set, cap, (struct sw_key){all.set[i].key[0], all.set[i].key[1]}) = all.set[i];
    free(all.set);
    all.set = set;
    all.cap = cap;
}

/* The entry of a key; if there was none, a new one without engine. */
static struct given *entry(struct sw_key key)
{
    if (all.n * 2 >= all.cap)
        grow();
    struct given *x = place(all.set, all.cap, key);
    if (!x->e) {
        x->key[0] = key.a;
        x->key[1] = key.b;
        all.n++;
    }
    return x;
}

/* ---- requests ---- */

/* RFC 3261 17.2.3, and the sender: see sw_server_key. Made anew here, to be held against that. */
static struct sw_key request_key(const struct sw_engine *e, const struct sw_flow *flow,
                                 const struct sw_vitals *v)
{
    struct sw_siphash h;
    uint16_t port = sw_via_port(&v->via);
    sw_siphash_init(&h, (struct sw_sip_key){1, 1});
    sw_siphash_add(&h, &e->conf.instance, sizeof(e->conf.instance));
    sw_siphash_add(&h, &flow->peer, sizeof(flow->peer));
    if (flow->peer == SW_PEER_NOBODY || flow->peer == SW_PEER_VERIFIED)
        sw_siphash_add(&h, flow->remote.ip, sizeof(flow->remote.ip));
    sw_siphash_slice(&h, v->via.branch);
    sw_siphash_slice_lower(&h, v->via.host);
    sw_siphash_add(&h, &port, sizeof(port));
    sw_siphash_slice(&h, v->cseq_method);
    return sw_siphash_end(&h);
}

/* A datagram that was sent again, from another port, is hashed to another worker by the kernel. */
static bool by_design(const struct given *x, const struct sw_engine *e, const struct sw_flow *flow)
{
    if (x->e == e || (all.own_input && (x->transport != SW_UDP || flow->transport != SW_UDP)))
        return false;
    all.elsewhere++;
    return true;
}

static void request_given(struct sw_engine *e, const struct sw_flow *flow,
                          const struct sw_vitals *v, const struct sw_server *s)
{
    if (!sw_via_is_3261(&v->via))
        return;
    struct given *x = entry(request_key(e, flow, v));
    if (x->e && !by_design(x, e, flow) && (all.own_input || sw_server_get(x->e, x->ref)))
        breach(e, "a request was given twice to its user", v->via.branch);
    x->e = e;
    x->ref = s->ref;
    x->transport = flow->transport;
}

static uint64_t made;

uint64_t twice_made(void)
{
    return made;
}

struct sw_server *__real_sw_server_new(struct sw_engine *e, const struct sw_flow *flow,
                                       const struct sw_vitals *v, struct sw_key key);
struct sw_server *__wrap_sw_server_new(struct sw_engine *e, const struct sw_flow *flow,
                                       const struct sw_vitals *v, struct sw_key key);

struct sw_server *__wrap_sw_server_new(struct sw_engine *e, const struct sw_flow *flow,
                                       const struct sw_vitals *v, struct sw_key key)
{
    struct sw_server *s = __real_sw_server_new(e, flow, v, key);
    made += s != NULL;
    if (s)
        request_given(e, flow, v, s);
    if (s && all.request)
        all.request(e, s->ref, s->method);
    return s;
}

/* ---- final responses ---- */

/* `status` 0: a timeout or a failure. */
static void final_given(const struct sw_engine *e, struct sw_ref ref, unsigned method,
                        unsigned status)
{
    struct sw_siphash h;
    sw_siphash_init(&h, (struct sw_sip_key){2, 2});
    sw_siphash_add(&h, &e->conf.instance, sizeof(e->conf.instance));
    sw_siphash_add(&h, &e->conf.worker, sizeof(e->conf.worker));
    sw_siphash_add(&h, &ref, sizeof(ref));
    struct given *x = entry(sw_siphash_end(&h));
    bool success = method == SW_INVITE && status / 100 == 2 && x->final / 100 == 2;
    if (x->e && !success)
        breach(e, "two final responses were given to a user, to its",
               sw_method_name((enum sw_method)method));
    x->e = e;
    x->ref = ref;
    x->final = (uint16_t)status;
}

bool __real_sw_client_receive(struct sw_engine *e, struct sw_client *c, const struct sw_msg *m,
                              bool *ended);
bool __wrap_sw_client_receive(struct sw_engine *e, struct sw_client *c, const struct sw_msg *m,
                              bool *ended);

bool __wrap_sw_client_receive(struct sw_engine *e, struct sw_client *c, const struct sw_msg *m,
                              bool *ended)
{
    struct sw_ref ref = c->ref;
    unsigned method = c->method;
    bool pass = __real_sw_client_receive(e, c, m, ended);
    if (pass && m->status >= 200)
        final_given(e, ref, method, m->status);
    return pass;
}

struct sw_due __real_sw_client_due(struct sw_engine *e, struct sw_client *c,
                                   enum sw_txn_event event);
struct sw_due __wrap_sw_client_due(struct sw_engine *e, struct sw_client *c,
                                   enum sw_txn_event event);

struct sw_due __wrap_sw_client_due(struct sw_engine *e, struct sw_client *c,
                                   enum sw_txn_event event)
{
    struct sw_ref ref = c->ref;
    unsigned method = c->method;
    struct sw_due due = __real_sw_client_due(e, c, event);
    if (due.kind == SW_DUE_CLIENT)
        final_given(e, ref, method, 0);
    return due;
}

bool __real_sw_client_fail(struct sw_engine *e, struct sw_client *c);
bool __wrap_sw_client_fail(struct sw_engine *e, struct sw_client *c);

/* That the ACK of a failure was not sent is told too, and is no second response: 17.1.1.2 */
bool __wrap_sw_client_fail(struct sw_engine *e, struct sw_client *c)
{
    struct sw_ref ref = c->ref;
    unsigned method = c->method;
    bool waited = sw_client_waiting(c), told = __real_sw_client_fail(e, c);
    if (told && waited)
        final_given(e, ref, method, 0);
    return told;
}
