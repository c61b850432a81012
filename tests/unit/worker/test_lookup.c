/* A worker whose step asks the DNS: when and how it is answered. */
#include "support/unit.h"

#include "worker/lookup.h"

#include <poll.h>
#include <stdlib.h>

/* What the step sees, and what it asks with the next event. */
struct seen {
    struct sw_dns_question ask;
    unsigned asks; /* how often */
    unsigned answers;
    unsigned steps; /* events so far, and at the last answer */
    bool inside;
    struct sw_ref job;
    struct sw_dns_answer last;
    char records[64];
};

static void step(void *user, const struct sw_event *ev, struct sw_actions *out, int64_t now_ms)
{
    struct seen *s = user;
    (void)now_ms;
    assert_false(s->inside);
    s->inside = true;
    s->steps++;
    if (ev->kind == SW_EV_ANSWER) {
        s->answers++;
        s->job = ev->job;
        s->last = *ev->answer;
        assert_true(ev->answer->records.n <= sizeof(s->records));
        if (ev->answer->records.n)
            memcpy(s->records, ev->answer->records.p, ev->answer->records.n);
    }
    for (; s->asks; s->asks--) {
        struct sw_action *a = sw_action_add(out, SW_ACT_LOOKUP);
        a->lookup = (struct sw_lookup_act){.job = {s->asks, 1}, .question = s->ask};
    }
    s->inside = false;
}

static int64_t deadline(void *user)
{
    (void)user;
    return SW_TIMER_NEVER;
}

static uint32_t transactions(void *user)
{
    (void)user;
    return 0;
}

struct fixture {
    struct sw_workers all;
    struct sw_worker_conf conf, next;
    struct sw_counters counters;
    struct seen seen;
};

static struct fixture f;

static int setup(void **state)
{
    const struct sw_step s = {&f.seen, step, deadline};
    (void)state;
    memset(&f, 0, sizeof(f));
    f.conf.conn.limits =
        (struct sw_conn_limits){.connections = 16, .frame = {.head_max = 1024, .body_max = 1024}};
    f.conf.dns_cache = 8;
    f.conf.dns_version = 1;
    f.conf.conn.hold = &f.conf.hold;
    f.next = f.conf;
    f.next.dns_version = 2;
    f.next.conn.hold = &f.next.hold;
    f.all.counters = &f.counters;
    f.all.count = 1;
    atomic_store(&f.all.conf, &f.conf);
    f.all.worker = aligned_alloc(64, (sizeof(struct sw_worker) + 63) & ~(size_t)63);
    assert_non_null(f.all.worker);
    return sw_worker_init(f.all.worker, &f.all, 0, &s, transactions, false) == SW_OK ? 0 : -1;
}

static int teardown(void **state)
{
    (void)state;
    sw_resolver_free(f.all.resolver);
    sw_worker_fini(f.all.worker);
    free(f.all.worker);
    return 0;
}

static void ask(const char *name, unsigned times)
{
    const struct sw_event ev = {.kind = SW_EV_TIME};
    assert_int_equal(sw_dns_ask(&f.seen.ask, sw_slice_str(name), SW_DNS_A), SW_OK);
    f.seen.asks = times;
    f.seen.answers = 0;
    sw_worker_event(f.all.worker, &ev);
}

/* As the resolver does. */
static void tell(enum sw_status how, const struct sw_dns_answer *a, uint32_t version)
{
    const struct sw_dns_asker who = {{1, 1}, 0};
    const struct sw_dns_result r = {
        .question = &f.seen.ask, .answer = a, .how = how, .version = version};
    sw_worker_dns_answer(&f.all, &who, &r);
}

static uint64_t counted(enum sw_counter c)
{
    return sw_counted(&f.counters, c);
}

static void wait_for_mail(void)
{
    struct pollfd p = {.fd = f.all.worker->mailbox.wake, .events = POLLIN};
    while (!sw_worker_mail(f.all.worker)) {
        if (!sw_mailbox_sleep(&f.all.worker->mailbox))
            continue;
        assert_int_equal(poll(&p, 1, 20000), 1);
        sw_mailbox_awake(&f.all.worker->mailbox, true);
    }
}

static void test_without_a_resolver_each_question_fails_in_an_event_of_its_own(void **state)
{
    (void)state;
    ask("example.test", 3);
    assert_int_equal(f.seen.answers, 3);
    assert_int_equal(f.seen.steps, 4);
    assert_int_equal(f.seen.last.status, SW_PEER_DNS);
    assert_int_equal(counted(SW_COUNT_DNS_FAILED), 3);
}

/* The library knows this name by itself: RFC 6761 6.3. No server is asked. */
static void test_an_answer_of_the_resolver_comes_by_mail_and_then_from_the_cache(void **state)
{
    const struct sw_dns_conf conf = {
        .server_count = 1,
        .servers = {{.family = 4, .ip = {127, 0, 0, 1}, .port = 9}},
        .timeout_ms = 10000,
        .questions_max = 10,
        .version = 1,
    };
    (void)state;
    f.all.resolver = sw_resolver_new(&conf, sw_worker_dns_answer, &f.all);
    assert_non_null(f.all.resolver);
    ask("localhost", 1);
    assert_int_equal(f.seen.answers, 0);
    wait_for_mail();
    assert_int_equal(f.seen.answers, 1);
    assert_int_equal(f.seen.job.slot, 1);
    assert_int_equal(f.seen.last.status, SW_OK);
    assert_memory_equal(f.seen.records, "\0\4\177\0\0\1", 6);
    ask("localhost", 2);
    assert_int_equal(f.seen.answers, 2);
    assert_memory_equal(f.seen.last.records.p, "\0\4\177\0\0\1", 6);
    assert_int_equal(counted(SW_COUNT_DNS_ASKED), 1);
    assert_int_equal(counted(SW_COUNT_DNS_CACHED), 2);
}

static void test_an_answer_lives_as_long_as_its_ttl(void **state)
{
    const struct sw_dns_answer a = {.ttl_s = 5, .count = 1, .records = SW_SLICE("\0\1x")};
    (void)state;
    ask("example.test", 1);
    tell(SW_OK, &a, 1);
    assert_true(sw_worker_mail(f.all.worker));
    f.all.worker->now_ms += 4999;
    ask("example.test", 1);
    assert_int_equal(f.seen.last.status, SW_OK);
    f.all.worker->now_ms += 1;
    ask("example.test", 1);
    assert_int_equal(f.seen.last.status, SW_PEER_DNS);
}

static void test_what_was_forged_or_failed_or_refused_is_counted(void **state)
{
    const struct sw_dns_answer bogus = {.status = SW_DENIED_BOGUS, .ttl_s = 30};
    const struct sw_dns_answer none = {.status = SW_PEER_DNS};
    (void)state;
    ask("example.test", 1);
    tell(SW_LIMIT, &none, 1);
    tell(SW_PEER_TIMEOUT, &none, 1);
    tell(SW_OK, &bogus, 1);
    assert_true(sw_worker_mail(f.all.worker));
    assert_int_equal(f.seen.answers, 4);
    assert_int_equal(counted(SW_LIMITED_DNS_QUESTIONS), 1);
    assert_int_equal(counted(SW_COUNT_DNS_FAILED), 3);
    assert_int_equal(counted(SW_COUNT_DNS_BOGUS), 1);
    ask("example.test", 1);
    assert_int_equal(f.seen.last.status, SW_DENIED_BOGUS);
}

/* Whoever asked can tell a question that was not asked from servers that are silent. */
static void test_what_was_refused_for_a_limit_is_told_as_such(void **state)
{
    static const enum sw_status limits[] = {SW_LIMIT, SW_LIMIT_MEMORY};
    const struct sw_dns_answer none = {.status = SW_PEER_DNS};
    (void)state;
    ask("example.test", 1);
    for (size_t i = 0; i < sizeof(limits) / sizeof(limits[0]); i++) {
        tell(limits[i], &none, 1);
        assert_true(sw_worker_mail(f.all.worker));
        assert_int_equal(f.seen.last.status, limits[i]);
    }
    tell(SW_PEER_TIMEOUT, &none, 1);
    assert_true(sw_worker_mail(f.all.worker));
    assert_int_equal(f.seen.last.status, SW_PEER_DNS);
}

static void test_another_configuration_forgets_what_other_servers_said(void **state)
{
    const struct sw_dns_answer a = {.ttl_s = 100, .count = 1, .records = SW_SLICE("\0\1x")};
    (void)state;
    ask("example.test", 1);
    tell(SW_OK, &a, 1);
    assert_true(sw_worker_mail(f.all.worker));
    f.all.worker->conf = &f.next;
    sw_worker_dns_adopt(f.all.worker);
    ask("example.test", 1);
    assert_int_equal(f.seen.last.status, SW_PEER_DNS);
    /* what the old ones still say is told, and not kept */
    tell(SW_OK, &a, 1);
    assert_true(sw_worker_mail(f.all.worker));
    assert_int_equal(f.seen.last.status, SW_OK);
    ask("example.test", 1);
    assert_int_equal(f.seen.last.status, SW_PEER_DNS);
    f.all.worker->conf = &f.conf;
}

static void test_an_answer_that_a_full_mailbox_does_not_take_is_counted(void **state)
{
    static char large[32000];
    const struct sw_dns_answer a = {.ttl_s = 1, .records = sw_slice(large, sizeof(large))};
    const struct sw_dns_answer small = {.ttl_s = 1};
    (void)state;
    ask("example.test", 1);
    for (int i = 0; i < 100; i++)
        tell(SW_OK, i < 99 ? &a : &small, 1);
    uint32_t lost = atomic_load(&f.all.worker->answers_lost);
    assert_true(lost > 0 && lost < 100);
    while (sw_mailbox_peek(&f.all.worker->mailbox).p)
        sw_mailbox_done(&f.all.worker->mailbox);
    tell(SW_OK, &small, 1);
    assert_true(sw_worker_mail(f.all.worker));
    assert_int_equal(counted(SW_LIMITED_MAILBOX), lost);
    assert_int_equal(f.seen.answers, 2);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_without_a_resolver_each_question_fails_in_an_event_of_its_own),
        TEST(test_an_answer_of_the_resolver_comes_by_mail_and_then_from_the_cache),
        TEST(test_an_answer_lives_as_long_as_its_ttl),
        TEST(test_what_was_forged_or_failed_or_refused_is_counted),
        TEST(test_what_was_refused_for_a_limit_is_told_as_such),
        TEST(test_another_configuration_forgets_what_other_servers_said),
        TEST(test_an_answer_that_a_full_mailbox_does_not_take_is_counted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
