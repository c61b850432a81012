#include "gateway/sources.h"

#include <stdlib.h>

enum {
    ONE = 1000,      /* a message, in tokens */
    SKEW_MS = 60000, /* clocks of workers are never that far apart */
};

struct sw_source_table *sw_source_table_new(void)
{
    return calloc(1, sizeof(struct sw_source_table));
}

void sw_source_table_free(struct sw_source_table *t)
{
    free(t);
}

enum sw_status sw_sources_init(struct sw_sources *s, uint32_t per_s, struct sw_sip_key key,
                               struct sw_source_table *shared)
{
    *s = (struct sw_sources){.key = key, .per_s = per_s, .table = shared};
    if (!per_s || shared)
        return SW_OK;
    s->own = true;
    s->table = sw_source_table_new();
    return s->table ? SW_OK : SW_LIMIT_MEMORY;
}

void sw_sources_fini(struct sw_sources *s)
{
    if (s->own)
        sw_source_table_free(s->table);
    s->table = NULL;
}

/* Two buckets for each: one for its messages, one for our answers to what is above the limit. */
enum what { MESSAGES, ANSWERS };

/* By the domain that was proved, else by the address. Whoever has an IPv6 address has 2^64 of them.
 */
static uint64_t hash_of(const struct sw_sources *s, const struct sw_flow *from, enum what what)
{
    enum { PREFIX_BYTES = 8, DOMAIN = 0xff };
    const struct sw_endpoint *e = &from->remote;
    uint8_t text[sizeof(e->ip) + 2] = {(uint8_t)what, e->family};
    if (from->peer == SW_PEER_VERIFIED) {
        text[1] = DOMAIN;
        memcpy(text + 2, &from->domain_id, sizeof(from->domain_id));
    } else {
        memcpy(text + 2, e->ip, e->family == 6 ? PREFIX_BYTES : sizeof(e->ip));
    }
    return sw_siphash64(s->key, text, sizeof(text)) | 1;
}

/* Tokens in the upper half, and the lower half of the milliseconds: whatever is older than a second
 * is full. */
static uint64_t pack(uint64_t tokens, int64_t now_ms)
{
    return tokens << 32 | (uint32_t)now_ms;
}

static uint64_t tokens_now(const struct sw_sources *s, uint64_t bucket, int64_t now_ms)
{
    uint64_t full = (uint64_t)s->per_s * ONE;
    uint32_t passed = (uint32_t)now_ms - (uint32_t)bucket;
    if (passed > UINT32_MAX - SKEW_MS) /* another worker's clock is ahead */
        passed = 0;
    if (passed >= ONE)
        return full;
    uint64_t tokens = (bucket >> 32) + (uint64_t)passed * s->per_s; /* per_s in 1000 ms */
    return tokens < full ? tokens : full;
}

/* The bucket of a sender; a new one is full. Two workers that make room at once spoil one bucket,
 * or make two of one sender. */
static struct sw_source *bucket_of(struct sw_sources *s, uint64_t hash, int64_t now_ms)
{
    struct sw_source *set = s->table->set[(hash >> 1) % SW_SOURCE_SETS], *best = &set[0];
    uint64_t most = 0;
    for (int i = 0; i < SW_SOURCE_WAYS; i++) {
        uint64_t is = atomic_load_explicit(&set[i].hash, memory_order_relaxed);
        if (is == hash)
            return &set[i];
        uint64_t b = atomic_load_explicit(&set[i].bucket, memory_order_relaxed);
        uint64_t tokens = is ? tokens_now(s, b, now_ms) : UINT64_MAX;
        if (tokens > most) {
            most = tokens;
            best = &set[i];
        }
    }
    atomic_store_explicit(&best->bucket, pack((uint64_t)s->per_s * ONE, now_ms),
                          memory_order_relaxed);
    atomic_store_explicit(&best->say_at_ms, now_ms, memory_order_relaxed);
    atomic_store_explicit(&best->held, 0, memory_order_relaxed);
    atomic_store_explicit(&best->hash, hash, memory_order_relaxed);
    return best;
}

static bool take(const struct sw_sources *s, struct sw_source *x, int64_t now_ms)
{
    uint64_t was = atomic_load_explicit(&x->bucket, memory_order_relaxed), tokens, left;
    do {
        uint32_t passed = (uint32_t)now_ms - (uint32_t)was;
        bool ahead = passed > UINT32_MAX - SKEW_MS;
        tokens = tokens_now(s, was, now_ms);
        left = tokens >= ONE ? tokens - ONE : tokens;
        left = ahead ? left << 32 | (uint32_t)was : pack(left, now_ms);
    } while (!atomic_compare_exchange_weak_explicit(&x->bucket, &was, left, memory_order_relaxed,
                                                    memory_order_relaxed));
    return tokens >= ONE;
}

bool sw_sources_take(struct sw_sources *s, const struct sw_flow *from, int64_t now_ms,
                     uint32_t *say)
{
    *say = 0;
    if (!s->per_s)
        return true;
    struct sw_source *x = bucket_of(s, hash_of(s, from, MESSAGES), now_ms);
    if (take(s, x, now_ms))
        return true;
    atomic_fetch_add_explicit(&x->held, 1, memory_order_relaxed);
    int64_t at = atomic_load_explicit(&x->say_at_ms, memory_order_relaxed);
    if (now_ms >= at &&
        atomic_compare_exchange_strong_explicit(&x->say_at_ms, &at, now_ms + SW_SOURCE_SAY_MS,
                                                memory_order_relaxed, memory_order_relaxed))
        *say = atomic_exchange_explicit(&x->held, 0, memory_order_relaxed);
    return false;
}

bool sw_sources_may_answer(struct sw_sources *s, const struct sw_flow *from, int64_t now_ms)
{
    return s->per_s && from->peer == SW_PEER_VERIFIED &&
           take(s, bucket_of(s, hash_of(s, from, ANSWERS), now_ms), now_ms);
}
