#include "unit/proxy/target.h"

#include "proxy/ingress.h"
#include "proxy/sips.h"

static struct sw_slice names[] = {{"peer.test", 9}, {"other.test", 10}};
static const struct sw_pin pin = {.name = "pin"};

/* A certificate with one SAN URI. */
struct cert {
    struct sw_ident ident;
    struct sw_cert_name name;
};

static struct cert cert_of(const char *uri)
{
    return (struct cert){.name = {.text = sw_slice_str(uri), .kind = SW_NAME_URI}};
}

static enum sw_proof proof(const struct sw_peer_conf *p, struct cert *c, enum sw_transport t,
                           bool outbound, uint32_t *domain_of)
{
    struct sw_flow flow = {.transport = (uint8_t)t, .outbound = outbound};
    if (c) {
        c->ident.names = &c->name;
        c->ident.name_count = 1;
        flow.ident = &c->ident;
    }
    return sw_ingress_proof(p, &flow, domain_of);
}

/* RFC 5922 7.2; docs/sips.md "Decisions": what a connection was known by */
static void test_sips_proof_is_what_the_certificate_showed(void **state)
{
    (void)state;
    struct sw_peer_conf p = {.domains = names, .domain_count = 2, .tls = true};
    struct cert second = cert_of("sip:other.test"), stranger = cert_of("sip:no.test");
    uint32_t d;
    assert_int_equal(proof(&p, &second, SW_TLS, true, &d), SW_PROOF_NAME);
    assert_int_equal(d, 2);
    assert_int_equal(proof(&p, NULL, SW_TLS, false, &d), SW_PROOF_SOURCE);
    assert_int_equal(d, 0);
    assert_int_equal(proof(&p, NULL, SW_TCP, false, &d), SW_PROOF_NONE);
    p.verify = SW_VERIFY_CHAIN;
    assert_int_equal(proof(&p, &second, SW_TLS, true, &d), SW_PROOF_NAME);
    assert_int_equal(proof(&p, &stranger, SW_TLS, true, &d), SW_PROOF_CHAIN);
    assert_int_equal(d, 0);
    p.pins = &pin;
    p.pin_count = 1;
    assert_int_equal(proof(&p, &stranger, SW_TLS, true, &d), SW_PROOF_PIN);
}

/* RFC 3261 26.2.2, RFC 5630 5.3, RFC 5626 */
static void test_sips_leaves_over_what_is_proved_or_the_dialogs_own_connection(void **state)
{
    (void)state;
    static const struct {
        enum sw_transport t;
        enum sw_proof proof;
        bool own, fits;
    } rows[] = {
        {SW_TLS, SW_PROOF_NAME, false, true},    {SW_TLS, SW_PROOF_PIN, false, true},
        {SW_TLS, SW_PROOF_CHAIN, false, false},  {SW_TLS, SW_PROOF_CHAIN, true, true},
        {SW_TLS, SW_PROOF_SOURCE, false, false}, {SW_TLS, SW_PROOF_SOURCE, true, true},
        {SW_TLS, SW_PROOF_NONE, false, false},   {SW_TCP, SW_PROOF_NONE, true, false},
        {SW_UDP, SW_PROOF_NONE, false, false},   {SW_UDP, SW_PROOF_NAME, true, false},
    };
    for (size_t i = 0; i < UNIT_COUNT(rows); i++) {
        struct sw_flow flow = {.id = {.slot = 3, .generation = 4},
                               .transport = (uint8_t)rows[i].t,
                               .proof = (uint8_t)rows[i].proof};
        struct sw_flow_id other = {.slot = 3, .generation = rows[i].own ? 4 : 5}, none = {0};
        assert_int_equal(sw_sips_flow_fits(&flow, &other), rows[i].fits);
        assert_int_equal(sw_sips_flow_fits(&flow, &none), rows[i].fits && !rows[i].own);
    }
}

static unsigned sender(uint32_t from, const char *method, const char *uri, const char *rows)
{
    request(from, method, uri, rows);
    a.refusal = (struct sw_refusal){0};
    bool ok = sw_sips_sender(&proxy, &a.q, &a.refusal);
    message_free(&a.x);
    return ok ? 0 : a.refusal.code;
}

/* RFC 3261 8.1.1.8, 12.2: only a Contact that becomes a target is looked at, and all of them */
static void test_sips_contact_is_asked_of_those_that_make_a_target(void **state)
{
    (void)state;
    static const char sip[] = "Contact: <sip:a@h>\r\n", sips[] = "Contact: <SIPS:a@h>\r\n";
    static const char *const makes[] = {"INVITE", "SUBSCRIBE", "NOTIFY", "REFER", "UPDATE"};
    static const char *const others[] = {"MESSAGE", "REGISTER", "OPTIONS", "BYE", "ACK", "PUBLISH"};
    for (size_t i = 0; i < UNIT_COUNT(makes); i++) {
        assert_int_equal(sender(100 + CARRIER, makes[i], "sips:a@b", sip), 400);
        assert_int_equal(sender(100 + CARRIER, makes[i], "sips:a@b", sips), 0);
        assert_int_equal(sender(100 + CARRIER, makes[i], "sip:a@b", sip), 0);
        assert_int_equal(sender(SW_PEER_VERIFIED, makes[i], "sips:a@b", sip), 400);
    }
    for (size_t i = 0; i < UNIT_COUNT(others); i++)
        assert_int_equal(sender(100 + CARRIER, others[i], "sips:a@b", sip), 0);
    assert_int_equal(sender(100 + CARRIER, "INVITE", "sips:a@b", "m: sips:a@h, <sip:b@h>\r\n"),
                     400);
    assert_int_equal(
        sender(100 + CARRIER, "INVITE", "sips:a@b", "m: <sips:a@h>\r\nContact: <sip:b@h>\r\n"),
        400);
    assert_int_equal(
        sender(100 + CARRIER, "INVITE", "sips:a@b", "Contact: \"sips:\" <sip:b@h>\r\n"), 400);
    peers[CARRIER].sip_contact = true;
    assert_int_equal(sender(100 + CARRIER, "INVITE", "sips:a@b", sip), 0);
}

/* RFC 3261 16.4: a strict router before us put the target last in Route */
static void test_sips_scheme_is_that_of_the_target_behind_a_strict_router(void **state)
{
    (void)state;
    static const struct {
        const char *uri, *put; /* what came as Request-URI; what a strict router put last */
        enum sw_scheme scheme;
    } rows[] = {
        {"sips:us", NULL, SW_SCHEME_SIPS},        {"sip:us", NULL, SW_SCHEME_SIP},
        {"tel:+1", NULL, SW_SCHEME_TEL},          {"sips:us", "sip:a@b", SW_SCHEME_SIP},
        {"sip:us", "SIPS:a@b", SW_SCHEME_SIPS},   {"sips:us", "tel:+1", SW_SCHEME_TEL},
        {"sips:us", "mailto:a", SW_SCHEME_OTHER},
    };
    for (size_t i = 0; i < UNIT_COUNT(rows); i++) {
        request(100 + CARRIER, "INVITE", rows[i].uri, "");
        if (rows[i].put)
            a.r.uri = sw_slice_str(rows[i].put);
        assert_int_equal(sw_target_scheme(&a.x.v, &a.r), rows[i].scheme);
        assert_int_equal(sw_request_is_sips(&a.q), rows[i].scheme == SW_SCHEME_SIPS);
        message_free(&a.x);
    }
}

/* RFC 5630 5.3: a sip request for what is known by a sips Contact leaves over TLS, or gets 381 */
static void test_sips_contact_that_was_hidden_is_called_over_tls(void **state)
{
    (void)state;
    request(100 + CARRIER, "INVITE", "sip:a@b", "");
    a.r.opened_sips = true;
    assert_int_equal(sw_sips_target(&a.q, &peers[CARRIER]), SW_SIPS_FITS);
    assert_int_equal(sw_sips_target(&a.q, &peers[PBX]), SW_SIPS_ONLY_TLS);
    assert_false(sw_sips_refuse(&proxy, &a.q, SW_SIPS_ONLY_TLS, &peers[PBX], &a.refusal));
    assert_true(sw_slice_eq(a.refusal.target, peers[PBX].name));
    assert_int_equal(a.refusal.code, 480);
    assert_true(sw_slice_starts_case(a.refusal.extra, SW_SLICE("Warning: 381 ")));
    message_free(&a.x);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_sips_proof_is_what_the_certificate_showed),
        TEST(test_sips_leaves_over_what_is_proved_or_the_dialogs_own_connection),
        TEST(test_sips_contact_is_asked_of_those_that_make_a_target),
        TEST(test_sips_scheme_is_that_of_the_target_behind_a_strict_router),
        TEST(test_sips_contact_that_was_hidden_is_called_over_tls),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
