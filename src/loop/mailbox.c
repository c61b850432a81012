#include "loop/mailbox.h"

#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

/* Before each block stands its length with a mark; zero: reserved but not filled yet. Consumed
 * bytes are cleared, so that a later block finds zero in its place. */
enum { HEAD = 8, ALIGN = 8 };
#define FILLED  (UINT64_C(1) << 32)
#define PADDING (UINT64_C(1) << 33)

enum sw_status sw_mailbox_init(struct sw_mailbox *m, size_t bytes)
{
    memset(m, 0, sizeof(*m));
    m->wake = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (m->wake < 0)
        return SW_SYS;
    m->ring = calloc(1, bytes);
    m->mask = bytes - 1;
    if (!m->ring) {
        close(m->wake);
        return SW_LIMIT_MEMORY;
    }
    return SW_OK;
}

void sw_mailbox_fini(struct sw_mailbox *m)
{
    if (!m->ring)
        return;
    free(m->ring);
    close(m->wake);
    m->ring = NULL;
}

static _Atomic uint64_t *word_at(struct sw_mailbox *m, uint64_t at)
{
    return (_Atomic uint64_t *)(void *)(m->ring + (at & m->mask));
}

static uint64_t block_size(size_t n)
{
    return (HEAD + n + ALIGN - 1) & ~(uint64_t)(ALIGN - 1);
}

/* Reserves room for a block that does not wrap; `*pad` bytes before it are to be skipped. */
static bool reserve(struct sw_mailbox *m, uint64_t need, uint64_t *at, uint64_t *pad)
{
    uint64_t size = m->mask + 1, tail = atomic_load_explicit(&m->tail, memory_order_relaxed);
    for (;;) {
        uint64_t left = size - (tail & m->mask);
        *pad = left < need ? left : 0;
        uint64_t next = tail + *pad + need;
        if (next - atomic_load_explicit(&m->head, memory_order_acquire) > size) {
            uint64_t now = atomic_load_explicit(&m->tail, memory_order_relaxed);
            if (now == tail)
                return false;
            tail = now; /* others went on meanwhile: the receiver may even be past the old tail */
            continue;
        }
        if (atomic_compare_exchange_weak_explicit(&m->tail, &tail, next, memory_order_acq_rel,
                                                  memory_order_relaxed)) {
            *at = tail;
            return true;
        }
    }
}

static void wake(struct sw_mailbox *m)
{
    uint64_t one = 1;
    if (atomic_load(&m->sleeping) && atomic_exchange(&m->sleeping, false) &&
        write(m->wake, &one, sizeof(one)) < 0)
        atomic_store(&m->sleeping, true);
}

enum sw_status sw_mailbox_put(struct sw_mailbox *m, const struct sw_slice *parts, size_t count)
{
    size_t n = 0;
    uint64_t at, pad;
    for (size_t i = 0; i < count; i++)
        n += parts[i].n;
    if (n > SW_MAIL_MAX || !reserve(m, block_size(n), &at, &pad))
        return SW_LIMIT;
    if (pad)
        atomic_store_explicit(word_at(m, at), PADDING | pad, memory_order_release);
    at += pad;
    char *p = m->ring + (at & m->mask) + HEAD;
    for (size_t i = 0; i < count; i++) {
        if (parts[i].n)
            memcpy(p, parts[i].p, parts[i].n);
        p += parts[i].n;
    }
    atomic_store_explicit(word_at(m, at), FILLED | n, memory_order_seq_cst);
    wake(m);
    return SW_OK;
}

static void clear(struct sw_mailbox *m, uint64_t at, uint64_t n)
{
    memset(m->ring + (at & m->mask), 0, n);
    atomic_store_explicit(&m->head, at + n, memory_order_release);
}

struct sw_slice sw_mailbox_peek(struct sw_mailbox *m)
{
    for (;;) {
        uint64_t at = atomic_load_explicit(&m->head, memory_order_relaxed);
        uint64_t word = atomic_load_explicit(word_at(m, at), memory_order_acquire);
        if (word & FILLED)
            return sw_slice(m->ring + (at & m->mask) + HEAD, (uint32_t)word);
        if (!(word & PADDING))
            return (struct sw_slice){NULL, 0};
        clear(m, at, (uint32_t)word);
    }
}

void sw_mailbox_done(struct sw_mailbox *m)
{
    uint64_t at = atomic_load_explicit(&m->head, memory_order_relaxed);
    uint64_t word = atomic_load_explicit(word_at(m, at), memory_order_relaxed);
    clear(m, at, block_size((uint32_t)word));
}

bool sw_mailbox_sleep(struct sw_mailbox *m)
{
    atomic_store(&m->sleeping, true);
    if (!sw_mailbox_peek(m).p)
        return true;
    atomic_store(&m->sleeping, false);
    return false;
}

void sw_mailbox_awake(struct sw_mailbox *m, bool woken)
{
    uint64_t count;
    atomic_store(&m->sleeping, false);
    if (woken && read(m->wake, &count, sizeof(count)) < 0)
        return; /* somebody was about to write: it will be ready again */
}
