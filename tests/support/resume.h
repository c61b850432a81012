/* Sessions that are taken up again, or not: both ends, and a clock that goes ahead. cmocka.h comes
 * first. */
#ifndef SW_TESTS_RESUME_H
#define SW_TESTS_RESUME_H

#include "support/tlspair.h"
#include "tls/openssl_kept.h"
#include <time.h>

enum { HOUR_S = 3600, DAY_S = 24 * HOUR_S };

/* The clock of the library and of ours: it goes ahead without waiting. */
static time_t g_ahead_s;

time_t time(time_t *out)
{
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    t.tv_sec += g_ahead_s;
    if (out)
        *out = t.tv_sec;
    return t.tv_sec;
}

static inline int64_t monotonic_s(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec;
}

enum { BELIEVED = 77, OTHER_ENTRY = 78 };

static struct sw_tls_identity *g_gateway, *g_second, *g_peer, *g_short, *g_long;
static struct sw_trust_entry g_entry = {.id = BELIEVED, .depth = 3};
static struct sw_trust_entry g_renamed = {.id = OTHER_ENTRY, .depth = 3};
static struct sw_trust_entry g_with_crl = {.id = BELIEVED, .depth = 3};
static struct sw_trust_entry g_stranger = {.id = BELIEVED, .depth = 3};
static struct sw_trust *g_trust, *g_trust_renamed, *g_trust_crl, *g_trust_stranger, *g_trust_again;
static struct sw_tls_names *g_names;
static struct sw_tls_worker *g_client, *g_server, *g_other;
static struct pair g_pair;
static const struct sw_endpoint g_remote = {.ip = {192, 0, 2, 1}, .port = 5061, .family = 4};

static inline struct sw_tls_worker *remembering(uint16_t worker, uint32_t lifetime_s, uint32_t max,
                                                int64_t begun_ago_s)
{
    const struct sw_tls_resumption r = {.secret = {1, 2, 3},
                                        .lifetime_s = lifetime_s,
                                        .sessions_max = max,
                                        .begin_s = monotonic_s() - begun_ago_s,
                                        .worker = worker};
    struct sw_tls_worker *w = pair_worker(NULL);
    assert_int_equal(sw_tls_worker_remember(w, &r), SW_OK);
    return w;
}

static inline struct sw_trust *trust_in(const struct sw_trust_entry *e)
{
    struct sw_trust *t = sw_trust_new(&e, 1);
    assert_non_null(t);
    return t;
}

static inline void make_leaf(const char *name, const char *san, int days)
{
    char options[64];
    snprintf(options, sizeof(options), "-addext subjectAltName=%s", san);
    pki_make(&(struct pki_cert){
        .name = name, .issuer = "ca", .subject = "/CN=x", .options = options, .days = days});
}

static inline int start(void **state)
{
    static char san[16 * 1024];
    if (pki_start(state) != 0)
        return -1;
    pki_make(&(struct pki_cert){.name = "ca", .subject = "/CN=Test CA", .options = PKI_CA});
    pki_make(&(struct pki_cert){.name = "ca2", .subject = "/CN=Other CA", .options = PKI_CA});
    make_leaf("gateway", "DNS:gateway.test", 20);
    make_leaf("second", "DNS:second.test", 20);
    make_leaf("peer", "URI:sip:peer.test", 20);
    make_leaf("short", "URI:sip:peer.test", 1);
    size_t n = (size_t)snprintf(san, sizeof(san), "-addext subjectAltName=DNS:a.test");
    for (int i = 0; i < 300; i++)
        n += (size_t)snprintf(san + n, sizeof(san) - n, ",DNS:a-long-name-%d.of.this.example.test",
                              i);
    pki_make(&(struct pki_cert){
        .name = "long", .issuer = "ca", .subject = "/CN=x", .options = san, .days = 20});
    pki_crl("ca", "peer", "ca.crl");
    g_gateway = pair_identity(1, "gateway", NULL);
    g_second = pair_identity(2, "second", NULL);
    g_peer = pair_identity(3, "peer", NULL);
    g_short = pair_identity(4, "short", NULL);
    g_long = pair_identity(5, "long", NULL);
    g_entry.anchors = g_renamed.anchors = g_with_crl.anchors = pki_certs("ca.pem");
    g_stranger.anchors = pki_certs("ca2.pem");
    struct sw_slice crl = pki_read("ca.crl");
    char why[SW_WHY_MAX];
    assert_int_equal(sw_crls_parse(crl, &g_with_crl.crls, why), SW_OK);
    pki_drop(crl);
    g_trust = trust_in(&g_entry);
    g_trust_again = trust_in(&g_entry);
    g_trust_renamed = trust_in(&g_renamed);
    g_trust_crl = trust_in(&g_with_crl);
    g_trust_stranger = trust_in(&g_stranger);
    g_names = sw_tls_names_new(2);
    assert_int_equal(sw_tls_names_add(g_names, SW_SLICE("gateway.test"), g_gateway), SW_OK);
    assert_int_equal(sw_tls_names_add(g_names, SW_SLICE("second.test"), g_second), SW_OK);
    return 0;
}

static inline int finish(void **state)
{
    sw_tls_names_free(g_names);
    sw_trust_free(g_trust);
    sw_trust_free(g_trust_again);
    sw_trust_free(g_trust_renamed);
    sw_trust_free(g_trust_crl);
    sw_trust_free(g_trust_stranger);
    sw_certs_free(&g_entry.anchors);
    sw_certs_free(&g_stranger.anchors);
    sw_crls_free(&g_with_crl.crls);
    pair_identity_free(g_gateway);
    pair_identity_free(g_second);
    pair_identity_free(g_peer);
    pair_identity_free(g_short);
    pair_identity_free(g_long);
    return pki_finish(state);
}

static inline int begin(void **state)
{
    (void)state;
    g_ahead_s = 0;
    g_client = remembering(9, 10 * DAY_S, 100, 0); /* it offers whatever it has */
    g_server = remembering(0, HOUR_S, 100, 0);
    g_other = remembering(1, HOUR_S, 100, 0);
    return 0;
}

static inline int end(void **state)
{
    (void)state;
    pair_close(&g_pair);
    g_pair.client.t = g_pair.server.t = NULL;
    sw_tls_worker_free(g_client);
    sw_tls_worker_free(g_server);
    sw_tls_worker_free(g_other);
    return 0;
}

/* ---- connecting ---- */

/* One connection: what both ends are, and the server's worker. */
struct link {
    struct sw_tls_params client, server;
    struct sw_tls_worker *to;
};

static inline struct link link_of(unsigned policy, bool certificate)
{
    return (struct link){.client = {.policy = policy,
                                    .identity = certificate ? g_peer : NULL,
                                    .trust = g_trust,
                                    .server_name = "gateway.test",
                                    .scope = "gateway"},
                         .server = {.server = true,
                                    .policy = policy,
                                    .identity = g_gateway,
                                    .names = g_names,
                                    .trust = g_trust,
                                    .client_cert = certificate ? SW_CERT_REQUIRE : SW_CERT_NONE,
                                    .scope = "outside"},
                         .to = g_server};
}

static inline void dial(const struct link *l)
{
    pair_close(&g_pair);
    pair_open(&g_pair, g_client, &l->client, &l->server, NULL);
    sw_tls_free(g_pair.server.t);
    g_pair.server.w = l->to;
    g_pair.server.t = sw_tls_new(l->to, &l->server, NULL);
    assert_non_null(g_pair.server.t);
    sw_tls_target(g_pair.client.t, &g_remote);
    pair_shake(&g_pair);
}

/* Both ends are up, and the client has read what the server sent last. True: resumed. */
static inline bool is_resumed(void)
{
    struct sw_tls_info c, s;
    char none[16];
    assert_string_equal(g_pair.client.said.why, "");
    assert_string_equal(g_pair.server.said.why, "");
    assert_int_equal(g_pair.client.status, SW_OK);
    assert_int_equal(g_pair.server.status, SW_OK);
    sw_tls_info(g_pair.client.t, &c);
    sw_tls_info(g_pair.server.t, &s);
    assert_int_equal(c.resumed, s.resumed);
    assert_int_equal(side_read(&g_pair.client, &g_pair.server, none, sizeof(none)), 0);
    assert_int_equal(g_pair.client.status, SW_AGAIN);
    return s.resumed;
}

static inline bool resumes(const struct link *l)
{
    dial(l);
    return is_resumed();
}

static inline void assert_proved(struct sw_tls *t, const char *name)
{
    struct sw_ident *id = sw_tls_take_ident(t);
    assert_non_null(id);
    assert_int_equal(id->name_count, 1);
    assert_true(sw_slice_eq(id->names[0].text, sw_slice_str(name)));
    assert_true(sw_ident_vouched(id, BELIEVED));
    sw_ident_free(id);
}

/* A full handshake, then as `second` wants it; the session is offered, and is it taken? */
static inline bool takes(const struct link *first, const struct link *second)
{
    assert_false(resumes(first));
    return resumes(second);
}

static const unsigned g_policies[] = {POLICY_1_2, SW_POLICY_MODERN};

#endif
