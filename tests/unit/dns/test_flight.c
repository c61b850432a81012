/* Who waits for which question. The library knows "localhost" by itself (RFC 6761 6.3), and for
 * everything else it has a server that never answers. */
#include "support/unit.h"

#include "dns/flight.h"
#include "loop/sock.h"
#include "sys/clock.h"

#include <poll.h>
#include <unistd.h>

struct told {
    unsigned count, watched;
    int fd;
    struct sw_dns_asker who;
    struct sw_dns_answer answer;
    enum sw_status how;
    uint32_t version;
};

static struct told t;
static struct sw_flight f;
static struct sw_dns_conf conf;
static int server = -1; /* takes datagrams and answers none */
static int64_t now_ms;

static void answered(void *user, const struct sw_dns_asker *who, const struct sw_dns_result *r)
{
    (void)user;
    t.count++;
    t.who = *who;
    t.answer = *r->answer;
    t.how = r->how;
    t.version = r->version;
}

static void watch(void *user, int fd, bool on)
{
    (void)user;
    t.watched += on ? 1 : -1u;
    t.fd = on ? fd : -1;
}

static int setup(void **state)
{
    const struct sw_flight_user u = {.answer = answered, .watch = watch};
    const struct sw_sock_conf s = {.address = {.family = 4, .ip = {127, 0, 0, 1}},
                                   .datagram = true};
    (void)state;
    t = (struct told){.fd = -1};
    if (server < 0)
        server = sw_sock_listen(&s);
    assert_true(server >= 0);
    conf = (struct sw_dns_conf){.servers = {sw_sock_local(server)},
                                .server_count = 1,
                                .timeout_ms = 1000,
                                .questions_max = 3,
                                .version = 1};
    now_ms = sw_clock_ms();
    return sw_flight_init(&f, &conf, &u, now_ms) == SW_OK ? 0 : -1;
}

static int teardown(void **state)
{
    (void)state;
    sw_flight_fini(&f);
    assert_int_equal(t.watched, 0);
    return 0;
}

static void ask(const char *name, uint32_t job)
{
    const struct sw_dns_asker who = {{job, 1}, 0};
    struct sw_dns_question q;
    assert_int_equal(sw_dns_ask(&q, sw_slice_str(name), SW_DNS_A), SW_OK);
    sw_flight_ask(&f, &q, &who);
}

static void wait_for(unsigned count)
{
    for (int i = 0; t.count < count && i < 200; i++) {
        struct pollfd p = {.fd = t.fd, .events = POLLIN};
        assert_true(poll(&p, 1, 100) >= 0);
        sw_flight_run(&f, now_ms);
    }
    assert_int_equal(t.count, count);
}

static void test_a_question_is_answered_when_the_library_knows(void **state)
{
    (void)state;
    assert_int_equal(t.watched, 0); /* nothing is opened before the first question */
    ask("localhost", 7);
    assert_int_equal(t.count, 0);
    wait_for(1);
    assert_int_equal(t.who.job.slot, 7);
    assert_int_equal(t.answer.status, SW_OK);
    assert_int_equal(t.answer.count, 1);
    assert_int_equal(f.queries, 0);
    assert_int_equal(f.askers, 0);
    assert_true(sw_flight_deadline(&f) == SW_TIMER_NEVER);
}

static void test_each_asker_has_the_time_limit_for_itself(void **state)
{
    (void)state;
    ask("silent.example", 1);
    now_ms += 400;
    sw_flight_run(&f, now_ms);
    ask("silent.example", 2);
    assert_int_equal(f.queries, 1);
    now_ms += 600;
    sw_flight_run(&f, now_ms);
    assert_int_equal(t.count, 1);
    assert_int_equal(t.who.job.slot, 1);
    assert_int_equal(t.how, SW_PEER_TIMEOUT);
    assert_int_equal(t.answer.status, SW_PEER_DNS);
    assert_true(t.answer.ttl_s > 0); /* RFC 9520 3.2: a failure is remembered */
    now_ms += 400;
    sw_flight_run(&f, now_ms);
    assert_int_equal(t.count, 2);
    /* the library still works on it: that counts */
    assert_int_equal(f.queries, 1);
    assert_int_equal(f.askers, 0);
}

static void test_beyond_the_limit_a_question_fails_at_once(void **state)
{
    (void)state;
    ask("one.example", 1);
    ask("two.example", 2);
    ask("three.example", 3);
    assert_int_equal(t.count, 0);
    ask("four.example", 4);
    assert_int_equal(t.count, 1);
    assert_int_equal(t.how, SW_LIMIT);
    assert_int_equal(t.answer.status, SW_PEER_DNS);
    assert_int_equal(t.answer.ttl_s, 0);
    ask("three.example", 5); /* nobody has to be asked for that */
    assert_int_equal(t.count, 1);
}

static void test_another_configuration_leaves_what_is_in_flight(void **state)
{
    (void)state;
    ask("silent.example", 1);
    now_ms += 900; /* nothing ran meanwhile */
    conf.version = 2;
    conf.timeout_ms = 5000;
    sw_flight_adopt(&f, &conf, now_ms);
    ask("localhost", 2);
    ask("silent.example", 3);
    assert_int_equal(f.queries, 3);
    assert_int_equal(t.watched, 2);
    wait_for(1);
    assert_int_equal(t.version, 2);
    now_ms += 100;
    sw_flight_run(&f, now_ms);
    assert_int_equal(t.count, 2); /* the time limit of who asked */
    assert_int_equal(t.version, 1);
    assert_int_equal(t.watched, 2); /* the library is not done with it */
    now_ms += 900;
    sw_flight_run(&f, now_ms);
    assert_int_equal(t.count, 2);
    assert_int_equal(t.version, 1);
    assert_int_equal(t.watched, 1); /* and the old context is gone */
    assert_int_equal(f.queries, 1);
}

static void test_a_configuration_that_nothing_was_asked_under_costs_nothing(void **state)
{
    (void)state;
    for (conf.version = 2; conf.version < 50; conf.version++)
        sw_flight_adopt(&f, &conf, now_ms);
    sw_flight_run(&f, now_ms);
    assert_int_equal(t.watched, 0);
    assert_ptr_equal(f.eras.next, f.eras.prev);
    ask("localhost", 1);
    wait_for(1);
    assert_int_equal(t.version, 49);
}

static void test_without_a_readable_anchor_each_question_fails(void **state)
{
    (void)state;
    conf.dnssec = SW_DNSSEC_REQUIRE;
    snprintf(conf.anchor, sizeof(conf.anchor), "/nonexistent/anchor");
    sw_flight_adopt(&f, &conf, now_ms);
    ask("localhost", 1);
    ask("localhost", 2); /* not even tried */
    assert_int_equal(t.count, 2);
    assert_int_equal(t.answer.status, SW_PEER_DNS);
    assert_int_equal(t.watched, 0);
}

static void test_it_ends_with_questions_in_flight(void **state)
{
    (void)state;
    ask("one.example", 1);
    ask("one.example", 2);
    ask("localhost", 3);
}

static void test_one_question_can_be_waited_for(void **state)
{
    static char records[SW_DNS_ANSWER_MAX];
    struct sw_dns_question q;
    struct sw_dns_answer a;
    (void)state;
    assert_int_equal(sw_dns_ask(&q, SW_SLICE("localhost"), SW_DNS_AAAA), SW_OK);
    sw_resolver_once(&conf, &q, &a, records);
    assert_int_equal(a.status, SW_OK);
    assert_int_equal(a.records.n, 18);
    assert_ptr_equal(a.records.p, records);
    assert_int_equal(sw_dns_ask(&q, SW_SLICE("silent.example"), SW_DNS_A), SW_OK);
    conf.timeout_ms = 100;
    sw_resolver_once(&conf, &q, &a, records);
    assert_int_equal(a.status, SW_PEER_DNS);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_a_question_is_answered_when_the_library_knows),
        TEST(test_each_asker_has_the_time_limit_for_itself),
        TEST(test_beyond_the_limit_a_question_fails_at_once),
        TEST(test_another_configuration_leaves_what_is_in_flight),
        TEST(test_a_configuration_that_nothing_was_asked_under_costs_nothing),
        TEST(test_without_a_readable_anchor_each_question_fails),
        TEST(test_it_ends_with_questions_in_flight),
        TEST(test_one_question_can_be_waited_for),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    close(server);
    return failed;
}
