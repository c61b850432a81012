/* For which of our domains a request is sent. RFC 5923 9.3 */
#include "support/unit.h"

#include "base/local.h"
#include "proxy/local.h"

#include <stdio.h>

static const struct sw_slice domains[] = {SW_SLICE("three.test"), SW_SLICE("two.test")};
static const struct sw_proxy_conf conf = {.domains = domains, .domain_count = 2};

static uint32_t domain_of(const struct sw_proxy_conf *c, const char *uri, const char *from,
                          const char *to)
{
    char text[1024];
    struct sw_hdr hdrs[16];
    struct sw_msg m;
    struct sw_uri u;
    int n =
        snprintf(text, sizeof(text),
                 "INVITE %s SIP/2.0\r\nVia: SIP/2.0/TLS a.test;branch=z9hG4bK1\r\nFrom: %s;tag=1"
                 "\r\nTo: %s\r\nCall-ID: 1\r\nCSeq: 1 INVITE\r\nContent-Length: 0\r\n\r\n",
                 uri, from, to);
    assert_int_equal(sw_msg_parse(text, (size_t)n, hdrs, 16, &m), SW_OK);
    assert_int_equal(sw_uri_parse(sw_msg_uri(&m), &u, NULL), SW_OK);
    return sw_local_domain(c, 0, &m, &u);
}

static void test_local_domain_is_the_senders_then_the_asked_for(void **state)
{
    (void)state;
    const uint32_t two = sw_local_domain_id(SW_SLICE("two.test")),
                   three = sw_local_domain_id(SW_SLICE("three.test"));
    assert_true(two && three && two != three);
    assert_int_equal(domain_of(&conf, "sip:b@three.test", "<sip:a@two.test>", "<sip:b@x.test>"),
                     two);
    assert_int_equal(
        domain_of(&conf, "sip:b@x.test", "A <sips:a@Three.TEST.:5061>", "sip:b@x.test"), three);
    assert_int_equal(domain_of(&conf, "sip:b@three.test", "<sip:a@x.test>", "<sip:b@two.test>"),
                     three);
    assert_int_equal(domain_of(&conf, "tel:+1555", "<tel:+1666>", "<sip:b@two.test>"), two);
    assert_int_equal(domain_of(&conf, "sip:b@192.0.2.1", "<sip:a@x.test>", "<sip:b@x.test>"), 0);
    assert_int_equal(domain_of(&conf, "sip:b@sub.two.test", "<sip:a@\"", "<sip:b@x.test>"), 0);
}

/* Nothing is told apart, and nothing parsed. */
static void test_local_domain_of_one_is_none(void **state)
{
    (void)state;
    const struct sw_proxy_conf one = {.domains = domains, .domain_count = 1};
    assert_int_equal(domain_of(&one, "sip:b@three.test", "<sip:a@three.test>", "<sip:b@x.test>"),
                     0);
}

static void test_local_id_of_none_is_that_of_the_certificates_own_domain(void **state)
{
    (void)state;
    assert_int_equal(sw_local_id(7, 5, 0), sw_local_id(7, 5, 5));
    assert_int_not_equal(sw_local_id(7, 5, 6), sw_local_id(7, 5, 5));
    assert_int_not_equal(sw_local_id(7, 5, 6), sw_local_id(7, 5, 8));
    assert_int_not_equal(sw_local_id(7, 5, 7), 0); /* 0 is "no identity" */
    assert_int_not_equal(sw_local_id(0, 0, 6), 0);
    assert_int_equal(sw_local_id(0, 0, 0), 0);
}

/* What is open is for the same domain after a reload, whatever the identity is itself for then. */
static void test_local_id_does_not_depend_on_the_other_domains(void **state)
{
    (void)state;
    assert_int_equal(sw_local_id(7, 5, 6), sw_local_id(7, 9, 6));
    assert_int_equal(sw_local_id(7, 5, 0), sw_local_id(7, 9, 5));
    assert_int_not_equal(sw_local_id(7, 5, 0), sw_local_id(7, 9, 0));
}

static void test_local_domains_that_share_connections_are_none(void **state)
{
    (void)state;
    struct sw_peer_conf peer = {.id = 3, .shares_domains = true};
    struct sw_proxy_conf c = conf;
    uint16_t by_id[] = {0};
    c.peers = &peer;
    c.by_id = by_id;
    c.peer_count = 1;
    assert_int_equal(sw_local_domain_named(&c, 3, SW_SLICE("two.test")), SW_LOCAL_SHARED);
    assert_int_equal(sw_local_domain_none(&c, 3), SW_LOCAL_SHARED);
    assert_int_equal(sw_local_id(7, 5, SW_LOCAL_SHARED), sw_local_id(7, 9, SW_LOCAL_SHARED));
    peer.shares_domains = false;
    assert_int_equal(sw_local_domain_named(&c, 3, SW_SLICE("two.test")),
                     sw_local_domain_id(SW_SLICE("two.test")));
    assert_int_equal(sw_local_domain_none(&c, 3), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_local_domain_is_the_senders_then_the_asked_for),
        cmocka_unit_test(test_local_domain_of_one_is_none),
        cmocka_unit_test(test_local_id_of_none_is_that_of_the_certificates_own_domain),
        cmocka_unit_test(test_local_id_does_not_depend_on_the_other_domains),
        cmocka_unit_test(test_local_domains_that_share_connections_are_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
