#include "engine/engine.h"

#include "engine/client.h"
#include "engine/send.h"
#include "engine/server.h"

/* Held from the start, so that an answer can be built when memory is out: a block of 64 KiB, less
 * what the arena needs of it. */
enum { SCRATCH_BYTES = (1 << 16) - 64 };

enum sw_status sw_engine_init(struct sw_engine *e, const struct sw_engine_conf *conf,
                              struct sw_slab *slab, int64_t now_ms)
{
    *e = (struct sw_engine){.conf = *conf, .slab = slab, .now_ms = now_ms};
    e->prng.key = conf->seed;
    sw_timers_init(&e->timers, now_ms);
    sw_list_init(&e->stranded);
    sw_arena_init(&e->scratch, slab);
    sw_arena_init(&e->dead, slab);
    enum sw_status s = sw_table_init(&e->servers, sizeof(struct sw_server), conf->transactions_max);
    if (s == SW_OK)
        s = sw_table_init(&e->clients, sizeof(struct sw_client), conf->transactions_max * 2);
    if (s == SW_OK)
        s = sw_table_init(&e->sends, sizeof(struct sw_send), conf->transactions_max);
    if (s == SW_OK)
        s = sw_map_init(&e->by_key, conf->transactions_max / 2);
    if (s == SW_OK)
        s = sw_map_init(&e->by_flow, 4096);
    sw_arena_reserve(&e->scratch, SCRATCH_BYTES);
    if (!e->scratch.chunk)
        s = SW_LIMIT_MEMORY;
    if (s != SW_OK)
        sw_engine_fini(e);
    return s;
}

void sw_engine_fini(struct sw_engine *e)
{
    struct sw_ref ref;
    for (uint32_t i = 0; i < e->clients.slots; i++)
        if (sw_table_at(&e->clients, i, &ref))
            sw_client_free(e, sw_table_at(&e->clients, i, &ref));
    for (uint32_t i = 0; i < e->servers.slots; i++)
        if (sw_table_at(&e->servers, i, &ref))
            sw_server_free(e, sw_table_at(&e->servers, i, &ref));
    for (uint32_t i = 0; i < e->sends.slots; i++)
        if (sw_table_at(&e->sends, i, &ref))
            sw_send_drop(e, ref);
    sw_table_fini(&e->sends);
    sw_table_fini(&e->clients);
    sw_table_fini(&e->servers);
    sw_map_fini(&e->by_key);
    sw_map_fini(&e->by_flow);
    sw_arena_release(&e->scratch);
    sw_arena_release(&e->dead);
}

void sw_engine_begin(struct sw_engine *e, struct sw_actions *out, int64_t now_ms)
{
    e->out = out;
    e->now_ms = now_ms;
    sw_arena_reset(&e->scratch);
    sw_arena_release(&e->dead);
}

void sw_engine_bury(struct sw_engine *e, struct sw_arena *a)
{
    sw_arena_join(&e->dead, a);
}

bool sw_engine_send(struct sw_engine *e, const struct sw_flow_id *flow,
                    const struct sw_endpoint *remote, const struct sw_slice *segs, size_t count,
                    size_t total, const struct sw_cookie *cookie)
{
    struct sw_action *a = sw_action_add(e->out, SW_ACT_SEND);
    if (!a)
        return false;
    a->send = (struct sw_send_act){
        .flow = *flow,
        .remote = *remote,
        .segs = segs,
        .seg_count = (uint32_t)count,
        .total = (uint32_t)total,
        .cookie = *cookie,
    };
    return true;
}

bool sw_engine_send_bytes(struct sw_engine *e, const struct sw_flow_id *flow,
                          const struct sw_endpoint *remote, struct sw_slice bytes,
                          const struct sw_cookie *cookie)
{
    struct sw_slice *seg = sw_arena_get(&e->scratch, sizeof(*seg));
    if (!seg)
        return false;
    *seg = bytes;
    return sw_engine_send(e, flow, remote, seg, 1, bytes.n, cookie);
}

struct sw_buf sw_engine_buf(struct sw_engine *e, size_t cap)
{
    char *p = sw_arena_get(&e->scratch, cap);
    return sw_buf(p, p ? cap : 0);
}

void sw_engine_note(struct sw_engine *e, enum sw_level level, const char *event,
                    const struct sw_field *fields, size_t count)
{
    struct sw_action *a = sw_action_add(e->out, SW_ACT_NOTE);
    struct sw_field *copy = a ? sw_arena_get(&e->scratch, count * sizeof(*fields)) : NULL;
    if (!a)
        return;
    if (copy && count)
        memcpy(copy, fields, count * sizeof(*fields));
    a->note = (struct sw_note_act){
        .level = level, .event = event, .fields = copy, .count = copy ? (uint32_t)count : 0};
}

struct sw_flow_id sw_engine_udp_flow(const struct sw_engine *e, uint16_t listener)
{
    return (struct sw_flow_id){
        .instance = e->conf.instance, .worker = SW_WORKER_ANY, .slot = listener, .generation = 0};
}

int64_t sw_engine_deadline(const struct sw_engine *e)
{
    return sw_list_empty(&e->stranded) ? sw_timers_next(&e->timers) : e->now_ms;
}

/* Constant delays go to their FIFO, doubled ones to the wheel. */
static void start(struct sw_engine *e, struct sw_timer *x, int32_t delay_ms)
{
    int64_t at = e->now_ms + delay_ms;
    switch (delay_ms) {
    case SW_T_LIFE_MS:
        sw_timer_start_fifo(&e->timers, x, SW_FIFO_LIFE, at);
        return;
    case SW_T4_MS:
        sw_timer_start_fifo(&e->timers, x, SW_FIFO_T4, at);
        return;
    case SW_T1_MS:
        sw_timer_start_fifo(&e->timers, x, SW_FIFO_T1, at);
        return;
    case SW_T_TRYING_MS:
        sw_timer_start_fifo(&e->timers, x, SW_FIFO_TRYING, at);
        return;
    default:
        sw_timer_start(&e->timers, x, at);
    }
}

void sw_engine_timers(struct sw_engine *e, const struct sw_txn_out *o, struct sw_timer *retry,
                      struct sw_timer *life)
{
    if (o->retry_ms == 0)
        sw_timer_stop(&e->timers, retry);
    else if (o->retry_ms > 0)
        start(e, retry, o->retry_ms);
    if (o->life_ms == 0)
        sw_timer_stop(&e->timers, life);
    else if (o->life_ms > 0)
        start(e, life, o->life_ms);
}

/* One timer of the engine's own; SW_DUE_NONE if nobody else is concerned. */
static struct sw_due own(struct sw_engine *e, struct sw_timer *x)
{
    switch ((enum sw_timer_kind)x->kind) {
    case SW_TK_SERVER_RETRY:
        return sw_server_due(e, SW_CONTAINER(x, struct sw_server, retry), SW_TXN_RETRY);
    case SW_TK_SERVER_LIFE:
        return sw_server_due(e, SW_CONTAINER(x, struct sw_server, life), SW_TXN_LIFE);
    case SW_TK_CLIENT_RETRY:
        return sw_client_due(e, SW_CONTAINER(x, struct sw_client, retry), SW_TXN_RETRY);
    case SW_TK_CLIENT_LIFE:
        return sw_client_due(e, SW_CONTAINER(x, struct sw_client, life), SW_TXN_LIFE);
    case SW_TK_SEND:
        return (struct sw_due){.kind = SW_DUE_SEND,
                               .job = SW_CONTAINER(x, struct sw_send, timer)->ref};
    case SW_TK_USER:
        break;
    }
    return (struct sw_due){.kind = SW_DUE_USER, .timer = x};
}

struct sw_due sw_engine_due(struct sw_engine *e)
{
    struct sw_timer *x;
    /* leave room for what one timer can cause; the rest is due again at once */
    while (sw_engine_has_room(e) && (x = sw_timers_pop(&e->timers, e->now_ms))) {
        struct sw_due due = own(e, x);
        if (due.kind != SW_DUE_NONE)
            return due;
    }
    return (struct sw_due){.kind = SW_DUE_NONE};
}
