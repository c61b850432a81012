#include "support/unit.h"

#include "proxy/conf.h"
#include <stdio.h>

static struct sw_endpoint endpoint(const char *text)
{
    struct sw_endpoint e;
    assert_true(sw_endpoint_parse(sw_slice_str(text), 0, &e));
    return e;
}

/* docs/config.md "URIs of ours": with or without port, in Request-URI, Route and maddr alike */
static void test_conf_hosts_of_ours_are_known(void **state)
{
    (void)state;
    const struct sw_slice domains[] = {SW_SLICE("a.test"), SW_SLICE("example.test"),
                                       SW_SLICE("z.test")};
    const struct sw_listener_conf listeners[] = {
        {.address = endpoint("127.0.0.1:5061"),
         .host = SW_SLICE("sip.example.test"),
         .port = 6061,
         .transport = SW_TLS},
        {.address = endpoint("[2001:db8::1]:5060"),
         .host = SW_SLICE("[2001:db8::1]"),
         .port = 5060},
        {.address = endpoint("10.0.0.1:5060"), .host = SW_SLICE("192.0.2.9"), .port = 5070},
    };
    const struct sw_proxy_conf c = {.domains = domains,
                                    .domain_count = UNIT_COUNT(domains),
                                    .listeners = listeners,
                                    .listener_count = UNIT_COUNT(listeners)};
    static const struct {
        const char *host;
        uint16_t port;
        bool ours;
    } rows[] = {
        {"example.test", 0, true},
        {"Example.TEST", 0, true},
        {"example.test.", 0, true},
        {"example.test", 5060, true},
        {"example.test", 9, true},
        {"a.test", 0, true},
        {"z.test", 0, true},
        {"m.test", 0, false},
        {"sub.example.test", 0, false},
        {"xample.test", 0, false},
        {"example.tes", 0, false},
        {"", 0, false},
        {".", 0, false},
        {"sip.example.test", 0, true},
        {"SIP.example.test", 0, true},
        {"sip.example.test", 6061, true},
        {"sip.example.test", 5061, true},
        {"sip.example.test", 5062, false},
        {"127.0.0.1", 0, true},
        {"127.0.0.1", 5061, true},
        {"127.0.0.1", 6061, false},
        {"127.0.0.2", 5061, false},
        {"[2001:db8::1]", 0, true},
        {"[2001:DB8:0:0::1]", 5060, true},
        {"2001:db8::1", 0, true},
        {"[2001:db8::2]", 0, false},
        {"[2001:db8::1]", 5061, false},
        {"10.0.0.1", 5060, true},
        {"192.0.2.9", 5070, true},
        {"192.0.2.9", 5060, false},
        {"192.0.2.9", 0, true},
        {"10.0.0.1", 5070, false},
    };
    for (size_t i = 0; i < UNIT_COUNT(rows); i++) {
        bool ours = sw_proxy_is_ours(&c, sw_slice_str(rows[i].host), rows[i].port);
        if (ours != rows[i].ours)
            fail_msg("row %zu: %s", i, ours ? "is ours" : "is not ours");
    }
    char longer[400];
    memset(longer, 'a', sizeof(longer));
    for (size_t n = 250; n < sizeof(longer); n++)
        assert_false(sw_proxy_is_ours(&c, sw_slice(longer, n), 0));
}

static void test_conf_without_anything_nothing_is_ours(void **state)
{
    (void)state;
    struct sw_proxy_conf c = {0};
    assert_int_equal(sw_proxy_conf_index(&c), SW_OK);
    assert_false(sw_proxy_is_ours(&c, SW_SLICE("example.test"), 0));
    assert_null(sw_proxy_peer(&c, 0));
    assert_null(sw_proxy_peer(&c, 7));
    sw_proxy_conf_fini(&c);
}

/* The search must agree with a walk over all domains. */
static void test_conf_every_domain_is_found_among_many(void **state)
{
    (void)state;
    enum { N = 1000 };
    static char text[N][16];
    static struct sw_slice domains[N];
    for (int i = 0; i < N; i++)
        domains[i] = sw_slice(text[i], (size_t)sprintf(text[i], "d%04d.test", i));
    for (uint32_t count = 0; count <= N; count = count < 8 ? count + 1 : count * 5) {
        const struct sw_proxy_conf c = {.domains = domains, .domain_count = count};
        for (uint32_t i = 0; i < N; i++)
            assert_int_equal(sw_proxy_is_ours(&c, domains[i], 0), i < count);
    }
}

static void test_conf_peers_are_found_by_id(void **state)
{
    (void)state;
    enum { N = 500 };
    static struct sw_peer_conf peers[N];
    struct rng r = rng_start(__func__);
    for (uint32_t i = 0; i < N; i++) {
        char name[16];
        peers[i].id = sw_proxy_peer_id(sw_slice(name, (size_t)sprintf(name, "peer-%u", i)));
        for (uint32_t k = 0; k < i; k++)
            assert_int_not_equal(peers[i].id, peers[k].id);
    }
    for (uint32_t count = 0; count <= N; count += 125) {
        struct sw_proxy_conf c = {.peers = peers, .peer_count = count};
        assert_int_equal(sw_proxy_conf_index(&c), SW_OK);
        for (uint32_t i = 0; i < N; i++)
            assert_ptr_equal(sw_proxy_peer(&c, peers[i].id), i < count ? &peers[i] : NULL);
        for (int i = 0; i < 1000; i++) {
            uint32_t id = (uint32_t)rng_next(&r);
            const struct sw_peer_conf *p = sw_proxy_peer(&c, id);
            assert_true(!p || p->id == id);
        }
        assert_null(sw_proxy_peer(&c, SW_PEER_NOBODY));
        assert_null(sw_proxy_peer(&c, SW_PEER_VERIFIED));
        sw_proxy_conf_fini(&c);
    }
}

static void test_conf_peer_id_is_of_the_name_alone(void **state)
{
    (void)state;
    char name[16];
    for (unsigned i = 0; i < 20000; i++) {
        struct sw_slice s = sw_slice(name, (size_t)sprintf(name, "%u", i));
        uint32_t id = sw_proxy_peer_id(s);
        assert_true(id != SW_PEER_NOBODY && id != SW_PEER_VERIFIED);
        assert_int_equal(id, sw_proxy_peer_id(s));
    }
    assert_int_not_equal(sw_proxy_peer_id(SW_SLICE("a")), sw_proxy_peer_id(SW_SLICE("A")));
    assert_true(sw_proxy_peer_id(SW_SLICE("")) > SW_PEER_VERIFIED);
}

/* A new seal key in front of those that still open leaves everybody who he is: connections and
 * calls with strangers go on. docs/config.md `seal_key` */
static void test_conf_domain_id_outlives_a_new_seal_key(void **state)
{
    (void)state;
    struct sw_proxy_conf one = {0}, two = {0}, three = {0};
    sw_hmac_key_init(&one.seal_key, "one", 3);
    sw_hmac_key_init(&two.seal_key, "two", 3);
    two.seal_older[two.seal_older_count++] = one.seal_key;
    sw_hmac_key_init(&three.seal_key, "three", 5);
    three.seal_older[three.seal_older_count++] = two.seal_key;
    three.seal_older[three.seal_older_count++] = one.seal_key;
    assert_int_equal(sw_proxy_conf_index(&one), SW_OK);
    assert_int_equal(sw_proxy_conf_index(&two), SW_OK);
    assert_int_equal(sw_proxy_conf_index(&three), SW_OK);
    uint32_t id = sw_proxy_domain_id(&one, SW_SLICE("peer.test"));
    assert_int_equal(sw_proxy_domain_id(&two, SW_SLICE("peer.test")), id);
    assert_int_equal(sw_proxy_domain_id(&three, SW_SLICE("peer.test")), id);
    sw_proxy_conf_fini(&one);
    sw_proxy_conf_fini(&two);
    sw_proxy_conf_fini(&three);
}

/* ... and with a key of its own also when the oldest seal key is taken out. docs/config.md
 * `domain_key` */
static void test_conf_domain_id_stays_with_its_key(void **state)
{
    (void)state;
    struct sw_proxy_conf one = {.has_domain_key = true}, two = one, other = one;
    struct sw_hmac_key key;
    sw_hmac_key_init(&key, "domains", 7);
    one.domain_key = two.domain_key = sw_proxy_domain_key(&key);
    sw_hmac_key_init(&key, "others", 6);
    other.domain_key = sw_proxy_domain_key(&key);
    sw_hmac_key_init(&one.seal_key, "one", 3);
    sw_hmac_key_init(&two.seal_key, "two", 3);
    assert_int_equal(sw_proxy_conf_index(&one), SW_OK);
    assert_int_equal(sw_proxy_conf_index(&two), SW_OK);
    assert_int_equal(sw_proxy_conf_index(&other), SW_OK);
    uint32_t id = sw_proxy_domain_id(&one, SW_SLICE("peer.test"));
    assert_int_equal(sw_proxy_domain_id(&two, SW_SLICE("peer.test")), id);
    assert_int_not_equal(sw_proxy_domain_id(&other, SW_SLICE("peer.test")), id);
    sw_proxy_conf_fini(&one);
    sw_proxy_conf_fini(&two);
    sw_proxy_conf_fini(&other);
}

/* Both stand for a sender in a seal: a proved domain must not pass for a peer. */
static void test_conf_domain_id_is_never_a_peers(void **state)
{
    (void)state;
    char name[16];
    struct sw_proxy_conf one = {0}, two = {0};
    sw_hmac_key_init(&one.seal_key, "one", 3);
    sw_hmac_key_init(&two.seal_key, "two", 3);
    assert_int_equal(sw_proxy_conf_index(&one), SW_OK);
    assert_int_equal(sw_proxy_conf_index(&two), SW_OK);
    for (unsigned i = 0; i < 20000; i++) {
        struct sw_slice s = sw_slice(name, (size_t)sprintf(name, "d%u.test", i));
        assert_int_equal(sw_proxy_peer_id(s) >> 31, 0);
        assert_int_equal(sw_proxy_domain_id(&one, s) >> 31, 1);
    }
    uint32_t id = sw_proxy_domain_id(&one, SW_SLICE("peer.test"));
    assert_int_equal(sw_proxy_domain_id(&one, SW_SLICE("Peer.TEST")), id);
    assert_int_equal(sw_proxy_domain_id(&one, SW_SLICE("peer.test.")), id);
    assert_int_not_equal(sw_proxy_domain_id(&one, SW_SLICE("peer.tes")), id);
    /* whoever does not know the key cannot look for a domain with the same id: RFC 5923 8.2 */
    assert_int_not_equal(sw_proxy_domain_id(&two, SW_SLICE("peer.test")), id);
    sw_proxy_conf_fini(&one);
    sw_proxy_conf_fini(&two);
}

static void test_conf_slices_are_ordered_by_bytes(void **state)
{
    (void)state;
    static const struct sw_slice rising[] = {{"", 0},     {"\0", 1},   {"\0a", 2}, {"a", 1},
                                             {"a\0", 2},  {"aa", 2},   {"ab", 2},  {"b", 1},
                                             {"\x7f", 1}, {"\x80", 1}, {"\xff", 1}};
    for (size_t i = 0; i < UNIT_COUNT(rising); i++)
        for (size_t k = 0; k < UNIT_COUNT(rising); k++) {
            int d = sw_slice_order(rising[i], rising[k]);
            assert_int_equal((d > 0) - (d < 0), (i > k) - (i < k));
        }
    assert_int_equal(sw_slice_order((struct sw_slice){NULL, 0}, sw_slice("", 0)), 0);
}

/* docs/config.md "source_messages_per_second": its port may be any */
static void test_conf_clear_addresses_are_those_of_best_effort_peers(void **state)
{
    (void)state;
    struct sw_peer_conf peers[] = {
        {.id = 1, .clear_address = {.family = 4, .ip = {10, 0, 0, 1}}},
        {.id = 2,
         .best_effort = true,
         .clear_address = {.family = 4, .ip = {10, 0, 0, 2}, .port = 5060}},
        {.id = 3, .best_effort = true, .clear_address = {.family = 6, .ip = {32, 1, 13, 184}}}};
    static const struct {
        struct sw_endpoint e;
        bool is;
    } rows[] = {{{.family = 4, .ip = {10, 0, 0, 1}}, false},
                {{.family = 4, .ip = {10, 0, 0, 2}, .port = 5060}, true},
                {{.family = 4, .ip = {10, 0, 0, 2}, .port = 9}, true},
                {{.family = 4, .ip = {10, 0, 0, 3}}, false},
                {{.family = 4, .ip = {32, 1, 13, 184}}, false},
                {{.family = 6, .ip = {32, 1, 13, 184}}, true}};
    struct sw_proxy_conf c = {.peers = peers, .peer_count = UNIT_COUNT(peers)};
    assert_int_equal(sw_proxy_conf_index(&c), SW_OK);
    for (size_t i = 0; i < UNIT_COUNT(rows); i++)
        assert_int_equal(sw_proxy_is_clear_address(&c, &rows[i].e), rows[i].is);
    sw_proxy_conf_fini(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_conf_hosts_of_ours_are_known),
        cmocka_unit_test(test_conf_without_anything_nothing_is_ours),
        cmocka_unit_test(test_conf_every_domain_is_found_among_many),
        cmocka_unit_test(test_conf_peers_are_found_by_id),
        cmocka_unit_test(test_conf_peer_id_is_of_the_name_alone),
        cmocka_unit_test(test_conf_domain_id_outlives_a_new_seal_key),
        cmocka_unit_test(test_conf_domain_id_stays_with_its_key),
        cmocka_unit_test(test_conf_domain_id_is_never_a_peers),
        cmocka_unit_test(test_conf_slices_are_ordered_by_bytes),
        cmocka_unit_test(test_conf_clear_addresses_are_those_of_best_effort_peers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
