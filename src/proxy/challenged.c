#include "proxy/challenged.h"

#include <stdlib.h>

enum sw_status sw_challenged_init(struct sw_challenged *x, struct sw_sip_key key)
{
    *x = (struct sw_challenged){.key = key};
    x->sets = calloc(SW_CHALLENGED_SETS, sizeof(*x->sets));
    return x->sets ? SW_OK : SW_LIMIT_MEMORY;
}

void sw_challenged_fini(struct sw_challenged *x)
{
    free(x->sets);
    x->sets = NULL;
}

static uint64_t hash_of(const struct sw_challenged *x, struct sw_slice call_id)
{
    return sw_siphash64(x->key, call_id.p, call_id.n);
}

void sw_challenged_add(struct sw_challenged *x, struct sw_slice call_id, uint32_t peer,
                       int64_t now_ms)
{
    if (!x->sets)
        return;
    uint64_t call = hash_of(x, call_id);
    struct sw_challenged_call *set = x->sets[call % SW_CHALLENGED_SETS], *to = &set[0];
    for (int i = 0; i < SW_CHALLENGED_WAYS; i++) {
        if (set[i].until_ms < to->until_ms)
            to = &set[i];
        if (set[i].until_ms && set[i].call == call) {
            to = &set[i];
            break;
        }
    }
    *to = (struct sw_challenged_call){
        .call = call, .until_ms = now_ms + SW_CHALLENGED_MS, .peer = peer};
}

uint32_t sw_challenged_by(const struct sw_challenged *x, struct sw_slice call_id, int64_t now_ms)
{
    if (!x->sets)
        return 0;
    uint64_t call = hash_of(x, call_id);
    const struct sw_challenged_call *set = x->sets[call % SW_CHALLENGED_SETS];
    for (int i = 0; i < SW_CHALLENGED_WAYS; i++)
        if (set[i].call == call && set[i].until_ms > now_ms)
            return set[i].peer;
    return 0;
}
