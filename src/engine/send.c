#include "engine/send.h"

static struct sw_send *park(struct sw_engine *e)
{
    struct sw_ref ref = {0};
    struct sw_send *s = sw_table_add(&e->sends, (uint32_t)sw_prng_next(&e->prng), &ref);
    if (!s)
        return NULL;
    s->ref = ref;
    sw_timer_init(&s->timer, SW_TK_SEND);
    sw_send_wait(e, s);
    return s;
}

/* Asks for a connection. False: there is no room for that, and the send is gone. */
static bool ask(struct sw_engine *e, struct sw_send *s, const struct sw_want *want)
{
    struct sw_action *a = sw_action_add(e->out, SW_ACT_OPEN);
    if (!a) {
        sw_send_drop(e, s->ref);
        return false;
    }
    a->open = *want;
    a->open.job = s->ref;
    s->remote = want->remote;
    return true;
}

enum sw_status sw_send_park(struct sw_engine *e, void *user, uint8_t user_kind,
                            const struct sw_want *want, struct sw_ref *ref)
{
    struct sw_send *s = park(e);
    if (!s || !ask(e, s, want))
        return SW_LIMIT;
    s->owner = SW_SEND_USER;
    s->user = user;
    s->user_kind = user_kind;
    *ref = s->ref;
    return SW_OK;
}

struct sw_send *sw_send_keep(struct sw_engine *e, enum sw_send_owner owner,
                             const struct sw_event *failed)
{
    size_t n = sw_segs_total(failed->segs, failed->seg_count);
    char *bytes = sw_slab_get(e->slab, n);
    struct sw_send *s = bytes ? park(e) : NULL;
    if (!s) {
        sw_slab_put(e->slab, bytes, n);
        return NULL;
    }
    sw_segs_copy(failed->segs, failed->seg_count, bytes);
    s->owner = (uint8_t)owner;
    s->bytes = bytes;
    s->n = (uint32_t)n;
    s->server = failed->cookie.ref;
    s->cookie = failed->cookie;
    return s;
}

enum sw_status sw_send_park_bytes(struct sw_engine *e, enum sw_send_owner owner,
                                  const struct sw_event *failed, const struct sw_want *want)
{
    struct sw_send *s = sw_send_keep(e, owner, failed);
    return s && ask(e, s, want) ? SW_OK : SW_LIMIT;
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
