#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/buf.h"
#include "support/random.h"
#include "sys/log.h"
#include <pthread.h>
#include <unistd.h>

#define WHEN INT64_C(1700000000123) /* 2023-11-14T22:13:20.123Z */

static char g_line[SW_LOG_LINE_MAX + 1];

/* The line with these fields, closed with NUL. */
static const char *line(size_t cap, bool json, const struct sw_field *fields, size_t count)
{
    memset(g_line, 0x7e, sizeof(g_line));
    size_t n = sw_log_format(g_line, cap, json, WHEN, SW_LEVEL_INFO, "ready", fields, count);
    assert_in_range(n, 1, cap);
    for (size_t i = cap; i < sizeof(g_line); i++)
        assert_int_equal(g_line[i], 0x7e);
    assert_int_equal(g_line[n - 1], '\n');
    g_line[n] = 0;
    return g_line;
}

#define TEXT_HEAD "2023-11-14T22:13:20.123Z info event=ready"
#define JSON_HEAD "{\"time\":\"2023-11-14T22:13:20.123Z\",\"level\":\"info\",\"event\":\"ready\""

static void test_log_line_has_time_level_event_and_fields(void **state)
{
    const struct sw_field f[] = {sw_field_str("listener", "a"), sw_field_number("workers", 2)};
    (void)state;
    assert_string_equal(line(SW_LOG_LINE_MAX, false, f, 2), TEXT_HEAD " listener=a workers=2\n");
    assert_string_equal(line(SW_LOG_LINE_MAX, true, f, 2),
                        JSON_HEAD ",\"listener\":\"a\",\"workers\":2}\n");
    assert_string_equal(line(SW_LOG_LINE_MAX, false, NULL, 0), TEXT_HEAD "\n");
    assert_string_equal(line(SW_LOG_LINE_MAX, true, NULL, 0), JSON_HEAD "}\n");
}

static void test_log_line_names_each_level(void **state)
{
    static const char *const names[] = {"error", "warn", "info", "debug", "trace"};
    char out[128], want[128];
    (void)state;
    for (unsigned level = SW_LEVEL_ERROR; level <= SW_LEVEL_TRACE; level++) {
        size_t n = sw_log_format(out, sizeof(out), false, 0, (enum sw_level)level, "x", NULL, 0);
        snprintf(want, sizeof(want), "1970-01-01T00:00:00.000Z %s event=x\n", names[level]);
        assert_int_equal(n, strlen(want));
        assert_memory_equal(out, want, n);
    }
}

static void test_log_values_are_quoted_and_escaped_where_needed(void **state)
{
    static const struct {
        struct sw_slice value;
        const char *text, *json;
    } rows[] = {
        {SW_SLICE("sip:a@b.test;lr"), "sip:a@b.test;lr", "sip:a@b.test;lr"},
        {SW_SLICE(""), "\"\"", ""},
        {SW_SLICE("a b"), "\"a b\"", "a b"},
        {SW_SLICE("a=b"), "\"a=b\"", "a=b"}, /* or a value could pretend to be a field */
        {SW_SLICE("a\"b"), "\"a\\\"b\"", "a\\\"b"},
        {SW_SLICE("a\\b"), "\"a\\\\b\"", "a\\\\b"},
        {SW_SLICE("a\r\n\tb"), "\"a\\r\\n\\tb\"", "a\\r\\n\\tb"},
        {SW_SLICE("a\0b"), "\"a\\x00b\"", "a\\u0000b"},
        {SW_SLICE("\033[2J"), "\"\\x1b[2J\"", "\\u001b[2J"},
        {SW_SLICE("\x7f\xff"), "\"\\x7f\\xff\"", "\\u007f\\u00ff"},
        {SW_SLICE("x\n" TEXT_HEAD), "\"x\\n" TEXT_HEAD "\"", "x\\n" TEXT_HEAD},
    };
    char want[512];
    (void)state;
    for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const struct sw_field f = sw_field_text("v", rows[i].value);
        snprintf(want, sizeof(want), TEXT_HEAD " v=%s\n", rows[i].text);
        assert_string_equal(line(SW_LOG_LINE_MAX, false, &f, 1), want);
        snprintf(want, sizeof(want), JSON_HEAD ",\"v\":\"%s\"}\n", rows[i].json);
        assert_string_equal(line(SW_LOG_LINE_MAX, true, &f, 1), want);
    }
}

static void test_log_numbers_are_written_in_their_whole_range(void **state)
{
    const struct sw_field f[] = {sw_field_number("a", INT64_MIN), sw_field_number("b", INT64_MAX)};
    (void)state;
    assert_string_equal(line(SW_LOG_LINE_MAX, false, f, 2),
                        TEXT_HEAD " a=-9223372036854775808 b=9223372036854775807\n");
}

/* Reads a JSON string's escapes back; returns where its closing quote stands. */
static const char *unescape(const char *p, struct sw_buf *out)
{
    while (*p != '"') {
        unsigned v;
        assert_in_range((uint8_t)*p, 0x20, 0x7e);
        if (*p != '\\') {
            sw_buf_char(out, *p++);
        } else if (p[1] == 'u') {
            assert_int_equal(sscanf(p + 2, "%4x", &v), 1);
            sw_buf_char(out, (char)v);
            p += 6;
        } else {
            assert_non_null(strchr("\"\\rnt", p[1]));
            sw_buf_char(out, p[1] == 'r' ? '\r' : p[1] == 'n' ? '\n' : p[1] == 't' ? '\t' : p[1]);
            p += 2;
        }
    }
    return p;
}

static void test_log_json_gives_back_any_bytes(void **state)
{
    struct rng r = rng_start(__func__);
    char bytes[SW_LOG_VALUE_MAX], back[SW_LOG_VALUE_MAX];
    (void)state;
    for (int round = 0; round < 2000; round++) {
        size_t n = rng_below(&r, sizeof(bytes) + 1);
        for (size_t i = 0; i < n; i++)
            bytes[i] = (char)rng_next(&r);
        const struct sw_field f = sw_field_text("v", sw_slice(bytes, n));
        const char *p = line(SW_LOG_LINE_MAX, true, &f, 1);
        struct sw_buf b = sw_buf(back, sizeof(back));
        p = unescape(p + strlen(JSON_HEAD ",\"v\":\""), &b);
        assert_string_equal(p, "\"}\n");
        assert_true(sw_slice_eq(sw_buf_view(&b), sw_slice(bytes, n)));
    }
}

static void test_log_values_are_clipped(void **state)
{
    char bytes[SW_LOG_VALUE_MAX + 100];
    (void)state;
    memset(bytes, 'a', sizeof(bytes));
    for (size_t n = SW_LOG_VALUE_MAX - 1; n < sizeof(bytes); n++) {
        const struct sw_field f = sw_field_text("v", sw_slice(bytes, n));
        size_t shown = n < SW_LOG_VALUE_MAX ? n : SW_LOG_VALUE_MAX;
        assert_int_equal(strlen(line(SW_LOG_LINE_MAX, false, &f, 1)),
                         strlen(TEXT_HEAD " v=\n") + shown);
    }
}

/* Whatever the room, a line is whole fields and properly closed. */
static void test_log_line_leaves_out_whole_fields_that_do_not_fit(void **state)
{
    const struct sw_field f[] = {sw_field_str("a", "1\n"), sw_field_number("b", 22),
                                 sw_field_str("c", "333"), sw_field_str("d", "\x01")};
    const char *const text[] = {"", " a=\"1\\n\"", " b=22", " c=333", " d=\"\\x01\""};
    const char *const json[] = {"", ",\"a\":\"1\\n\"", ",\"b\":22", ",\"c\":\"333\"",
                                ",\"d\":\"\\u0001\""};
    (void)state;
    for (int as_json = 0; as_json < 2; as_json++) {
        const char *head = as_json ? JSON_HEAD : TEXT_HEAD;
        for (size_t cap = strlen(head) + 2; cap < 200; cap++) {
            const char *got = line(cap, as_json, f, 4);
            size_t at = strlen(head);
            assert_memory_equal(got, head, at);
            for (int i = 0; i < 5; i++) {
                const char *field = as_json ? json[i] : text[i];
                if (at + strlen(field) > cap - 2)
                    break;
                assert_memory_equal(got + at, field, strlen(field));
                at += strlen(field);
            }
            assert_string_equal(got + at, as_json ? "}\n" : "\n");
        }
    }
}

static void test_log_line_of_many_long_values_stays_in_its_limit(void **state)
{
    char bytes[1000];
    struct sw_field f[40];
    (void)state;
    memset(bytes, 1, sizeof(bytes)); /* the longest when escaped */
    for (int i = 0; i < 40; i++)
        f[i] = sw_field_text("v", sw_slice(bytes, sizeof(bytes)));
    assert_in_range(strlen(line(SW_LOG_LINE_MAX, false, f, 40)), 1, SW_LOG_LINE_MAX);
    const char *p = line(SW_LOG_LINE_MAX, true, f, 40);
    assert_in_range(strlen(p), 1, SW_LOG_LINE_MAX);
    assert_string_equal(p + strlen(p) - 3, "\"}\n");
}

/* ---- the writing thread ---- */

static void assert_opens(int fd, enum sw_level level)
{
    assert_int_equal(sw_log_open(&(struct sw_log_conf){.fd = fd, .level = level}), SW_OK);
}

static FILE *logged_to(void)
{
    FILE *f = tmpfile();
    assert_non_null(f);
    return f;
}

static void test_log_writes_the_levels_it_was_asked_for(void **state)
{
    char got[256];
    FILE *f = logged_to();
    (void)state;
    assert_false(sw_log_on(SW_LEVEL_ERROR));
    SW_LOG(SW_LEVEL_ERROR, "too_early", sw_field_number("n", 0));
    assert_opens(fileno(f), SW_LEVEL_INFO);
    assert_true(sw_log_on(SW_LEVEL_ERROR) && sw_log_on(SW_LEVEL_INFO));
    assert_false(sw_log_on(SW_LEVEL_DEBUG));
    SW_LOG(SW_LEVEL_WARN, "first", sw_field_number("n", 1));
    SW_LOG(SW_LEVEL_DEBUG, "hidden", sw_field_number("n", 2));
    SW_LOG(SW_LEVEL_INFO, "second", sw_field_number("n", 3));
    sw_log_close();
    sw_log_close();
    assert_false(sw_log_on(SW_LEVEL_ERROR));
    SW_LOG(SW_LEVEL_ERROR, "too_late", sw_field_number("n", 4));
    rewind(f);
    assert_non_null(fgets(got, sizeof(got), f));
    assert_non_null(strstr(got, " warn event=first n=1\n"));
    assert_non_null(fgets(got, sizeof(got), f));
    assert_non_null(strstr(got, " info event=second n=3\n"));
    assert_null(fgets(got, sizeof(got), f));
    fclose(f);
}

enum { THREADS = 4, LINES = 1000 };

static void *log_lines(void *thread)
{
    for (int i = 0; i < LINES; i++)
        SW_LOG(SW_LEVEL_INFO, "turn", sw_field_number("thread", (intptr_t)thread),
               sw_field_number("n", i));
    return NULL;
}

static void test_log_keeps_every_threads_lines_whole_and_in_order(void **state)
{
    pthread_t t[THREADS];
    char got[256];
    int next[THREADS] = {0};
    FILE *f = logged_to();
    (void)state;
    for (int round = 0; round < 3; round++) { /* each opening starts anew */
        assert_opens(fileno(f), SW_LEVEL_INFO);
        for (intptr_t i = 0; i < THREADS; i++)
            assert_int_equal(pthread_create(&t[i], NULL, log_lines, (void *)i), 0);
        for (int i = 0; i < THREADS; i++)
            pthread_join(t[i], NULL);
        sw_log_close();
    }
    rewind(f);
    while (fgets(got, sizeof(got), f)) {
        int thread, n;
        const char *p = strstr(got, " info event=turn ");
        assert_non_null(p);
        assert_int_equal(sscanf(p, " info event=turn thread=%d n=%d", &thread, &n), 2);
        assert_in_range(thread, 0, THREADS - 1);
        assert_int_equal(n, next[thread]++ % LINES);
    }
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(next[i], 3 * LINES);
    fclose(f);
}

struct counted {
    int fd, lines, dropped;
};

static void *count_lines(void *user)
{
    struct counted *c = user;
    char got[2048];
    FILE *f = fdopen(c->fd, "r");
    while (f && fgets(got, sizeof(got), f)) {
        const char *p = strstr(got, "event=log_dropped lines=");
        c->dropped += p ? atoi(strchr(p, '=') + strlen("log_dropped lines=") + 1) : 0;
        c->lines += !p;
    }
    fclose(f);
    return NULL;
}

/* Nobody reads, so the writing thread stands still: who logs must go on, and count what is lost. */
static void test_log_drops_and_counts_when_its_ring_is_full(void **state)
{
    enum { SENT = 3000 };
    char value[SW_LOG_VALUE_MAX];
    int fd[2];
    pthread_t reader;
    (void)state;
    memset(value, 'a', sizeof(value));
    assert_int_equal(pipe(fd), 0);
    assert_opens(fd[1], SW_LEVEL_DEBUG);
    for (int i = 0; i < SENT; i++) /* the level that has no limit of its own */
        SW_LOG(SW_LEVEL_DEBUG, "big", sw_field_text("v", sw_slice(value, sizeof(value))));
    struct counted c = {.fd = fd[0]};
    assert_int_equal(pthread_create(&reader, NULL, count_lines, &c), 0);
    sw_log_close();
    close(fd[1]);
    pthread_join(reader, NULL);
    assert_true(c.dropped > 0);
    assert_int_equal(c.lines + c.dropped, SENT);
}

static off_t size_of(int fd)
{
    return lseek(fd, 0, SEEK_END);
}

static void test_log_settles_when_all_that_was_said_is_written(void **state)
{
    FILE *f = logged_to();
    (void)state;
    assert_true(sw_log_settle(0)); /* nothing is said before it is open */
    assert_opens(fileno(f), SW_LEVEL_INFO);
    for (int i = 0; i < 1000; i++) {
        off_t before = size_of(fileno(f));
        SW_LOG(SW_LEVEL_INFO, "turn", sw_field_number("n", i));
        assert_true(sw_log_settle(10000));
        assert_true(size_of(fileno(f)) > before);
        assert_true(sw_log_settle(10000)); /* also when nothing is new */
    }
    sw_log_close();
    fclose(f);
}

/* Who asks waits once for a reader that is stuck, and again when it reads. */
static void test_log_that_is_stuck_is_waited_for_once(void **state)
{
    char value[SW_LOG_VALUE_MAX];
    int fd[2];
    pthread_t reader;
    (void)state;
    memset(value, 'a', sizeof(value));
    assert_int_equal(pipe(fd), 0);
    assert_opens(fd[1], SW_LEVEL_DEBUG);
    for (int i = 0; i < 400; i++)
        SW_LOG(SW_LEVEL_DEBUG, "big", sw_field_text("v", sw_slice(value, sizeof(value))));
    assert_false(sw_log_settle(1));
    assert_false(sw_log_settle(1000000000)); /* at once */
    struct counted c = {.fd = fd[0]};
    assert_int_equal(pthread_create(&reader, NULL, count_lines, &c), 0);
    while (!sw_log_settle(1000))
        usleep(1000);
    sw_log_close();
    close(fd[1]);
    pthread_join(reader, NULL);
    assert_int_equal(c.lines, 400);
}

/* The same line again and again: so many in a second, the rest told as a number. */
static void test_log_limits_repeats_and_tells_how_many(void **state)
{
    enum { SENT = 5000 };
    char got[256];
    int lines = 0, held_back = 0;
    FILE *f = logged_to();
    (void)state;
    assert_opens(fileno(f), SW_LEVEL_INFO);
    for (int i = 0; i < SENT; i++)
        SW_LOG(SW_LEVEL_WARN, "attack", sw_field_number("n", 1));
    SW_LOG(SW_LEVEL_WARN, "other", sw_field_number("n", 1));
    sw_log_close();
    rewind(f);
    while (fgets(got, sizeof(got), f)) {
        const char *p = strstr(got, "event=log_repeats of=attack lines=");
        held_back += p ? atoi(strrchr(p, '=') + 1) : 0;
        lines += strstr(got, "event=attack") != NULL;
    }
    assert_int_equal(lines + held_back, SENT);
    assert_in_range(lines, SW_LOG_EVENT_PER_S, SENT);
    fclose(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_log_line_has_time_level_event_and_fields),
        cmocka_unit_test(test_log_line_names_each_level),
        cmocka_unit_test(test_log_values_are_quoted_and_escaped_where_needed),
        cmocka_unit_test(test_log_numbers_are_written_in_their_whole_range),
        cmocka_unit_test(test_log_json_gives_back_any_bytes),
        cmocka_unit_test(test_log_values_are_clipped),
        cmocka_unit_test(test_log_line_leaves_out_whole_fields_that_do_not_fit),
        cmocka_unit_test(test_log_line_of_many_long_values_stays_in_its_limit),
        cmocka_unit_test(test_log_writes_the_levels_it_was_asked_for),
        cmocka_unit_test(test_log_keeps_every_threads_lines_whole_and_in_order),
        cmocka_unit_test(test_log_drops_and_counts_when_its_ring_is_full),
        cmocka_unit_test(test_log_settles_when_all_that_was_said_is_written),
        cmocka_unit_test(test_log_that_is_stuck_is_waited_for_once),
        cmocka_unit_test(test_log_limits_repeats_and_tells_how_many),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
