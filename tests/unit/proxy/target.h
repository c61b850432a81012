/* Peers, routes and requests for the tests of targets. */
#ifndef TESTS_UNIT_PROXY_TARGET_H
#define TESTS_UNIT_PROXY_TARGET_H

#include "proxy/target.h"
#include "support/message.h"

enum { OUTSIDE, INSIDE };
enum { CARRIER, PBX, BOTH, PLAIN, DENIES, REQUIRES, NOWHERE, EFFORT, WIDE, PEERS };
enum { NOW_MS = 100000000, DAY_MS = 24 * 3600 * 1000 };

static const struct sw_slice domain = {"example.test", 12};
static struct sw_listener_conf listeners[] = {
    [OUTSIDE] = {.host = {"sip.example.test", 16}, .port = 5061, .transport = SW_TLS},
    [INSIDE] = {.host = {"192.0.2.100", 11}, .port = 5060, .transport = SW_UDP},
};
static struct sw_peer_conf peers[PEERS];
static struct sw_endpoint addresses[PEERS][SW_TARGETS_MAX + 4];
static struct sw_peer_state states[PEERS];
static struct sw_route_conf routes[16];
static struct sw_proxy_conf conf = {.domains = &domain,
                                    .domain_count = 1,
                                    .listeners = listeners,
                                    .listener_count = UNIT_COUNT(listeners),
                                    .peers = peers,
                                    .peer_count = PEERS,
                                    .routes = routes,
                                    .uri_max = 8192,
                                    .branches_max = 32};
static struct sw_slab slab;
static struct sw_engine engine;
static struct sw_counters counters;
static struct sw_actions actions;
static struct sw_proxy proxy = {.e = &engine, .conf = &conf, .peers = states};

static struct sw_endpoint endpoint(const char *text)
{
    struct sw_endpoint e;
    assert_true(sw_endpoint_parse(sw_slice_str(text), 0, &e));
    return e;
}

static void add_address(int peer, const char *address)
{
    addresses[peer][peers[peer].address_count++] = endpoint(address);
}

static struct sw_peer_conf *add_peer(int peer, const char *address, bool udp, bool tcp)
{
    peers[peer] = (struct sw_peer_conf){.id = 100 + (uint32_t)peer,
                                        .udp = udp,
                                        .tcp = tcp,
                                        .tls = !udp && !tcp,
                                        .listener = udp || tcp ? INSIDE : OUTSIDE,
                                        .addresses = addresses[peer],
                                        .timeout_ms = 4000 + (uint32_t)peer};
    if (address)
        add_address(peer, address);
    return &peers[peer];
}

static int set_up(void **state)
{
    (void)state;
    static const struct sw_engine_conf small = {.transactions_max = 4, .counters = &counters};
    memset(routes, 0, sizeof(routes));
    memset(states, 0, sizeof(states));
    conf.route_count = 0;
    add_peer(CARRIER, "198.51.100.1:5061", false, false);
    add_address(CARRIER, "[2001:db8::1]:7061");
    add_peer(PBX, "192.0.2.1:5060", true, false);
    add_peer(BOTH, "192.0.2.2:5060", true, true);
    add_peer(PLAIN, "192.0.2.3:5060", false, true);
    add_peer(DENIES, "198.51.100.4:5061", false, false)->sips = SW_SIPS_DENY;
    add_peer(REQUIRES, "198.51.100.5:5061", false, false)->sips = SW_SIPS_REQUIRE;
    add_peer(NOWHERE, NULL, false, false);
    add_peer(EFFORT, "198.51.100.7:5061", false, false)->best_effort = true;
    peers[EFFORT].clear_address = endpoint("192.0.2.7:5060");
    add_peer(WIDE, NULL, true, false);
    for (int i = 0; i < SW_TARGETS_MAX + 4; i++)
        add_address(WIDE, "192.0.2.8:5060");
    sw_slab_init(&slab);
    if (sw_proxy_conf_index(&conf) != SW_OK ||
        sw_engine_init(&engine, &small, &slab, NOW_MS) != SW_OK)
        return -1;
    sw_engine_begin(&engine, &actions, NOW_MS);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    sw_engine_fini(&engine);
    sw_slab_fini(&slab);
    sw_proxy_conf_fini(&conf);
    return 0;
}

/* A request and what was found for it. */
struct asked {
    struct message x;
    struct sw_routes r;
    struct sw_flow flow;
    struct sw_request q;
    struct sw_targets targets;
    struct sw_refusal refusal;
};
static struct asked a;

static void request(uint32_t from, const char *method, const char *uri, const char *rows)
{
    static char text[20480];
    snprintf(text, sizeof(text),
             "%s %s SIP/2.0\r\nVia: SIP/2.0/UDP h;branch=z9hG4bKa\r\nTo: sip:b\r\n"
             "From: sip:a;tag=1\r\nCall-ID: call\r\nCSeq: 1 %s\r\n%s\r\n",
             method, uri, method, rows);
    message_request(&a.x, text);
    sw_routes_read(&conf, &a.x.m, &a.x.v, &a.r);
    a.flow = (struct sw_flow){.peer = from, .listener = OUTSIDE, .transport = SW_TLS};
    a.q = (struct sw_request){.flow = &a.flow, .m = &a.x.m, .v = &a.x.v, .r = &a.r, .side = -1};
}

/* 0 if targets were found, else the code of the refusal. */
static inline unsigned ask(void)
{
    a.refusal = (struct sw_refusal){0};
    bool found = sw_target_find(&proxy, &a.q, &a.targets, &a.refusal);
    assert_int_equal(found, a.targets.count > 0);
    if (!found) {
        assert_non_null(a.refusal.why);
        assert_true(a.refusal.code >= 300);
    }
    return found ? 0 : a.refusal.code;
}

static inline void assert_target(uint32_t i, int peer, const char *remote)
{
    struct sw_endpoint e = endpoint(remote);
    assert_true(i < a.targets.count);
    assert_int_equal(a.targets.t[i].peer, 100 + peer);
    assert_true(sw_endpoint_eq(&a.targets.t[i].remote, &e));
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

#endif
