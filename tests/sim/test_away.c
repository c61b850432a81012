/* Pings while the address of their listener is on another machine. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "sim/world.h"

enum { PING_MS = 30000, TIMER_F_MS = 32000 };

struct scene {
    struct sim *sim;
    struct gate gate;
    struct sw_actions actions;
    unsigned asked;
};

static void scene_init(struct scene *x)
{
    struct conf *k = &x->gate.conf;
    memset(x, 0, sizeof(*x));
    x->sim = sim_new(37);
    conf_init(k);
    conf_listener(k, "virtual", "10.1.0.1:5060", SW_UDP, NULL);
    conf_peer(k, "pbx", "10.1.0.8:5060", SW_UDP, NULL)->ping_ms = PING_MS;
    gate_start(&x->gate, x->sim, "gate", 1, "example.test", 37);
}

static void scene_fini(struct scene *x)
{
    gate_stop(&x->gate);
    sim_free(x->sim);
}

static void step(struct scene *x, const struct sw_event *ev, int64_t now_ms)
{
    x->actions.count = 0;
    sw_gateway_step(&x->gate.gateway[0], ev, &x->actions, now_ms);
    for (uint32_t i = 0; i < x->actions.count; i++)
        x->asked += x->actions.a[i].kind == SW_ACT_SEND;
}

/* All that is due until then, each at its time. */
static void run_until(struct scene *x, int64_t until_ms)
{
    const struct sw_event ev = {.kind = SW_EV_TIME};
    int64_t at;
    while ((at = sw_gateway_deadline(&x->gate.gateway[0])) <= until_ms)
        step(x, &ev, at);
}

static void tell(struct scene *x, bool here, int64_t now_ms)
{
    const struct sw_event ev = {.kind = SW_EV_LISTENER, .status = here ? SW_OK : SW_SYS_AWAY};
    step(x, &ev, now_ms);
}

static bool failed(const struct scene *x)
{
    return atomic_load(&x->gate.conf.state[0].ping_failed);
}

static void test_away_listener_asks_nobody_and_asks_at_once_when_it_is_here(void **state)
{
    struct scene x;
    (void)state;
    scene_init(&x);
    int64_t start = x.sim->now_ms, back = start + 10 * PING_MS + 500;
    tell(&x, false, start);
    run_until(&x, back);
    assert_int_equal(x.asked, 0);
    tell(&x, true, back);
    run_until(&x, back);
    assert_int_equal(x.asked, 1);
    scene_fini(&x);
}

/* Whose question the address took with it is not to blame; who does not answer a node that is there
 * is. */
static void test_away_listener_says_nothing_of_its_peers(void **state)
{
    (void)state;
    for (int away = 0; away < 2; away++) {
        struct scene x;
        scene_init(&x);
        int64_t asked = x.sim->now_ms + PING_MS;
        run_until(&x, asked);
        assert_int_equal(x.asked, 1);
        if (away)
            tell(&x, false, asked + 100);
        run_until(&x, asked + TIMER_F_MS + 1000);
        assert_int_equal(failed(&x), !away);
        scene_fini(&x);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_away_listener_asks_nobody_and_asks_at_once_when_it_is_here),
        cmocka_unit_test(test_away_listener_says_nothing_of_its_peers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
