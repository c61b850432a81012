/* A worker that comes too late: its step is called with a clock that runs ahead of its timers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "sim/world.h"

#include <stdio.h>
#include <stdlib.h>

struct scene {
    struct sim *sim;
    struct gate gate;
    struct sw_actions actions;
    char sent[4096]; /* the last message that was to be sent */
    unsigned count;
};

static void scene_init(struct scene *x)
{
    struct conf *k = &x->gate.conf;
    memset(x, 0, sizeof(*x));
    x->sim = sim_new(31);
    conf_init(k);
    conf_listener(k, "inside", "10.1.0.1:5060", SW_UDP, NULL);
    conf_peer(k, "caller", "10.1.0.9:5060", SW_UDP, NULL);
    conf_peer(k, "pbx", "10.1.0.8:5060", SW_UDP, NULL);
    conf_route(k, "caller", "pbx", NULL);
    k->proxy.lateness_ms = 500;
    gate_start(&x->gate, x->sim, "gate", 1, "example.test", 31);
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
    for (uint32_t i = 0; i < x->actions.count; i++) {
        const struct sw_send_act *a = &x->actions.a[i].send;
        if (x->actions.a[i].kind != SW_ACT_SEND || a->total >= sizeof(x->sent))
            continue;
        sw_segs_copy(a->segs, a->seg_count, x->sent);
        x->sent[a->total] = 0;
        x->count++;
    }
}

static void time_passes(struct scene *x, int64_t now_ms)
{
    const struct sw_event ev = {.kind = SW_EV_TIME};
    step(x, &ev, now_ms);
}

static void ask(struct scene *x, const char *method, const char *branch, const char *to_tag,
                int64_t now_ms)
{
    char text[1024];
    struct sw_flow flow = {.remote = sim_endpoint("10.1.0.9:5060"), .transport = SW_UDP};
    flow.id = sw_engine_udp_flow(&x->gate.gateway[0].engine, 0);
    int n = snprintf(text, sizeof(text),
                     "%s sip:bob@example.test SIP/2.0\r\n"
                     "Via: SIP/2.0/UDP 10.1.0.9:5060;branch=z9hG4bK%s\r\n"
                     "From: <sip:x@x.test>;tag=1\r\nTo: <sip:bob@example.test>%s\r\n"
                     "Call-ID: %s\r\nCSeq: 1 %s\r\nMax-Forwards: 70\r\n\r\n",
                     method, branch, to_tag, branch, method);
    const struct sw_event ev = {
        .kind = SW_EV_MESSAGE, .flow = &flow, .bytes = sw_slice(text, (size_t)n)};
    x->sent[0] = 0;
    step(x, &ev, now_ms);
}

static void assert_sent(const struct scene *x, const char *start)
{
    assert_memory_equal(x->sent, start, strlen(start));
}

/* RFC 3261 21.5.4 */
static void test_overload_refuses_what_is_new_and_goes_on_with_what_has_begun(void **state)
{
    struct scene x;
    (void)state;
    scene_init(&x);
    ask(&x, "MESSAGE", "one", "", 1000); /* timer E: 1500, 2500, 4500 */
    assert_sent(&x, "MESSAGE");
    time_passes(&x, 2100);
    time_passes(&x, 3800); /* late again, for more than half a second */
    ask(&x, "MESSAGE", "two", "", 3900);
    assert_sent(&x, "SIP/2.0 503");
    assert_non_null(strstr(x.sent, "\r\nRetry-After: 5\r\n"));
    assert_int_equal(sw_gateway_pending(&x.gate.gateway[0]), 1); /* it cost no state */
    assert_int_equal(gate_counted(&x.gate, SW_LIMITED_LATENESS), 1);
    assert_int_equal(gate_counted(&x.gate, SW_COUNT_STATELESS_503), 1);
    ask(&x, "MESSAGE", "three", ";tag=dialog", 3950);
    assert_sent(&x, "MESSAGE");
    ask(&x, "MESSAGE", "four", "", 4900); /* the second is over */
    assert_sent(&x, "MESSAGE");
    scene_fini(&x);
}

static void test_overload_is_not_a_single_late_wake_up(void **state)
{
    struct scene x;
    (void)state;
    scene_init(&x);
    ask(&x, "MESSAGE", "one", "", 1000);
    time_passes(&x, 9000); /* the machine was halted */
    ask(&x, "MESSAGE", "two", "", 9001);
    assert_sent(&x, "MESSAGE");
    time_passes(&x, 9510);
    time_passes(&x, 10600);
    ask(&x, "MESSAGE", "three", "", 10610);
    assert_sent(&x, "MESSAGE");
    scene_fini(&x);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_overload_refuses_what_is_new_and_goes_on_with_what_has_begun),
        cmocka_unit_test(test_overload_is_not_a_single_late_wake_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
