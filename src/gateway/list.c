#include "gateway/list.h"

#include "proxy/hops.h"

enum { FIELDS = 8 };

static const char *waits_for(const struct sw_server *s)
{
    if (s->answered)
        return "absorbs repeats";
    return s->user ? "waits for an answer" : "is being answered";
}

static struct sw_slice copy(struct sw_arena *a, struct sw_slice text)
{
    enum { CLIP = 128 };
    size_t n = text.n < CLIP ? text.n : CLIP;
    char *p = n ? sw_arena_get(a, n) : NULL;
    return p ? sw_slice(memcpy(p, text.p, n), n) : sw_slice("", 0);
}

static void row(struct sw_gateway *g, const struct sw_server *s, uint32_t next)
{
    struct sw_engine *e = &g->engine;
    const struct sw_fork *fork = s->user;
    struct sw_field *f = sw_arena_get(&e->scratch, FIELDS * sizeof(*f));
    char *remote = sw_arena_get(&e->scratch, SW_ENDPOINT_TEXT_MAX);
    if (!f || !remote)
        return;
    uint32_t branches = 0, n = 0;
    for (const struct sw_list *b = fork ? fork->branches.next : NULL; b && b != &fork->branches;
         b = b->next)
        branches++;
    f[n++] = sw_field_text("method", sw_method_name((enum sw_method)s->method));
    f[n++] =
        sw_field_text("call_id", fork ? copy(&e->scratch, fork->vitals.call_id) : sw_slice("", 0));
    f[n++] = sw_field_text("peer", sw_proxy_peer_name(&g->proxy, s->peer));
    f[n++] = sw_field_str("remote", sw_endpoint_text(&s->remote, remote));
    f[n++] = sw_field_str("state", sw_txn_state_name((enum sw_txn_state)s->txn.state));
    f[n++] = sw_field_str("now", waits_for(s));
    f[n++] = sw_field_number("branches", branches);
    struct sw_action *a = sw_action_add(e->out, SW_ACT_ROW);
    if (a)
        a->note = (struct sw_note_act){.fields = f, .count = n, .next = next};
}

static void call_row(struct sw_gateway *g, const struct sw_call *call, uint32_t next)
{
    struct sw_engine *e = &g->engine;
    struct sw_field *f = sw_arena_get(&e->scratch, SW_CALL_FIELDS * sizeof(*f));
    size_t n = f ? sw_call_fields(&g->proxy, call, f) : 0;
    struct sw_action *a = n ? sw_action_add(e->out, SW_ACT_ROW) : NULL;
    if (!a)
        return;
    f[n++] = sw_field_number("seconds", (e->now_ms - call->at_ms) / 1000);
    a->note = (struct sw_note_act){.fields = f, .count = (uint32_t)n, .next = next};
}

static void calls(struct sw_gateway *g, uint32_t from)
{
    struct sw_calls *c = &g->proxy.calls;
    for (uint32_t i = from, n = 0; i < c->count && n < SW_LIST_MAX; i++) {
        const struct sw_call *call = sw_calls_at(c, i);
        if (!call)
            continue;
        call_row(g, call, i + 1);
        n++;
    }
}

static void transactions(struct sw_gateway *g, uint32_t from)
{
    struct sw_ref ref;
    const struct sw_table *t = &g->engine.servers;
    unsigned n = 0;
    for (uint32_t i = from; i < t->slots && n < SW_LIST_MAX; i++) {
        const struct sw_server *s = sw_table_at(t, i, &ref);
        if (!s)
            continue;
        row(g, s, i + 1);
        n++;
    }
}

void sw_gateway_list(struct sw_gateway *g, enum sw_list_what what, uint32_t from)
{
    if (what == SW_LIST_CALLS)
        calls(g, from);
    else
        transactions(g, from);
}
