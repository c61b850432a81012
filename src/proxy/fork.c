#include "proxy/fork.h"

#include "proxy/response.h"

/* Bytes beside the request that a context takes: one branch with its edits. */
enum { FORK_ROOM = 3072 };

static bool copy_request(struct sw_fork *f, const struct sw_request *q)
{
    struct sw_slice bytes = sw_arena_dup(&f->arena, sw_slice(q->m->p, q->m->n));
    struct sw_hdr *hdrs = sw_arena_get(&f->arena, q->m->hdr_count * sizeof(*hdrs));
    f->routes = sw_arena_get(&f->arena, sizeof(*f->routes));
    if (!bytes.p || !hdrs || !f->routes)
        return false;
    memcpy(hdrs, q->m->hdrs, q->m->hdr_count * sizeof(*hdrs));
    f->msg = *q->m;
    f->msg.p = bytes.p;
    f->msg.hdrs = hdrs;
    f->vitals = *q->v;
    sw_vitals_move(&f->vitals, q->m->p, bytes.p);
    *f->routes = *q->r;
    sw_routes_move(f->routes, q->m->p, bytes.p);
    return true;
}

struct sw_fork *sw_fork_new(struct sw_proxy *p, struct sw_server *s, const struct sw_request *q,
                            const struct sw_targets *targets)
{
    struct sw_arena arena;
    sw_arena_init(&arena, p->e->slab);
    sw_arena_reserve(&arena, q->m->n + q->m->hdr_count * sizeof(struct sw_hdr) + FORK_ROOM);
    struct sw_fork *f = sw_arena_get(&arena, sizeof(*f));
    struct sw_target *t = sw_arena_get(&arena, targets->count * sizeof(*t));
    if (!f || !t) {
        sw_arena_release(&arena);
        return NULL;
    }
    *f = (struct sw_fork){.arena = arena, .server = s->ref, .in = *q->flow};
    f->in.ident = NULL; /* belongs to the connection, which may be another worker's */
    memcpy(t, targets->t, targets->count * sizeof(*t));
    f->targets = t;
    f->target_count = targets->count;
    f->loop = sw_policy_loop_hash(p, q);
    sw_list_init(&f->branches);
    if (!copy_request(f, q)) {
        arena = f->arena;
        sw_arena_release(&arena);
        return NULL;
    }
    sw_list_add(&p->forks, &f->node);
    s->user = f;
    return f;
}

void sw_fork_free(struct sw_proxy *p, struct sw_fork *f)
{
    struct sw_server *s = sw_server_get(p->e, f->server);
    if (s)
        s->user = NULL;
    for (struct sw_list *n = f->branches.next; n != &f->branches; n = n->next)
        sw_branch_done(p, SW_CONTAINER(n, struct sw_branch, node));
    sw_list_del(&f->node);
    struct sw_arena arena = f->arena; /* f itself stands in it */
    sw_engine_bury(p->e, &arena);
}

bool sw_fork_pending(const struct sw_fork *f)
{
    for (const struct sw_list *n = f->branches.next; n != &f->branches; n = n->next) {
        const struct sw_branch *b = SW_CONTAINER(n, struct sw_branch, node);
        if (b->state != SW_BRANCH_DONE && !b->passed_over)
            return true;
    }
    return false;
}

static bool has_live_branch(const struct sw_fork *f)
{
    for (const struct sw_list *n = f->branches.next; n != &f->branches; n = n->next)
        if (SW_CONTAINER(n, struct sw_branch, node)->state != SW_BRANCH_DONE)
            return true;
    return false;
}

void sw_fork_settle(struct sw_proxy *p, struct sw_fork *f)
{
    if (f->answered && !has_live_branch(f))
        sw_fork_free(p, f);
}

void sw_fork_consider(struct sw_fork *f, unsigned status, const struct sw_msg *m,
                      const char *failure)
{
    if (f->best_status && sw_response_rank(f->best_status) <= sw_response_rank(status))
        return;
    f->best_status = (uint16_t)status;
    f->failure = failure;
    f->best = m ? sw_arena_dup(&f->arena, sw_slice(m->p, m->n)) : (struct sw_slice){NULL, 0};
}

static void answer_local(struct sw_proxy *p, struct sw_fork *f, struct sw_server *s, unsigned code,
                         const char *reason)
{
    struct sw_refusal r = {.code = (uint16_t)code, .reason = reason};
    sw_response_local(p, s, &f->msg, &f->vitals, &f->in, &r);
}

/* The stored response again through the parser, as it was kept whole. */
static bool answer_stored(struct sw_proxy *p, struct sw_fork *f, struct sw_server *s)
{
    struct sw_msg m;
    struct sw_vitals v;
    struct sw_verdict verdict;
    struct sw_hdr *hdrs = sw_arena_get(&p->e->scratch, SW_HDRS_MAX * sizeof(*hdrs));
    if (!f->best.p || !hdrs || sw_msg_parse(f->best.p, f->best.n, hdrs, SW_HDRS_MAX, &m) != SW_OK ||
        sw_check_response(&m, true, &v, &verdict) != SW_OK)
        return false;
    sw_response_forward(p, s, &m, &v);
    return true;
}

/* 503 would say that we can serve nobody; 408 is never sent to a non-INVITE request.
 * RFC 3261 16.7 step 6, RFC 4320 4.2 */
static void answer_best(struct sw_proxy *p, struct sw_fork *f, struct sw_server *s)
{
    bool invite = f->msg.method == SW_INVITE;
    if (f->cancelled && (f->best_status == 0 || f->best_status == 408 || !f->best.p))
        answer_local(p, f, s, 487, NULL);
    else if (f->best_status == 503)
        answer_local(p, f, s, 500, f->failure ? f->failure : "Next Hop Unavailable");
    else if (f->best_status && f->best.p && answer_stored(p, f, s))
        return;
    else if (invite)
        answer_local(p, f, s, 408, f->failure);
    else
        sw_server_free(p->e, s);
}

void sw_fork_conclude(struct sw_proxy *p, struct sw_fork *f)
{
    struct sw_server *s = sw_server_get(p->e, f->server);
    if (!f->answered && s)
        answer_best(p, f, s);
    f->answered = true;
    sw_fork_free(p, f); /* what was passed over is abandoned with it */
}

void sw_fork_next(struct sw_proxy *p, struct sw_fork *f)
{
    while (!f->cancelled && f->target_next < f->target_count) {
        const struct sw_target *t = &f->targets[f->target_next++];
        if (t->clear && (!f->tls_refused || f->tls_failed))
            continue;
        if (f->target_next > 1)
            p->stats.failovers++;
        if (sw_branch_start(p, f, t))
            return;
    }
    if (!sw_fork_pending(f))
        sw_fork_conclude(p, f);
}

void sw_fork_cancel(struct sw_proxy *p, struct sw_fork *f)
{
    f->cancelled = true;
    f->target_next = f->target_count;
    for (struct sw_list *n = f->branches.next; n != &f->branches; n = n->next)
        sw_branch_cancel(p, SW_CONTAINER(n, struct sw_branch, node));
    if (!f->answered && !sw_fork_pending(f))
        sw_fork_conclude(p, f);
}

void sw_fork_late_2xx(struct sw_proxy *p, struct sw_client *c, const struct sw_msg *m,
                      const struct sw_vitals *v)
{
    struct sw_server *s = sw_server_get(p->e, c->server);
    if (s)
        sw_response_forward(p, s, m, v);
}
