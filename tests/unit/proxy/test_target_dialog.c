#include "unit/proxy/target.h"

/* Asks for a request that side 0 sent, with `s` as the other side. */
static unsigned in_dialog(const struct sw_side *s, const char *uri, const char *rows)
{
    request(100 + BOTH, "BYE", uri, rows);
    a.r.seal.side[1] = *s;
    a.q.side = 0;
    unsigned code = ask();
    message_free(&a.x);
    return code;
}

static struct sw_side side_of(int peer, enum sw_transport transport, const char *remote)
{
    struct sw_side s = {.peer = 100 + (uint32_t)peer,
                        .listener = transport == SW_UDP ? INSIDE : OUTSIDE,
                        .transport = (uint8_t)transport,
                        .outbound = true,
                        .remote = endpoint(remote)};
    if (transport != SW_UDP)
        s.flow = (struct sw_flow_id){.instance = 1, .slot = 2, .generation = 3};
    return s;
}

/* docs/config.md "Inside a dialog": its flow, another connection, the next hop, the configured
 * place */
static void test_target_dialog_goes_over_its_flow_first(void **state)
{
    (void)state;
    struct sw_side s = side_of(CARRIER, SW_TLS, "198.51.100.9:7000");
    for (int outbound = 0; outbound < 2; outbound++) {
        s.outbound = outbound;
        assert_int_equal(in_dialog(&s, "sip:c@198.51.100.8:9", ""), 0);
        assert_int_equal(a.targets.count, 4);
        assert_target(0, CARRIER, outbound ? "198.51.100.9:7000" : "198.51.100.9:0");
        assert_true(sw_flow_id_eq(&a.targets.t[0].prefer, &s.flow) && a.targets.t[0].any_of_peer);
        assert_target(1, CARRIER, "198.51.100.8:9");
        assert_target(2, CARRIER, "198.51.100.1:5061");
        assert_target(3, CARRIER, "[2001:db8::1]:7061");
        for (uint32_t i = 1; i < 4; i++)
            assert_false(a.targets.t[i].prefer.generation || a.targets.t[i].any_of_peer);
    }
}

static void test_target_dialog_over_datagrams_has_one_place(void **state)
{
    (void)state;
    struct sw_side s = side_of(PBX, SW_UDP, "192.0.2.1:6060");
    assert_int_equal(in_dialog(&s, "sip:c@192.0.2.55", ""), 0);
    assert_int_equal(a.targets.count, 1);
    assert_target(0, PBX, "192.0.2.1:6060");
}

static void test_target_dialog_next_hop_is_the_route_or_the_target(void **state)
{
    (void)state;
    static const struct {
        const char *uri, *rows, *hop; /* NULL: none; "": a name, which the DNS is asked for */
    } rows[] = {
        {"sip:c@198.51.100.8", "", "198.51.100.8:5061"},
        {"sip:c@198.51.100.8:1", "Route: <sip:198.51.100.6:2;lr>\r\n", "198.51.100.6:2"},
        {"sip:c@h;maddr=198.51.100.5", "", "198.51.100.5:5061"},
        {"sip:c@[2001:db8::7]", "", "[2001:db8::7]:5061"},
        {"sip:c@phone.test", "", ""},
        {"sip:c@198.51.100.8", "Route: <sip:p.test;lr>\r\n", ""},
        {"tel:+1", "", NULL},
    };
    struct sw_side s = side_of(NOWHERE, SW_TLS, "198.51.100.9:7000");
    for (size_t i = 0; i < UNIT_COUNT(rows); i++) {
        assert_int_equal(in_dialog(&s, rows[i].uri, rows[i].rows), 0);
        assert_int_equal(a.targets.count, rows[i].hop ? 2 : 1);
        if (rows[i].hop && rows[i].hop[0])
            assert_target(1, NOWHERE, rows[i].hop);
        if (rows[i].hop)
            assert_int_equal(a.targets.t[1].locate,
                             rows[i].hop[0] ? SW_TARGET_PLAIN : SW_TARGET_HOP);
    }
}

static void test_target_dialog_flow_is_used_as_reverse_says(void **state)
{
    (void)state;
    static const struct {
        enum sw_reverse reverse;
        bool outbound, by_flow;
    } rows[] = {{SW_REVERSE_FLOW, true, true},   {SW_REVERSE_FLOW, false, true},
                {SW_REVERSE_ALIAS, true, true},  {SW_REVERSE_ALIAS, false, false},
                {SW_REVERSE_NEVER, true, false}, {SW_REVERSE_NEVER, false, false}};
    struct sw_side s = side_of(NOWHERE, SW_TLS, "198.51.100.9:7000");
    for (size_t i = 0; i < UNIT_COUNT(rows); i++) {
        peers[NOWHERE].reverse = (uint8_t)rows[i].reverse;
        s.outbound = rows[i].outbound;
        assert_int_equal(in_dialog(&s, "sip:c@198.51.100.8", ""), 0);
        assert_int_equal(a.targets.t[0].any_of_peer, rows[i].by_flow);
        assert_int_equal(a.targets.count, 1 + rows[i].by_flow);
    }
    assert_int_equal(in_dialog(&s, "tel:+1", ""), 480);
}

/* RFC 5923 8.2: a connection that the peer opened, only as an alias for the address that was found
 */
static void test_target_dialog_with_reverse_alias_takes_aliases_only(void **state)
{
    (void)state;
    struct sw_side s = side_of(NOWHERE, SW_TLS, "198.51.100.9:7000");
    peers[NOWHERE].reverse = SW_REVERSE_ALIAS;
    s.outbound = false;
    s.local_id = 77;
    assert_int_equal(in_dialog(&s, "sip:c@198.51.100.8", ""), 0);
    const struct sw_target *t = &a.targets.t[0];
    assert_int_equal(a.targets.count, 1);
    assert_target(0, NOWHERE, "198.51.100.8:5061");
    assert_true(t->alias && !t->any_of_peer && sw_flow_id_eq(&t->prefer, &s.flow));
    assert_int_equal(in_dialog(&s, "sip:c@phone.test", ""), 0);
    assert_int_equal(a.targets.count, 2); /* the DNS is asked for the name then */
    assert_int_equal(a.targets.t[1].locate, SW_TARGET_HOP);
    assert_target(0, NOWHERE, "198.51.100.9:0");
    assert_true(t->alias && !t->any_of_peer && sw_flow_id_eq(&t->prefer, &s.flow));
    s.outbound = true; /* ours, over which responses came already */
    assert_int_equal(in_dialog(&s, "sip:c@phone.test", ""), 0);
    assert_true(t->any_of_peer && t->local_id == 77);
}

/* RFC 5923 8.1, 8.2 */
static void test_target_alias_is_for_tls_peers_that_are_configured_so(void **state)
{
    (void)state;
    static const struct {
        int peer;
        enum sw_reverse reverse;
        bool alias;
    } rows[] = {{CARRIER, SW_REVERSE_ALIAS, true},
                {CARRIER, SW_REVERSE_FLOW, false},
                {CARRIER, SW_REVERSE_NEVER, false},
                {PLAIN, SW_REVERSE_ALIAS, false}}; /* 9.3: never over TCP */
    for (size_t i = 0; i < UNIT_COUNT(rows); i++) {
        const uint16_t to = (uint16_t)rows[i].peer;
        peers[to].reverse = (uint8_t)rows[i].reverse;
        routes[0] = (struct sw_route_conf){.from = SW_FROM_ANY, .to = &to, .to_count = 1};
        conf.route_count = 1;
        request(100 + BOTH, "MESSAGE", "sip:c@h", "");
        assert_int_equal(ask(), 0);
        assert_int_equal(a.targets.t[0].alias, rows[i].alias);
        message_free(&a.x);
    }
}

static void test_target_dialog_of_a_stranger_or_a_removed_peer_keeps_its_flow(void **state)
{
    (void)state;
    struct sw_side s = side_of(CARRIER, SW_TLS, "198.51.100.9:7000");
    s.peer = sw_proxy_domain_id(&conf, SW_SLICE("stranger.test"));
    assert_int_equal(in_dialog(&s, "sip:c@phone.test", ""), 0);
    assert_int_equal(a.targets.count, 2); /* then where its name leads: docs/locating.md */
    assert_int_equal(a.targets.t[0].peer, s.peer);
    assert_int_equal(a.targets.t[0].locate, SW_TARGET_PLAIN);
    assert_int_equal(a.targets.t[1].peer, s.peer);
    assert_int_equal(a.targets.t[1].locate, SW_TARGET_HOP);
    s.peer = 77; /* a peer that a reload took away */
    assert_int_equal(in_dialog(&s, "sip:c@phone.test", ""), 0);
    assert_int_equal(a.targets.count, 1);
    s.peer = sw_proxy_domain_id(&conf, SW_SLICE("stranger.test"));
    s.listener = UNIT_COUNT(listeners);
    assert_int_equal(in_dialog(&s, "sip:c@phone.test", ""), 480);
}

/* RFC 5630 5.3 */
static void test_target_dialog_sips_never_leaves_in_the_clear(void **state)
{
    (void)state;
    struct sw_side s = side_of(PBX, SW_UDP, "192.0.2.1:6060");
    assert_int_equal(in_dialog(&s, "sips:c@h", ""), 480);
    assert_slice(a.refusal.extra, "Warning: 380 sip.example.test \"SIPS Not Allowed\"\r\n");
    assert_int_equal(in_dialog(&s, "sip:c@h", "Route: <sips:p;lr>\r\n"), 480);
    s = side_of(CARRIER, SW_TLS, "198.51.100.9:7000");
    assert_int_equal(in_dialog(&s, "sips:c@h", ""), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_target_dialog_goes_over_its_flow_first),
        TEST(test_target_dialog_over_datagrams_has_one_place),
        TEST(test_target_dialog_next_hop_is_the_route_or_the_target),
        TEST(test_target_dialog_flow_is_used_as_reverse_says),
        TEST(test_target_dialog_with_reverse_alias_takes_aliases_only),
        TEST(test_target_alias_is_for_tls_peers_that_are_configured_so),
        TEST(test_target_dialog_of_a_stranger_or_a_removed_peer_keeps_its_flow),
        TEST(test_target_dialog_sips_never_leaves_in_the_clear),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
