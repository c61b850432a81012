#include "engine/send.h"

static struct sw_send *park(struct sw_engine *e, const struct sw_want *want)
{
    struct sw_ref ref = {0};
    struct sw_send *s = sw_table_add(&e->sends, (uint32_t)sw_prng_next(&e->prng), &ref);
    struct sw_action *a = s ? sw_action_add(e->out, SW_ACT_OPEN) : NULL;
    if (!a) {
        sw_table_del(&e->sends, ref);
        return NULL;
    }
    s->ref = ref;
    a->open = *want;
    a->open.job = ref;
    sw_timer_init(&s->timer, SW_TK_SEND);
    sw_send_wait(e, s);
    return s;
}

enum sw_status sw_send_park(struct sw_engine *e, void *user, uint8_t user_kind,
                            const struct sw_want *want, struct sw_ref *ref)
{
    struct sw_send *s = park(e, want);
    if (!s)
        return SW_LIMIT;
    s->owner = SW_SEND_USER;
    s->user = user;
    s->user_kind = user_kind;
    *ref = s->ref;
    return SW_OK;
}

enum sw_status sw_send_park_bytes(struct sw_engine *e, enum sw_send_owner owner,
                                  const struct sw_event *failed, const struct sw_want *want)
{
    size_t n = sw_segs_total(failed->segs, failed->seg_count);
    char *bytes = sw_slab_get(e->slab, n);
    struct sw_send *s = bytes ? park(e, want) : NULL;
    if (!s) {
        sw_slab_put(e->slab, bytes, n);
        return SW_LIMIT;
    }
    sw_segs_copy(failed->segs, failed->seg_count, bytes);
    s->owner = (uint8_t)owner;
    s->bytes = bytes;
    s->n = (uint32_t)n;
    s->server = failed->cookie.ref;
    s->cookie = failed->cookie;
    s->remote = want->remote;
    return SW_OK;
}

void sw_send_wait(struct sw_engine *e, struct sw_send *s)
{
    sw_timer_start_fifo(&e->timers, &s->timer, SW_FIFO_LIFE, e->now_ms + SW_T_LIFE_MS);
}

struct sw_send *sw_send_get(const struct sw_engine *e, struct sw_ref ref)
{
    return sw_table_get(&e->sends, ref);
}

void sw_send_drop(struct sw_engine *e, struct sw_ref ref)
{
    struct sw_send *s = sw_send_get(e, ref);
    if (!s)
        return;
    sw_timer_stop(&e->timers, &s->timer);
    sw_slab_put(e->slab, s->bytes, s->n);
    sw_table_del(&e->sends, ref);
}
