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
    _Atomic uint64_t asked; /* the newest wish to have written all that was there */
    uint64_t settled;       /* the newest that is fulfilled */
    uint64_t given_up;      /* the newest that nobody waits for any more */
    pthread_mutex_t lock;   /* of these two */
    pthread_cond_t written;
    pthread_t thread;
    int wake;
} g_log = {.wake = -1, .lock = PTHREAD_MUTEX_INITIALIZER};

static _Thread_local struct ring *t_ring;

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

/* A whole pass after the wish: what was in a ring then is written. */
static void settle(uint64_t asked)
{
    if (g_log.settled == asked) /* this thread alone changes it */
        return;
    pthread_mutex_lock(&g_log.lock);
    g_log.settled = asked;
    pthread_cond_broadcast(&g_log.written);
    pthread_mutex_unlock(&g_log.lock);
}

static void *writer(void *unused)
{
    (void)unused;
    for (;;) {
        bool stopping = atomic_load(&g_log.stopping);
        uint64_t asked = atomic_load(&g_log.asked);
        bool any = drain_all();
        settle(asked);
        if (any)
            continue;
        if (stopping)
            return NULL;
        atomic_store(&g_log.sleeping, true);
        if (!drain_all() && !atomic_load(&g_log.stopping) && atomic_load(&g_log.asked) == asked) {
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

/* The condition counts by the clock that nobody sets. */
static bool ready_condition(void)
{
    pthread_condattr_t attr;
    if (pthread_condattr_init(&attr) != 0)
        return false;
    bool ok = pthread_condattr_setclock(&attr, CLOCK_MONOTONIC) == 0 &&
              pthread_cond_init(&g_log.written, &attr) == 0;
    pthread_condattr_destroy(&attr);
    return ok;
}

enum sw_status sw_log_open(const struct sw_log_conf *conf)
{
    g_log.conf = *conf;
    g_log.wake = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (g_log.wake < 0)
        return SW_SYS;
    atomic_store(&g_log.stopping, false);
    if (!ready_condition()) {
        close(g_log.wake);
        return SW_SYS;
    }
    if (pthread_create(&g_log.thread, NULL, writer, NULL) != 0) {
        pthread_cond_destroy(&g_log.written);
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

bool sw_log_settle(int timeout_ms)
{
    if (!atomic_load(&g_log.open))
        return true;
    struct timespec end;
    clock_gettime(CLOCK_MONOTONIC, &end);
    end.tv_sec += timeout_ms / 1000;
    end.tv_nsec += (long)(timeout_ms % 1000) * 1000000;
    if (end.tv_nsec >= 1000000000) {
        end.tv_nsec -= 1000000000;
        end.tv_sec++;
    }
    pthread_mutex_lock(&g_log.lock);
    bool stuck = g_log.settled < g_log.given_up;
    uint64_t mine = atomic_fetch_add(&g_log.asked, 1) + 1;
    wake();
    while (!stuck && g_log.settled < mine)
        stuck = pthread_cond_timedwait(&g_log.written, &g_log.lock, &end) != 0;
    if (stuck)
        g_log.given_up = mine;
    pthread_mutex_unlock(&g_log.lock);
    return !stuck;
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
    pthread_cond_destroy(&g_log.written);
    close(g_log.wake);
    unsigned n = atomic_exchange(&g_log.ring_count, 0);
    for (unsigned i = 0; i < n && i < THREADS_MAX; i++)
        free(atomic_exchange(&g_log.rings[i], NULL));
    t_ring = NULL;
}
