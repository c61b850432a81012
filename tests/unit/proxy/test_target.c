#include "unit/proxy/target.h"

static struct sw_route_conf *add_route(enum sw_from from, int from_peer, const uint16_t *to,
                                       uint32_t count)
{
    struct sw_route_conf *r = &routes[conf.route_count++];
    r->from = (uint8_t)from;
    r->from_peer = (uint16_t)from_peer;
    r->to = to;
    r->to_count = count;
    return r;
}

#define TO(...)                                                                                    \
    (const uint16_t[]){__VA_ARGS__}, sizeof((const uint16_t[]){__VA_ARGS__}) / sizeof(uint16_t)

static unsigned invite(uint32_t from, const char *uri)
{
    request(from, "INVITE", uri, "");
    unsigned code = ask();
    message_free(&a.x);
    return code;
}

/* docs/config.md: first match wins; none matches: 480 */
static void test_target_first_route_that_matches_wins(void **state)
{
    (void)state;
    static const struct {
        uint32_t from;
        const char *method, *uri;
        int to; /* a peer, or minus a refusal's code */
    } rows[] = {
        {100 + CARRIER, "INVITE", "sip:+123@x.test", PBX},
        {100 + CARRIER, "INVITE", "sip:+1@example.test", PBX},
        {100 + CARRIER, "INVITE", "tel:+123", PBX},
        {100 + CARRIER, "INVITE", "sip:123@x.test", PLAIN},
        {100 + CARRIER, "INVITE", "sip:x.test", PLAIN},
        {100 + CARRIER, "MESSAGE", "sip:123@x.test", -405},
        {100 + PBX, "INVITE", "sip:a@gw.OTHER.test", CARRIER},
        {100 + PBX, "INVITE", "sip:a@gw.other.test.", CARRIER}, /* the root is written */
        {100 + PBX, "INVITE", "sip:a@other.test", -480},
        {100 + PBX, "INVITE", "tel:+1", -480},
        {100 + PLAIN, "INVITE", "sip:a@b", -480},
        {100 + BOTH, "INVITE", "sip:a@b", -480},
        {SW_PEER_VERIFIED, "INVITE", "sip:a@b", BOTH},
        {SW_PEER_VERIFIED, "INVITE", "sip:x@b", -403},
        {555, "INVITE", "sip:a@b", -480},
    };
    struct sw_route_conf *r = add_route(SW_FROM_PEER, CARRIER, TO(PBX));
    r->user = SW_SLICE("+1*");
    add_route(SW_FROM_PEER, CARRIER, NULL, 0)->method = SW_SLICE("MESSAGE");
    routes[1].reject = 405;
    add_route(SW_FROM_PEER, CARRIER, TO(PLAIN));
    add_route(SW_FROM_PEER, PBX, TO(CARRIER))->domain = SW_SLICE("*.other.test");
    add_route(SW_FROM_REGISTERED, 0, TO(CARRIER));
    add_route(SW_FROM_VERIFIED, 0, TO(BOTH))->user = SW_SLICE("a");
    add_route(SW_FROM_PEER, PLAIN, NULL, 0)->unsupported = true;
    for (size_t i = 0; i < UNIT_COUNT(rows); i++) {
        request(rows[i].from, rows[i].method, rows[i].uri, "");
        unsigned code = ask();
        if (rows[i].to < 0 ? (int)code != -rows[i].to : code != 0)
            print_error("row %zu: %u\n", i, code);
        assert_int_equal(code, rows[i].to < 0 ? -rows[i].to : 0);
        if (!code)
            assert_int_equal(a.targets.t[0].peer, 100 + rows[i].to);
        message_free(&a.x);
    }
}

static void test_target_without_routes_there_is_none(void **state)
{
    (void)state;
    assert_int_equal(invite(100 + CARRIER, "sip:a@b"), 480);
    assert_int_equal(invite(SW_PEER_VERIFIED, "sip:a@b"), 403);
}

static void test_target_peers_and_their_addresses_come_in_order(void **state)
{
    (void)state;
    add_route(SW_FROM_ANY, 0, TO(BOTH, CARRIER, PLAIN));
    assert_int_equal(invite(100 + PBX, "sip:a@b"), 0);
    assert_int_equal(a.targets.count, 4);
    assert_target(0, BOTH, "192.0.2.2:5060");
    assert_target(1, CARRIER, "198.51.100.1:5061");
    assert_target(2, CARRIER, "[2001:db8::1]:7061");
    assert_target(3, PLAIN, "192.0.2.3:5060");
    static const struct {
        enum sw_transport transport;
        uint16_t listener;
        bool large_over_tcp;
        uint32_t timeout_ms;
    } want[] = {{SW_UDP, INSIDE, true, 4000 + BOTH},
                {SW_TLS, OUTSIDE, false, 4000 + CARRIER},
                {SW_TLS, OUTSIDE, false, 4000 + CARRIER},
                {SW_TCP, INSIDE, false, 4000 + PLAIN}};
    for (uint32_t i = 0; i < a.targets.count; i++) {
        const struct sw_target *t = &a.targets.t[i];
        assert_int_equal(t->transport, want[i].transport);
        assert_int_equal(t->listener, want[i].listener);
        assert_int_equal(t->large_over_tcp, want[i].large_over_tcp);
        assert_int_equal(t->timeout_ms, want[i].timeout_ms);
        assert_false(t->any_of_peer || t->clear || t->retarget || t->prefer.generation);
    }
}

/* docs/config.md "Where it goes": a Request-URI that is ours is retargeted, any other stays */
static void test_target_only_uris_of_ours_are_retargeted(void **state)
{
    (void)state;
    static const struct {
        const char *uri;
        bool retarget;
    } rows[] = {{"sip:a@example.test", true},
                {"sips:a@example.test", true},
                {"sip:a@192.0.2.100", true},
                {"sip:a@sip.example.test:5061", true},
                {"sip:a@other.test", false},
                {"sip:a@192.0.2.100:7000", false},
                {"tel:+1", false},
                {"tel:192.0.2.100", false}};
    listeners[INSIDE].address = endpoint("192.0.2.100:5060");
    add_route(SW_FROM_ANY, 0, TO(EFFORT));
    for (size_t i = 0; i < UNIT_COUNT(rows); i++) {
        assert_int_equal(invite(100 + CARRIER, rows[i].uri), 0);
        for (uint32_t k = 0; k < a.targets.count; k++)
            assert_int_equal(a.targets.t[k].retarget, rows[i].retarget);
    }
}

static void test_target_number_has_a_limit(void **state)
{
    (void)state;
    uint64_t reached = sw_counted(&counters, SW_LIMITED_BRANCHES);
    add_route(SW_FROM_ANY, 0, TO(CARRIER, WIDE, PBX));
    assert_int_equal(invite(100 + PBX, "sip:a@b"), 0);
    assert_int_equal(a.targets.count, 32);
    assert_target(31, WIDE, "192.0.2.8:5060");
    assert_int_equal(sw_counted(&counters, SW_LIMITED_BRANCHES), ++reached);
    conf.branches_max = 2;
    assert_int_equal(invite(100 + PBX, "sip:a@b"), 0);
    assert_int_equal(a.targets.count, 2);
    assert_target(1, CARRIER, "[2001:db8::1]:7061");
    assert_int_equal(sw_counted(&counters, SW_LIMITED_BRANCHES), ++reached);
    conf.branches_max = SW_TARGETS_MAX;
    assert_int_equal(invite(100 + PBX, "sip:a@b"), 0);
    assert_int_equal(a.targets.count, SW_TARGETS_MAX);
    assert_int_equal(sw_counted(&counters, SW_LIMITED_BRANCHES), ++reached);
    routes[0].to_count = 1;
    assert_int_equal(invite(100 + PBX, "sip:a@b"), 0);
    assert_int_equal(a.targets.count, 2);
    assert_int_equal(sw_counted(&counters, SW_LIMITED_BRANCHES), reached);
    conf.branches_max = 32;
}

/* What is cut off by the limit is what would be tried last. */
static void test_target_limit_leaves_those_with_the_highest_q(void **state)
{
    (void)state;
    static const uint16_t q[] = {100, 900};
    add_route(SW_FROM_ANY, 0, TO(BOTH, CARRIER))->q = q;
    conf.branches_max = 1;
    assert_int_equal(invite(100 + PBX, "sip:a@b"), 0);
    conf.branches_max = 32;
    assert_int_equal(a.targets.count, 1);
    assert_target(0, CARRIER, "198.51.100.1:5061");
}

/* Choices as letters, alternatives of the one before in lower case: "Aab" are three addresses. */
static void sort(struct sw_targets *x, const char *letters, const uint16_t *q,
                 enum sw_fork_rule fork)
{
    size_t choice = 0;
    memset(x, 0, sizeof(*x));
    for (; *letters; letters++) {
        struct sw_target *t = &x->t[x->count++];
        t->alternative = *letters >= 'a';
        choice += x->count > 1 && !t->alternative;
        t->q = t->alternative ? 7 : q[choice]; /* that of an alternative says nothing */
        t->peer = (uint8_t)*letters;
    }
    sw_targets_sort(x, fork);
}

/* RFC 3261 16.6: in the order of q; those of equal q are tried at once */
static void test_target_choices_are_sorted_by_q_and_grouped(void **state)
{
    (void)state;
    static const struct {
        const char *letters;
        uint16_t q[6];
        const char *sorted, *serial, *parallel; /* numbers of groups */
    } rows[] = {
        {"", {0}, "", "", ""},
        {"A", {0}, "A", "0", "0"},
        {"Aabc", {500}, "Aabc", "0000", "0000"},
        {"ABC", {1000, 1000, 1000}, "ABC", "012", "000"},
        {"ABC", {100, 200, 300}, "CBA", "012", "012"},
        {"ABCD", {500, 1000, 500, 1000}, "BDAC", "0123", "0011"},
        {"AaBbbC", {0, 1000, 1}, "BbbCAa", "000122", "000122"},
        {"AaBbCc", {300, 300, 301}, "CcAaBb", "001122", "001111"},
        {"ABCDEF", {700, 300, 700, 300, 700, 0}, "ACEBDF", "012345", "000112"},
    };
    for (size_t i = 0; i < UNIT_COUNT(rows); i++)
        for (int fork = SW_FORK_ORDER; fork <= SW_FORK_PARALLEL; fork++) {
            struct sw_targets x;
            sort(&x, rows[i].letters, rows[i].q, (enum sw_fork_rule)fork);
            const char *groups = fork == SW_FORK_SERIAL ? rows[i].serial : rows[i].parallel;
            assert_int_equal(x.count, strlen(rows[i].sorted));
            for (uint32_t k = 0; k < x.count; k++) {
                bool lower = rows[i].sorted[k] >= 'a';
                assert_int_equal(x.t[k].peer, rows[i].sorted[k]);
                assert_int_equal(x.t[k].alternative, fork == SW_FORK_ORDER ? k > 0 : lower);
                assert_int_equal(x.t[k].group, fork == SW_FORK_ORDER ? 0 : groups[k] - '0');
            }
        }
}

static void test_target_sorting_a_full_set_keeps_all(void **state)
{
    (void)state;
    struct sw_targets x = {.count = SW_TARGETS_MAX};
    for (uint32_t i = 0; i < SW_TARGETS_MAX; i++)
        x.t[i] = (struct sw_target){.peer = i, .q = (uint16_t)(i * 7 % 5)};
    sw_targets_sort(&x, SW_FORK_PARALLEL);
    for (uint32_t i = 1; i < SW_TARGETS_MAX; i++) {
        assert_true(x.t[i - 1].q > x.t[i].q ||
                    (x.t[i - 1].q == x.t[i].q && x.t[i - 1].peer < x.t[i].peer));
        assert_int_equal(x.t[i].group, 4 - x.t[i].q);
    }
}

static void test_target_q_of_a_route_orders_its_peers(void **state)
{
    (void)state;
    static const uint16_t q[] = {300, 1000, 300};
    struct sw_route_conf *r = add_route(SW_FROM_ANY, 0, TO(BOTH, CARRIER, PLAIN));
    r->q = q;
    r->fork = SW_FORK_PARALLEL;
    assert_int_equal(invite(100 + PBX, "sip:a@b"), 0);
    assert_int_equal(a.targets.count, 4);
    assert_target(0, CARRIER, "198.51.100.1:5061");
    assert_target(1, CARRIER, "[2001:db8::1]:7061");
    assert_target(2, BOTH, "192.0.2.2:5060");
    assert_target(3, PLAIN, "192.0.2.3:5060");
    static const uint8_t groups[] = {0, 0, 1, 1};
    for (uint32_t i = 0; i < 4; i++) {
        assert_int_equal(a.targets.t[i].group, groups[i]);
        assert_int_equal(a.targets.t[i].alternative, i == 1);
    }
}

static void test_target_peer_is_up_unless_a_ping_or_a_503_says_otherwise(void **state)
{
    (void)state;
    struct sw_peer_state *s = &states[PBX];
    assert_true(sw_target_is_up(&proxy, &peers[PBX], NOW_MS));
    s->down_until_ms = NOW_MS + 1;
    assert_false(sw_target_is_up(&proxy, &peers[PBX], NOW_MS));
    assert_true(sw_target_is_up(&proxy, &peers[PBX], NOW_MS + 1));
    s->ping_failed = true;
    assert_false(sw_target_is_up(&proxy, &peers[PBX], NOW_MS + 1));
    assert_true(sw_target_is_up(&proxy, &peers[BOTH], NOW_MS));
}

/* docs/config.md: when all are down, all are tried */
static void test_target_down_peers_are_left_out_unless_all_are(void **state)
{
    (void)state;
    add_route(SW_FROM_ANY, 0, TO(PBX, BOTH, NOWHERE));
    states[PBX].ping_failed = true;
    assert_int_equal(invite(100 + CARRIER, "sip:a@b"), 0);
    assert_int_equal(a.targets.count, 1);
    assert_target(0, BOTH, "192.0.2.2:5060");
    states[BOTH].down_until_ms = NOW_MS + 1000;
    assert_int_equal(invite(100 + CARRIER, "sip:a@b"), 0);
    assert_int_equal(a.targets.count, 2);
    assert_target(0, PBX, "192.0.2.1:5060");
    assert_target(1, BOTH, "192.0.2.2:5060");
}

/* RFC 3261 26.2.2, 26.3.1, RFC 5630 5.3: sips goes over TLS or not at all, with the warnings of
 * that section */
static void test_target_sips_rules_choose_and_refuse(void **state)
{
    (void)state;
    static const struct {
        uint16_t to[2];
        const char *uri, *rows;
        unsigned code;
        const char *extra;
        int peer;
    } rows[] = {
        {{PBX, PBX},
         "sips:a@b",
         "",
         480,
         "Warning: 380 sip.example.test \"SIPS Not Allowed\"\r\n",
         0},
        {{PBX, CARRIER}, "sips:a@b", "", 0, "", CARRIER},
        {{DENIES, DENIES}, "sips:a@b", "", 416, "", 0},
        {{PBX, DENIES}, "sips:a@b", "", 416, "", 0},
        {{DENIES, PBX}, "sip:a@b", "", 0, "", DENIES},
        {{REQUIRES, REQUIRES},
         "sip:a@b",
         "",
         480,
         "Warning: 381 sip.example.test \"SIPS Required\"\r\n",
         0},
        {{REQUIRES, REQUIRES},
         "tel:+1",
         "",
         480,
         "Warning: 381 sip.example.test \"SIPS Required\"\r\n",
         0},
        {{REQUIRES, PBX}, "sip:a@b", "", 0, "", PBX},
        {{REQUIRES, PBX}, "sips:a@b", "", 0, "", REQUIRES},
        {{PBX, CARRIER}, "sip:a@b", "Route: <sips:p;lr>\r\n", 0, "", CARRIER},
        {{PBX, PBX},
         "sip:a@b",
         "Route: <sips:p;lr>\r\n",
         480,
         "Warning: 380 sip.example.test \"SIPS Not Allowed\"\r\n",
         0},
        {{NOWHERE, NOWHERE}, "sip:a@b", "", 480, "", 0},
    };
    for (size_t i = 0; i < UNIT_COUNT(rows); i++) {
        conf.route_count = 0;
        add_route(SW_FROM_ANY, 0, rows[i].to, 2);
        request(100 + CARRIER, "INVITE", rows[i].uri, rows[i].rows);
        unsigned code = ask();
        if (code != rows[i].code)
            print_error("row %zu: %u\n", i, code);
        assert_int_equal(code, rows[i].code);
        assert_true(sw_slice_eq(a.refusal.extra, sw_slice_str(rows[i].extra)));
        if (!code)
            assert_int_equal(a.targets.t[0].peer, 100 + rows[i].peer);
        message_free(&a.x);
    }
}

/* RFC 3261 8.1.2; docs/config.md "In the clear" */
static void test_target_clear_address_is_last_and_never_after_tls_or_for_sips(void **state)
{
    (void)state;
    add_route(SW_FROM_ANY, 0, TO(EFFORT));
    static const struct {
        const char *uri;
        int64_t spoke_ms;
        bool clear;
    } rows[] = {{"sip:a@b", 0, true},
                {"sips:a@b", 0, false},
                {"sip:a@b", NOW_MS, false},
                {"sip:a@b", NOW_MS - DAY_MS + 1, false},
                {"sip:a@b", NOW_MS - DAY_MS, true}};
    for (size_t i = 0; i < UNIT_COUNT(rows); i++) {
        states[EFFORT].spoke_tls_ms = rows[i].spoke_ms;
        assert_int_equal(invite(100 + CARRIER, rows[i].uri), 0);
        assert_int_equal(a.targets.count, rows[i].clear ? 2 : 1);
        assert_target(0, EFFORT, "198.51.100.7:5061");
        assert_false(a.targets.t[0].clear);
        if (rows[i].clear) {
            assert_target(1, EFFORT, "192.0.2.7:5060");
            assert_true(a.targets.t[1].clear && a.targets.t[1].transport == SW_UDP &&
                        a.targets.t[1].listener == INSIDE);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_target_first_route_that_matches_wins),
        TEST(test_target_without_routes_there_is_none),
        TEST(test_target_peers_and_their_addresses_come_in_order),
        TEST(test_target_only_uris_of_ours_are_retargeted),
        TEST(test_target_number_has_a_limit),
        TEST(test_target_limit_leaves_those_with_the_highest_q),
        TEST(test_target_choices_are_sorted_by_q_and_grouped),
        TEST(test_target_sorting_a_full_set_keeps_all),
        TEST(test_target_q_of_a_route_orders_its_peers),
        TEST(test_target_peer_is_up_unless_a_ping_or_a_503_says_otherwise),
        TEST(test_target_down_peers_are_left_out_unless_all_are),
        TEST(test_target_sips_rules_choose_and_refuse),
        TEST(test_target_clear_address_is_last_and_never_after_tls_or_for_sips),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
