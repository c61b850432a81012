#include "sys/log.h"

#include "base/buf.h"
#include "sys/clock.h"
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

enum { RING_BYTES = 256 * 1024, THREADS_MAX = 512 };

/* How often a thread said what lately: the same attack need not be told a million times. */
enum { REPEATS = 32 };

struct repeat {
    const char *event; /* static text, compared by address */
    int64_t second;
    unsigned written, suppressed;
};

/* Lines of one thread, each with its length before it. */
struct ring {
    _Atomic uint64_t head; /* read so far, by the writing thread */
    _Atomic uint64_t tail; /* written so far, by the owner */
    _Atomic uint64_t dropped;
    struct repeat repeat[REPEATS];
    char bytes[RING_BYTES];
};

static struct {
    struct sw_log_conf conf;
    _Atomic(struct ring *) rings[THREADS_MAX];
    _Atomic unsigned ring_count;
    _Atomic bool open, stopping, sleeping;
    pthread_t thread;
    int wake;
} g_log = {.wake = -1};

static _Thread_local struct ring *t_ring;

/* ---- formatting ---- */

static void put_time(struct sw_buf *b, int64_t wall_ms)
{
    struct tm tm;
    time_t s = (time_t)(wall_ms / 1000);
    char text[32];
    gmtime_r(&s, &tm);
    size_t n = strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S", &tm);
    sw_buf_put(b, text, n);
    int ms = (int)(wall_ms % 1000);
    char rest[5] = {'.', (char)('0' + ms / 100), (char)('0' + ms / 10 % 10), (char)('0' + ms % 10),
                    'Z'};
    sw_buf_put(b, rest, sizeof(rest));
}

static bool plain(struct sw_slice s)
{
    for (size_t i = 0; i < s.n; i++)
        if ((uint8_t)s.p[i] <= ' ' || (uint8_t)s.p[i] >= 127 || s.p[i] == '"' || s.p[i] == '\\' ||
            s.p[i] == '=')
            return false;
    return s.n > 0;
}

/* Quoted, with everything that could confuse a terminal or a parser escaped. */
static void put_quoted(struct sw_buf *b, struct sw_slice s, bool json)
{
    sw_buf_char(b, '"');
    for (size_t i = 0; i < s.n; i++) {
        uint8_t c = (uint8_t)s.p[i];
        if (c == '"' || c == '\\') {
            sw_buf_char(b, '\\');
            sw_buf_char(b, (char)c);
        } else if (c == '\r' || c == '\n' || c == '\t') {
            sw_buf_char(b, '\\');
            sw_buf_char(b, c == '\r' ? 'r' : c == '\n' ? 'n' : 't');
        } else if (c < ' ' || c >= 127) {
            sw_buf_str(b, json ? "\\u00" : "\\x");
            sw_buf_hex(b, &c, 1);
        } else {
            sw_buf_char(b, (char)c);
        }
    }
    sw_buf_char(b, '"');
}

static void put_value(struct sw_buf *b, const struct sw_field *f, bool json)
{
    struct sw_slice s = f->text;
    if (f->type == SW_FIELD_NUMBER) {
        sw_buf_i64(b, f->number);
        return;
    }
    if (s.n > SW_LOG_VALUE_MAX)
        s.n = SW_LOG_VALUE_MAX;
    if (!json && plain(s))
        sw_buf_slice(b, s);
    else
        put_quoted(b, s, json);
}

static const char *level_name(enum sw_level level)
{
    static const char *const names[] = {"error", "warn", "info", "debug", "trace"};
    return names[level];
}

static void put_key(struct sw_buf *b, const char *name, bool json)
{
    if (json)
        sw_buf_lit(b, ",\"");
    else
        sw_buf_char(b, ' ');
    sw_buf_str(b, name);
    sw_buf_str(b, json ? "\":" : "=");
}

size_t sw_log_format(char *out, size_t cap, bool json, int64_t wall_ms, enum sw_level level,
                     const char *event, const struct sw_field *fields, size_t count)
{
    struct sw_buf b = sw_buf(out, cap - 2);
    sw_buf_str(&b, json ? "{\"time\":\"" : "");
    put_time(&b, wall_ms);
    sw_buf_str(&b, json ? "\",\"level\":\"" : " ");
    sw_buf_str(&b, level_name(level));
    sw_buf_str(&b, json ? "\",\"event\":\"" : " event=");
    sw_buf_str(&b, event);
    sw_buf_str(&b, json ? "\"" : "");
    for (size_t i = 0; i < count; i++) {
        size_t before = b.n;
        put_key(&b, fields[i].name, json);
        put_value(&b, &fields[i], json);
        if (b.full) { /* a field that does not fit is left out whole */
            b.n = before;
            break;
        }
    }
    b.cap += 2;
    b.full = false;
    sw_buf_str(&b, json ? "}\n" : "\n");
    return b.n;
}

void sw_log_object(struct sw_buf *b, const struct sw_field *fields, size_t count)
{
    size_t start = b->n;
    for (size_t i = 0; i < count; i++) {
        put_key(b, fields[i].name, true);
        put_value(b, &fields[i], true);
    }
    if (count == 0)
        sw_buf_char(b, ' ');
    if (!b->full)
        b->p[start] = '{'; /* where the first comma stands */
    sw_buf_char(b, '}');
}

/* ---- rings ---- */

static struct ring *my_ring(void)
{
    if (t_ring)
        return t_ring;
    struct ring *r = calloc(1, sizeof(*r));
    if (!r)
        return NULL;
    unsigned i = atomic_fetch_add(&g_log.ring_count, 1);
    if (i >= THREADS_MAX) {
        free(r);
        return NULL;
    }
    atomic_store(&g_log.rings[i], r);
    t_ring = r;
    return r;
}

static void copy_in(struct ring *r, uint64_t at, const void *p, size_t n)
{
    size_t off = at % RING_BYTES, first = n < RING_BYTES - off ? n : RING_BYTES - off;
    memcpy(r->bytes + off, p, first);
    memcpy(r->bytes, (const char *)p + first, n - first);
}

static void copy_out(const struct ring *r, uint64_t at, void *p, size_t n)
{
    size_t off = at % RING_BYTES, first = n < RING_BYTES - off ? n : RING_BYTES - off;
    memcpy(p, r->bytes + off, first);
    memcpy((char *)p + first, r->bytes, n - first);
}

static void write_all(const char *p, size_t n)
{
    while (n) {
        ssize_t w = write(g_log.conf.fd, p, n);
        if (w < 0 && errno == EINTR)
            continue;
        if (w < 0 && errno == EAGAIN) {
            struct pollfd out = {.fd = g_log.conf.fd, .events = POLLOUT};
            poll(&out, 1, 1000);
            continue;
        }
        if (w <= 0)
            return;
        p += w;
        n -= (size_t)w;
    }
}

static void report_dropped(struct ring *r)
{
    uint64_t n = atomic_exchange(&r->dropped, 0);
    char line[256];
    if (!n)
        return;
    const struct sw_field f[] = {sw_field_number("lines", (int64_t)n)};
    write_all(line, sw_log_format(line, sizeof(line), g_log.conf.json, sw_clock_wall_ms(),
                                  SW_LEVEL_WARN, "log_dropped", f, 1));
}

static bool drain_ring(struct ring *r)
{
    char line[SW_LOG_LINE_MAX];
    uint64_t head = atomic_load_explicit(&r->head, memory_order_relaxed);
    uint64_t tail = atomic_load_explicit(&r->tail, memory_order_acquire);
    bool any = head != tail;
    while (head != tail) {
        uint32_t n;
        copy_out(r, head, &n, sizeof(n));
        copy_out(r, head + sizeof(n), line, n);
        head += sizeof(n) + n;
        atomic_store_explicit(&r->head, head, memory_order_release);
        write_all(line, n);
    }
    report_dropped(r);
    return any;
}

static bool drain_all(void)
{
    unsigned n = atomic_load(&g_log.ring_count);
    bool any = false;
    for (unsigned i = 0; i < n && i < THREADS_MAX; i++) {
        struct ring *r = atomic_load(&g_log.rings[i]);
        any = (r && drain_ring(r)) || any;
    }
    return any;
}

static void *writer(void *unused)
{
    (void)unused;
    for (;;) {
        bool stopping = atomic_load(&g_log.stopping);
        if (drain_all())
            continue;
        if (stopping)
            return NULL;
        atomic_store(&g_log.sleeping, true);
        if (!drain_all() && !atomic_load(&g_log.stopping)) {
            struct pollfd in = {.fd = g_log.wake, .events = POLLIN};
            uint64_t count;
            poll(&in, 1, 1000);
            if (read(g_log.wake, &count, sizeof(count)) < 0)
                count = 0;
        }
        atomic_store(&g_log.sleeping, false);
    }
}

static void wake(void)
{
    uint64_t one = 1;
    if (atomic_exchange(&g_log.sleeping, false) && write(g_log.wake, &one, sizeof(one)) < 0)
        atomic_store(&g_log.sleeping, true);
}

enum sw_status sw_log_open(const struct sw_log_conf *conf)
{
    g_log.conf = *conf;
    g_log.wake = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (g_log.wake < 0)
        return SW_SYS;
    atomic_store(&g_log.stopping, false);
    if (pthread_create(&g_log.thread, NULL, writer, NULL) != 0) {
        close(g_log.wake);
        return SW_SYS;
    }
    atomic_store(&g_log.open, true);
    return SW_OK;
}

bool sw_log_on(enum sw_level level)
{
    return level <= g_log.conf.level && atomic_load_explicit(&g_log.open, memory_order_relaxed);
}

static void put_line(struct ring *r, int64_t wall_ms, enum sw_level level, const char *event,
                     const struct sw_field *fields, size_t count)
{
    char line[SW_LOG_LINE_MAX];
    uint32_t n = (uint32_t)sw_log_format(line, sizeof(line), g_log.conf.json, wall_ms, level, event,
                                         fields, count);
    uint64_t head = atomic_load_explicit(&r->head, memory_order_acquire);
    uint64_t tail = atomic_load_explicit(&r->tail, memory_order_relaxed);
    if (tail - head + sizeof(n) + n > RING_BYTES) {
        atomic_fetch_add(&r->dropped, 1);
        return;
    }
    copy_in(r, tail, &n, sizeof(n));
    copy_in(r, tail + sizeof(n), line, n);
    atomic_store_explicit(&r->tail, tail + sizeof(n) + n, memory_order_release);
    if (atomic_load(&g_log.sleeping))
        wake();
}

static void tell_held_back(struct ring *r, int64_t wall_ms, const struct repeat *x)
{
    if (x->suppressed) {
        const struct sw_field f[] = {sw_field_str("of", x->event),
                                     sw_field_number("lines", x->suppressed)};
        put_line(r, wall_ms, SW_LEVEL_WARN, "log_repeats", f, 2);
    }
}

/* True if the line is one too many in this second. What was held back before is told first. */
static bool too_many(struct ring *r, int64_t wall_ms, enum sw_level level, const char *event)
{
    if (level >= SW_LEVEL_DEBUG)
        return false;
    struct repeat *x = &r->repeat[((uintptr_t)event >> 3) % REPEATS];
    int64_t second = wall_ms / 1000;
    if (x->event != event || x->second != second) {
        tell_held_back(r, wall_ms, x);
        *x = (struct repeat){.event = event, .second = second};
    }
    if (x->written++ < SW_LOG_EVENT_PER_S)
        return false;
    x->suppressed++;
    return true;
}

void sw_log(enum sw_level level, const char *event, const struct sw_field *fields, size_t count)
{
    struct ring *r = sw_log_on(level) ? my_ring() : NULL;
    if (!r)
        return;
    int64_t wall_ms = sw_clock_wall_ms();
    if (!too_many(r, wall_ms, level, event))
        put_line(r, wall_ms, level, event, fields, count);
}

/* What each thread held back in its last second. */
static void tell_all_held_back(void)
{
    unsigned n = atomic_load(&g_log.ring_count);
    for (unsigned i = 0; i < n && i < THREADS_MAX; i++) {
        struct ring *r = atomic_load(&g_log.rings[i]);
        for (unsigned k = 0; r && k < REPEATS; k++)
            tell_held_back(r, sw_clock_wall_ms(), &r->repeat[k]);
    }
}

void sw_log_close(void)
{
    if (!atomic_exchange(&g_log.open, false))
        return;
    tell_all_held_back();
    atomic_store(&g_log.stopping, true);
    atomic_store(&g_log.sleeping, true);
    wake();
    pthread_join(g_log.thread, NULL);
    close(g_log.wake);
    unsigned n = atomic_exchange(&g_log.ring_count, 0);
    for (unsigned i = 0; i < n && i < THREADS_MAX; i++)
        free(atomic_exchange(&g_log.rings[i], NULL));
    t_ring = NULL;
}
