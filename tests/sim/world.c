#include "sim/world.h"

#include "sim/twice.h"
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

#define MUST(condition, ...)                                                                       \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            printf("%s:%d: " #condition " does not hold: ", __FILE__, __LINE__);                   \
            printf(__VA_ARGS__);                                                                   \
            printf("\n");                                                                          \
            fflush(stdout);                                                                        \
            abort();                                                                               \
        }                                                                                          \
    } while (0)

void gate_start(struct gate *g, struct sim *s, const char *name, unsigned workers,
                const char *domain, uint64_t seed)
{
    conf_done(&g->conf);
    g->adopted = NULL;
    memset(g->counters, 0, sizeof(g->counters));
    g->node = sim_node_add(s, name, workers);
    g->ident = g->node->ident = conf_ident(domain);
    for (uint32_t i = 0; i < g->conf.proxy.listener_count; i++) {
        const struct sw_listener_conf *l = &g->conf.listeners[i];
        g->node->listener[g->node->listeners++] =
            (struct sim_listener){l->address, (enum sw_transport)l->transport};
    }
    g->calls_open = workers > 1 ? sw_calls_open_new(16 * workers) : NULL;
    for (unsigned i = 0; i < workers; i++) {
        const struct sw_gateway_conf gc = {
            .engine = {.instance = g->node->instance,
                       .worker = (uint16_t)i,
                       .directory = workers > 1,
                       .transactions_max = g->transactions_max ? g->transactions_max : 20000,
                       .table_key = {seed, 10},
                       .seed = {seed, 20 + i},
                       .counters = &g->counters[i]},
            .live.proxy = &g->conf.proxy,
            .live.peers = g->conf.state,
            .live.avoid = &g->avoid,
            .calls = 16,
            .calls_open = g->calls_open,
            .pings = i == 0,
        };
        enum sw_status st = sw_gateway_init(&g->gateway[i], &gc, s->now_ms);
        assert(st == SW_OK);
        (void)st;
        g->node->worker[i].step =
            (struct sw_step){&g->gateway[i], sw_gateway_step, sw_gateway_deadline};
    }
}

/* Whoever uses it afterwards is found: it is freed, or its pointers lead nowhere. */
static void release_conf(struct gate *g)
{
    conf_fini(g->adopted ? g->adopted : &g->conf);
    if (g->adopted)
        free(g->adopted);
    else
        memset(&g->conf, 0x5a, sizeof(g->conf));
    g->adopted = NULL;
}

void gate_stop(struct gate *g)
{
    for (unsigned i = 0; i < g->node->workers; i++) {
        sw_gateway_fini(&g->gateway[i]);
        MUST(g->gateway[i].slab.used_bytes == 0, "%s.%u: %zu bytes were not given back",
             g->node->name, i, g->gateway[i].slab.used_bytes);
    }
    release_conf(g);
    free(g->calls_open);
    free(g->ident);
}

/* A peer that stands in both counts on where it was: src/daemon/snapshot.c, make_states */
static void carry_loads(struct conf *from, struct conf *to)
{
    for (uint32_t i = 0; i < to->proxy.peer_count; i++)
        for (uint32_t k = 0; k < from->proxy.peer_count; k++)
            if (to->peers[i].id == from->peers[k].id) {
                sw_load_unref(to->state[i].load);
                to->state[i].load = sw_load_ref(from->state[k].load);
            }
}

void gate_adopt(struct gate *g, struct conf *next, int64_t apart_ms)
{
    struct sim *s = g->node->sim;
    const struct sw_gateway_live live = {
        .proxy = &next->proxy, .peers = next->state, .avoid = &g->avoid};
    const struct sw_event ev = {.kind = SW_EV_ADOPT, .conf = &live};
    conf_done(next);
    carry_loads(g->adopted ? g->adopted : &g->conf, next);
    for (unsigned i = 0; i < g->node->workers; i++) {
        sim_run(s, s->now_ms + apart_ms);
        sim_tell(&g->node->worker[i], &ev);
    }
    release_conf(g);
    g->adopted = next;
}

uint64_t gate_counted(const struct gate *g, enum sw_counter c)
{
    uint64_t n = 0;
    for (unsigned i = 0; i < g->node->workers; i++)
        n += sw_counted(&g->counters[i], c);
    return n;
}

/* Whatever came of a transaction, it counts no more. */
static void assert_unloaded(const struct gate *g)
{
    const struct conf *c = g->adopted ? g->adopted : &g->conf;
    for (uint32_t i = 0; i < c->proxy.peer_count; i++)
        for (int way = 0; way < SW_LOAD_WAYS; way++)
            MUST(atomic_load(&c->state[i].load->way[way].now) == 0,
                 "%s: %u transactions in progress %s peer %u", g->node->name,
                 atomic_load(&c->state[i].load->way[way].now), way ? "to" : "from", i);
}

void gate_assert_idle(const struct gate *g)
{
    assert_unloaded(g);
    for (unsigned i = 0; i < g->node->workers; i++) {
        const struct sw_engine *e = &g->gateway[i].engine;
        const char *name = g->node->name;
        MUST(e->servers.used == 0, "%s.%u: %u server transactions", name, i, e->servers.used);
        MUST(e->clients.used == 0, "%s.%u: %u client transactions", name, i, e->clients.used);
        MUST(e->sends.used == 0, "%s.%u: %u parked sends", name, i, e->sends.used);
        MUST(g->gateway[i].proxy.locations.used == 0, "%s.%u: %u locations", name, i,
             g->gateway[i].proxy.locations.used);
        MUST(e->pending == 0, "%s.%u: %u pending", name, i, e->pending);
        MUST(e->by_flow.count == 0, "%s.%u: %zu flows in use", name, i, e->by_flow.count);
        MUST(sw_list_empty(&g->gateway[i].proxy.forks), "%s.%u: a response context", name, i);
        /* the scratch memory is all that may be held */
        MUST(e->slab->used_bytes <= 1 << 18, "%s.%u: %zu bytes", name, i, e->slab->used_bytes);
    }
}

void gate_finish(struct gate *g)
{
    struct sim *s = g->node->sim;
    sim_run(s, INT64_MAX);
    gate_assert_idle(g);
    gate_stop(g);
    sim_free(s);
}

/* The gateway that carrier and PBX talk to; with two, the first has the second in the PBX's place.
 */
static void one_gate(struct world *w, const struct world_conf *c)
{
    struct conf *k = &w->gate[0].conf;
    conf_init(k);
    conf_listener(k, "outside", "10.0.0.1:5061", c->outside, "sip.example.test");
    conf_listener(k, "inside", "10.1.0.1:5060", c->inside, NULL);
    conf_peer(k, "carrier", "10.0.0.9:5061", c->outside,
              c->outside == SW_TLS ? "carrier.test" : NULL);
    conf_peer(k, "pbx", c->named ? NULL : "10.1.0.9:5060", c->inside,
              c->inside == SW_TLS ? "pbx.test" : NULL);
    if (c->dead_first) {
        k->peer_address[1][0] = sim_endpoint("10.1.0.7:5060"); /* nobody is there */
        conf_address(k, "10.1.0.9:5060");
    }
    k->peers[0].listener = 0;
    k->peers[1].listener = 1;
    k->peers[0].hide_inside = c->hide;
    if (c->fork != SW_FORK_ORDER) {
        conf_peer(k, "spare", "10.1.0.8:5060", c->inside, NULL)->listener = 1;
        conf_route(k, "carrier", "spare", "pbx", NULL)->fork = (uint8_t)c->fork;
    }
    conf_route(k, "carrier", "pbx", NULL);
    conf_route(k, "pbx", "carrier", NULL);
    gate_start(&w->gate[0], w->sim, "gate", c->workers ? c->workers : 1, "example.test", w->seed);
    w->gates = 1;
    if (!c->named)
        return;
    zone_naptr(&w->zone, "pbx.test", 1, 1, "s", "SIPS+D2T", "", "_sips._tcp.pbx.test");
    zone_srv(&w->zone, "_sips._tcp.pbx.test", 1, 1, 5060, "dead.pbx.test");
    zone_srv(&w->zone, "_sips._tcp.pbx.test", 2, 1, 5060, "a.pbx.test");
    zone_address(&w->zone, "dead.pbx.test", "10.1.0.7");
    zone_address(&w->zone, "a.pbx.test", "10.1.0.9");
    w->gate[0].node->dns = (struct sim_dns){.zone = &w->zone, .delay_min_ms = 1, .delay_max_ms = 5};
}

static void two_gates(struct world *w, const struct world_conf *c)
{
    struct conf *a = &w->gate[0].conf, *b = &w->gate[1].conf;
    conf_init(a);
    conf_listener(a, "outside", "10.0.0.1:5061", c->outside, "sip.example.test");
    conf_listener(a, "middle", "10.2.0.1:5061", SW_TLS, "one.example.test");
    conf_peer(a, "carrier", "10.0.0.9:5061", c->outside,
              c->outside == SW_TLS ? "carrier.test" : NULL)
        ->listener = 0;
    conf_peer(a, "two", "10.2.0.2:5061", SW_TLS, "two.test")->listener = 1;
    a->peers[0].hide_inside = a->peers[1].hide_inside = c->hide;
    conf_route(a, "carrier", "two", NULL);
    conf_route(a, "two", "carrier", NULL);
    gate_start(&w->gate[0], w->sim, "one", c->workers ? c->workers : 1, "one.test", w->seed);
    conf_init(b);
    b->domains[0] = SW_SLICE("two.test");
    conf_listener(b, "middle", "10.2.0.2:5061", SW_TLS, "two.test");
    conf_listener(b, "inside", "10.1.0.1:5060", c->inside, NULL);
    conf_peer(b, "one", "10.2.0.1:5061", SW_TLS, "one.test");
    conf_peer(b, "pbx", "10.1.0.9:5060", c->inside, c->inside == SW_TLS ? "pbx.test" : NULL)
        ->listener = 1;
    b->peers[0].hide_inside = c->hide;
    conf_route(b, "one", "pbx", NULL);
    conf_route(b, "pbx", "one", NULL);
    gate_start(&w->gate[1], w->sim, "two", c->workers ? c->workers : 1, "two.test", w->seed + 1);
    w->gates = 2;
}

void world_init(struct world *w, uint64_t seed, const struct world_conf *c)
{
    struct ua_conf carrier = c->carrier, pbx = c->pbx;
    memset(w, 0, sizeof(*w));
    w->seed = seed;
    w->sim = sim_new(seed);
    twice_own_input();
    if (c->net.delay_max_ms)
        w->sim->net = c->net;
    if (c->two_gateways)
        two_gates(w, c);
    else
        one_gate(w, c);
    carrier.gateway = sim_endpoint("10.0.0.1:5061");
    carrier.transport = c->outside;
    pbx.gateway = sim_endpoint("10.1.0.1:5060");
    pbx.transport = c->inside;
    w->carrier = ua_new(w->sim, "carrier", "10.0.0.9:5061", &carrier, seed + 2);
    w->pbx = ua_new(w->sim, "pbx", "10.1.0.9:5060", &pbx, seed + 3);
    w->carrier_ident = w->carrier->node->ident = conf_ident("carrier.test");
    w->pbx_ident = w->pbx->node->ident = conf_ident("pbx.test");
}

void world_finish(struct world *w)
{
    sim_run(w->sim, INT64_MAX);
    for (unsigned i = 0; i < w->gates; i++)
        gate_assert_idle(&w->gate[i]);
}

void world_fini(struct world *w)
{
    ua_free(w->carrier);
    ua_free(w->pbx);
    for (unsigned i = 0; i < w->gates; i++)
        gate_stop(&w->gate[i]);
    sim_free(w->sim);
    free(w->carrier_ident);
    free(w->pbx_ident);
}
