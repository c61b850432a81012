/* Two gateways that send a request to each other, one or both of them hiding what is behind: the
 * loop is found all the same. RFC 3261 16.3 step 4, RFC 5393 4.2, docs/hiding.md */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "sim/raw.h"
#include "sim/world.h"

#include <stdlib.h>
#include <string.h>

struct scene {
    struct sim *sim;
    struct gate one, two;
    struct raw *pbx, *phone;
    unsigned passes; /* requests between the two */
    char last[8192]; /* of them */
};

static void watch(void *user, const struct sim_node *from, const struct sw_endpoint *to,
                  enum sw_transport transport, struct sw_slice bytes)
{
    struct scene *x = user;
    (void)from;
    (void)to;
    if (transport != SW_TLS || !sw_slice_starts_case(bytes, SW_SLICE("MESSAGE ")))
        return;
    x->passes++;
    size_t n = bytes.n < sizeof(x->last) ? bytes.n : sizeof(x->last) - 1;
    memcpy(x->last, bytes.p, n);
    x->last[n] = 0;
}

static void scene_init(struct scene *x, bool one_hides, bool two_hides, bool loop)
{
    struct conf *a = &x->one.conf, *b = &x->two.conf;
    memset(x, 0, sizeof(*x));
    x->sim = sim_new(51);
    x->sim->watch = watch;
    x->sim->watch_user = x;
    conf_init(a);
    a->domains[0] = SW_SLICE("one.test");
    conf_listener(a, "inside", "10.1.0.1:5060", SW_UDP, NULL);
    conf_listener(a, "middle", "10.2.0.1:5061", SW_TLS, "one.test");
    conf_peer(a, "pbx", "10.1.0.9:5060", SW_UDP, NULL);
    conf_peer(a, "two", "10.2.0.2:5061", SW_TLS, "two.test")->listener = 1;
    a->peers[1].hide_inside = one_hides;
    conf_route(a, "pbx", "two", NULL);
    conf_route(a, "two", "two", NULL);
    gate_start(&x->one, x->sim, "one", 2, "one.test", 51);
    conf_init(b);
    b->domains[0] = SW_SLICE("two.test");
    conf_listener(b, "middle", "10.2.0.2:5061", SW_TLS, "two.test");
    conf_listener(b, "inside", "10.3.0.1:5060", SW_UDP, NULL);
    conf_peer(b, "one", "10.2.0.1:5061", SW_TLS, "one.test");
    conf_peer(b, "phone", "10.3.0.9:5060", SW_UDP, NULL)->listener = 1;
    b->peers[0].hide_inside = two_hides;
    conf_route(b, "one", loop ? "one" : "phone", NULL);
    gate_start(&x->two, x->sim, "two", 2, "two.test", 52);
    x->pbx = raw_new(x->sim, "pbx", "10.1.0.9:5060", SW_UDP);
    x->phone = raw_new(x->sim, "phone", "10.3.0.9:5060", SW_UDP);
}

static void scene_fini(struct scene *x)
{
    sim_run(x->sim, INT64_MAX);
    gate_assert_idle(&x->one);
    gate_assert_idle(&x->two);
    gate_stop(&x->one);
    gate_stop(&x->two);
    sim_free(x->sim);
}

static void ask(struct scene *x)
{
    raw_send(x->pbx, "10.1.0.1:5060", SW_UDP,
             "MESSAGE sip:x@far.test SIP/2.0\r\nVia: SIP/2.0/UDP 10.1.0.9;branch=z9hG4bKl\r\n"
             "Max-Forwards: 70\r\nFrom: <sip:a@one.test>;tag=1\r\nTo: <sip:x@far.test>\r\n"
             "Call-ID: loop\r\nCSeq: 1 MESSAGE\r\nContent-Length: 0\r\n\r\n");
    sim_run(x->sim, x->sim->now_ms + 1000);
}

static void test_hide_loop_between_two_gateways_gets_482(void **state)
{
    (void)state;
    for (int hides = 0; hides < 4; hides++) {
        struct scene x;
        scene_init(&x, hides & 1, hides & 2, true);
        ask(&x);
        if (raw_count(x.pbx, "SIP/2.0 482") != 1 || x.passes > 4)
            print_error("hides %d: %u passes; %s\n", hides, x.passes, x.last);
        assert_int_equal(raw_count(x.pbx, "SIP/2.0 482"), 1);
        assert_in_range(x.passes, 3, 4); /* pbx-one-two-one-two, or -one */
        scene_fini(&x);
    }
}

/* A mark tells nothing of who is behind, and there is none where nothing can loop. */
static void test_hide_marks_are_of_gateways_only(void **state)
{
    (void)state;
    struct scene x;
    scene_init(&x, true, true, false);
    ask(&x);
    assert_int_equal(x.passes, 1);
    assert_null(strstr(x.last, ";sl=")); /* before it there is no gateway */
    raw_answer(x.phone, raw_nth(x.phone, "MESSAGE", 0), "200 OK", "");
    sim_run(x.sim, x.sim->now_ms + 1000);
    assert_int_equal(raw_count(x.pbx, "SIP/2.0 200"), 1);
    scene_fini(&x);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_hide_loop_between_two_gateways_gets_482),
        cmocka_unit_test(test_hide_marks_are_of_gateways_only),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
