#include "gateway/sources.h"

#include <stdlib.h>

enum { ONE = 1000 }; /* a message, in tokens */

enum sw_status sw_sources_init(struct sw_sources *s, uint32_t per_s, struct sw_sip_key key)
{
    *s = (struct sw_sources){.key = key, .per_s = per_s};
    if (!per_s)
        return SW_OK;
    s->sets = calloc(SW_SOURCE_SETS, sizeof(*s->sets));
    return s->sets ? SW_OK : SW_LIMIT_MEMORY;
}

void sw_sources_fini(struct sw_sources *s)
{
    free(s->sets);
    s->sets = NULL;
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

static uint64_t tokens_now(const struct sw_sources *s, const struct sw_source *x, int64_t now_ms)
{
    uint64_t full = (uint64_t)s->per_s * ONE;
    uint64_t passed = now_ms > x->at_ms ? (uint64_t)(now_ms - x->at_ms) : 0;
    if (!x->hash || passed >= ONE)
        return full;
    uint64_t tokens = x->tokens + passed * s->per_s; /* per_s messages in 1000 ms */
    return tokens < full ? tokens : full;
}

/* The bucket of a sender; a new one is full. */
static struct sw_source *bucket(struct sw_sources *s, uint64_t hash, int64_t now_ms)
{
    struct sw_source *set = s->sets[(hash >> 1) % SW_SOURCE_SETS], *best = &set[0];
    for (int i = 0; i < SW_SOURCE_WAYS; i++) {
        if (set[i].hash == hash)
            return &set[i];
        if (!set[i].hash ||
            (best->hash && tokens_now(s, &set[i], now_ms) > tokens_now(s, best, now_ms)))
            best = &set[i];
    }
    *best = (struct sw_source){
        .hash = hash, .at_ms = now_ms, .say_at_ms = now_ms, .tokens = s->per_s * ONE};
    return best;
}

static bool take(struct sw_source *x, uint64_t tokens, int64_t now_ms)
{
    bool enough = tokens >= ONE;
    x->tokens = (uint32_t)(enough ? tokens - ONE : tokens);
    x->at_ms = now_ms;
    return enough;
}

bool sw_sources_take(struct sw_sources *s, const struct sw_flow *from, int64_t now_ms,
                     uint32_t *say)
{
    *say = 0;
    if (!s->per_s)
        return true;
    struct sw_source *x = bucket(s, hash_of(s, from, MESSAGES), now_ms);
    if (take(x, tokens_now(s, x, now_ms), now_ms))
        return true;
    x->held++;
    if (now_ms >= x->say_at_ms) {
        *say = x->held;
        x->held = 0;
        x->say_at_ms = now_ms + SW_SOURCE_SAY_MS;
    }
    return false;
}

bool sw_sources_may_answer(struct sw_sources *s, const struct sw_flow *from, int64_t now_ms)
{
    if (!s->per_s || from->peer != SW_PEER_VERIFIED)
        return false;
    struct sw_source *x = bucket(s, hash_of(s, from, ANSWERS), now_ms);
    return take(x, tokens_now(s, x, now_ms), now_ms);
}
