#include "support/unit.h"

#include "proxy/ingress.h"

/* One TLS listener with dane, a peer with dane and a trust entry (1), and strangers. */
static struct sw_slice domains[] = {SW_SLICE("peer.test")};
static struct sw_peer_conf peer = {.name = SW_SLICE("carrier"),
                                   .id = 100,
                                   .tls = true,
                                   .dane = true,
                                   .trust = 1,
                                   .domains = domains,
                                   .domain_count = 1};
static struct sw_listener_conf listener = {.transport = SW_TLS, .dane = true};
static struct sw_proxy_conf conf = {
    .peers = &peer, .peer_count = 1, .listeners = &listener, .listener_count = 1};

static int set_up(void **state)
{
    (void)state;
    return sw_proxy_conf_index(&conf) == SW_OK ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    sw_proxy_conf_fini(&conf);
    return 0;
}

/* A server's certificate of other.test, and whoever vouches for it. */
struct shown {
    struct sw_cert_name name;
    uint32_t vouched[2];
    uint8_t uses[2];
    struct sw_ident ident;
    struct sw_flow flow;
};

static void show(struct shown *x, uint32_t first, uint32_t second)
{
    *x = (struct shown){.name = {.kind = SW_NAME_DNS, .text = SW_SLICE("other.test")},
                        .vouched = {first, second},
                        .uses = {SW_USE_ALL, SW_USE_ALL}};
    x->ident = (struct sw_ident){.names = &x->name,
                                 .name_count = 1,
                                 .vouched = x->vouched,
                                 .vouched_count = !!first + !!second,
                                 .uses = x->uses};
    x->flow = (struct sw_flow){.transport = SW_TLS, .outbound = true, .ident = &x->ident};
}

/* "a reload with dane: off ends it unless trust believes it, too": docs/dane.md. What TLSA records
 * said is no trust entry's word. RFC 7673 4.2 */
static void test_records_are_no_trust_entry(void **state)
{
    static const uint32_t usages[] = {SW_VOUCHED_DANE_EE, SW_VOUCHED_DANE_TA};
    const struct sw_slice domain = SW_SLICE("other.test");
    const struct sw_ingress_server server = {NULL, domain, SW_SLICE("one.other.test"), domain};
    struct sw_ingress in;
    struct shown x;
    (void)state;
    for (size_t i = 0; i < UNIT_COUNT(usages); i++) {
        show(&x, usages[i], 0);
        assert_int_equal(sw_ingress_dane(&conf, &server, &x.flow, &in), SW_OK);
        listener.dane = false;
        assert_int_equal(sw_ingress_dane(&conf, &server, &x.flow, &in), SW_AGAIN);
        listener.dane = true;
        assert_int_equal(sw_ingress_stranger(&conf, domain, &x.flow, &in), SW_DENIED_IDENTITY);
        assert_string_equal(in.why, "no trust entry of the listener vouches for it");
        show(&x, 7, usages[i]);
        assert_int_equal(sw_ingress_stranger(&conf, domain, &x.flow, &in), SW_OK);
        x.uses[0] = SW_USE_SIGN | SW_USE_CLIENT; /* what the entry says counts */
        assert_int_equal(sw_ingress_stranger(&conf, domain, &x.flow, &in), SW_DENIED_PURPOSE);
    }
}

/* Usage 3 looks at no name in the certificate, so it proves the name that was looked for, and none
 * besides: a peer that a reload gave another domain is not behind the old one. RFC 7671 5.1, RFC
 * 7673 4.1 */
static void test_records_prove_the_name_that_led_to_them(void **state)
{
    static const struct {
        bool peer;
        const char *domain, *located;
        enum sw_status want;
    } rows[] = {
        {true, "", "peer.test", SW_OK},
        {true, "", "PEER.test", SW_OK},
        {true, "", "was.peer.test", SW_AGAIN},
        {true, "", "", SW_AGAIN},
        {false, "stranger.test", "stranger.test", SW_OK},
        {false, "stranger.test", "other.test", SW_AGAIN},
        {false, "peer.test", "peer.test", SW_AGAIN}, /* a peer's by now */
    };
    (void)state;
    for (size_t i = 0; i < UNIT_COUNT(rows); i++) {
        const struct sw_ingress_server server = {rows[i].peer ? &peer : NULL,
                                                 sw_slice_str(rows[i].domain), SW_SLICE("h.test"),
                                                 sw_slice_str(rows[i].located)};
        struct sw_ingress in;
        struct shown x;
        show(&x, SW_VOUCHED_DANE_EE, 0);
        assert_int_equal(sw_ingress_dane(&conf, &server, &x.flow, &in), rows[i].want);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_records_are_no_trust_entry),
        cmocka_unit_test(test_records_prove_the_name_that_led_to_them),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
