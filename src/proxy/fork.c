#include "proxy/fork.h"

#include "proxy/clear.h"
#include "proxy/hide.h"
#include "proxy/hops.h"
#include "proxy/passive.h"
#include "proxy/response.h"
#include "proxy/rows.h"
#include "proxy/sips.h"

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

static uint16_t count_vias(const struct sw_msg *m)
{
    struct sw_values values = sw_values(m, SW_HDR_VIA);
    struct sw_via via;
    uint16_t n = 0;
    while (n < UINT16_MAX && sw_values_via(&values, &via) == SW_OK)
        n++;
    return n;
}

struct sw_fork *sw_fork_new(struct sw_proxy *p, struct sw_server *s, const struct sw_request *q,
                            const struct sw_targets *targets, struct sw_load **load)
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
    f->came_ms = p->e->now_ms;
    f->in.ident = NULL; /* belongs to the connection, which may be another worker's */
    memcpy(t, targets->t, targets->count * sizeof(*t));
    for (uint32_t i = 0; i < targets->count; i++)
        if (t[i].suffix.n) /* the configuration may be another one when it is tried */
            t[i].suffix = sw_arena_dup(&f->arena, t[i].suffix);
    f->targets = t;
    f->target_count = targets->count;
    f->breadth = q->breadth;
    f->challenges_end = &f->challenges;
    f->loop = sw_policy_loop_hash(p, q);
    f->in_name = sw_arena_dup(&f->arena, sw_proved_stranger(p->conf, q->flow));
    f->exempt = sw_limit_exempt(q);
    sw_list_init(&f->branches);
    if (targets->rewrite)
        f->rewrite = sw_rewrite_keep(targets->rewrite, &f->arena);
    if (!f->rewrite != !targets->rewrite || !copy_request(f, q)) {
        arena = f->arena;
        sw_arena_release(&arena);
        return NULL;
    }
    sw_list_add(&p->forks, &f->node);
    s->user = f;
    s->vias = sw_hide_wanted(p->conf, s->peer) ? count_vias(&f->msg) : 0;
    f->load = *load;
    *load = NULL;
    return f;
}

void sw_fork_free(struct sw_proxy *p, struct sw_fork *f)
{
    struct sw_server *s = sw_server_get(p->e, f->server);
    if (s)
        s->user = NULL;
    for (struct sw_list *n = f->branches.next; n != &f->branches; n = n->next)
        sw_branch_done(p, SW_CONTAINER(n, struct sw_branch, node));
    sw_load_leave(&f->load, SW_LOAD_FROM);
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

static bool is_challenge(enum sw_hdr_id id)
{
    return id == SW_HDR_WWW_AUTHENTICATE || id == SW_HDR_PROXY_AUTHENTICATE;
}

/* The challenges of a response that is not the one to be passed on. */
static void keep_challenges(struct sw_fork *f, const struct sw_msg *m)
{
    for (uint32_t i = 0; i < m->hdr_count; i++) {
        const struct sw_hdr *h = &m->hdrs[i];
        struct sw_challenge *x = is_challenge((enum sw_hdr_id)h->id)
                                     ? sw_arena_get(&f->arena, sizeof(*x) + h->end - h->at)
                                     : NULL;
        if (!x)
            continue;
        memcpy(x + 1, m->p + h->at, h->end - h->at);
        *x = (struct sw_challenge){.row = sw_slice((char *)(x + 1), h->end - h->at), .id = h->id};
        *f->challenges_end = x;
        f->challenges_end = &x->next;
    }
}

/* All of them in the order they came, but those that its peer's `remove` has. */
static struct sw_slice challenges(struct sw_proxy *p, const struct sw_fork *f)
{
    const struct sw_peer_conf *to = sw_proxy_peer(p->conf, f->in.peer);
    size_t total = 0;
    if (f->best_status != 401 && f->best_status != 407)
        return sw_slice("", 0);
    for (const struct sw_challenge *x = f->challenges; x; x = x->next)
        total += x->row.n;
    struct sw_buf b = sw_engine_buf(p->e, total);
    for (const struct sw_challenge *x = f->challenges; x; x = x->next)
        if (!sw_rows_removes(to, (enum sw_hdr_id)x->id))
            sw_buf_slice(&b, x->row);
    return sw_buf_view(&b);
}

bool sw_fork_consider(struct sw_fork *f, unsigned status, const struct sw_msg *m,
                      const char *failure)
{
    if (f->best_status && sw_response_rank(f->best_status) <= sw_response_rank(status)) {
        if (m && (status == 401 || status == 407))
            keep_challenges(f, m);
        return false;
    }
    f->best_status = (uint16_t)status;
    f->warning = 0;
    f->failure = failure;
    f->best = m ? sw_arena_dup(&f->arena, sw_slice(m->p, m->n)) : (struct sw_slice){NULL, 0};
    return true;
}

static void answer_local(struct sw_proxy *p, struct sw_fork *f, struct sw_server *s, unsigned code,
                         const char *reason)
{
    struct sw_refusal r = {.code = (uint16_t)code, .reason = reason};
    if (code == 503)
        r.extra = sw_limit_retry_after(p, f->retry_s);
    else if (code == 480 && f->warning)
        r.extra = sw_sips_warning(p, &f->in, f->warning);
    sw_response_local(p, s, &f->msg, &f->vitals, &f->in, &r);
}

/* The stored response again through the parser, as it was kept whole. */
static bool answer_stored(struct sw_proxy *p, struct sw_fork *f, struct sw_server *s)
{
    struct sw_msg m;
    struct sw_vitals v;
    struct sw_verdict verdict;
    uint32_t rows = p->conf->headers_max;
    struct sw_hdr *hdrs = sw_arena_get(&p->e->scratch, rows * sizeof(*hdrs));
    if (!f->best.p || !hdrs || sw_msg_parse(f->best.p, f->best.n, hdrs, rows, &m) != SW_OK ||
        sw_check_response(&m, true, &v, &verdict) != SW_OK)
        return false;
    sw_response_forward(p, s, &m, &v, f->best_from, challenges(p, f));
    return true;
}

/* Nothing came, and a 408 would come too late to be of use: RFC 4320 4.2 */
static void leave_unanswered(struct sw_proxy *p, struct sw_fork *f, struct sw_server *s)
{
    char *text = sw_arena_get(&p->e->scratch, SW_ENDPOINT_TEXT_MAX);
    const struct sw_field fields[] = {
        sw_field_str("why", "no answer came in time, and 408 is for INVITE only: RFC 4320 4.2"),
        sw_field_text("method", sw_msg_method(&f->msg)),
        sw_field_text("peer", sw_proxy_peer_name(p, f->in.peer)),
        sw_field_text("call_id", f->vitals.call_id),
        sw_field_str("remote", text ? sw_endpoint_text(&f->in.remote, text) : ""),
    };
    sw_engine_note(p->e, SW_LEVEL_INFO, "request_unanswered", fields, 5);
    sw_server_free(p->e, s);
}

/* 503 would say that we can serve nobody, which is so while peers are at their limits; 408 is never
 * sent to a non-INVITE request. RFC 3261 16.7 step 6, RFC 4320 4.2 */
static void answer_best(struct sw_proxy *p, struct sw_fork *f, struct sw_server *s)
{
    bool invite = f->msg.method == SW_INVITE;
    if (f->cancelled && (f->best_status == 0 || f->best_status == 408 || !f->best.p))
        answer_local(p, f, s, 487, NULL);
    else if (f->best_status == 503 && f->retry_s)
        answer_local(p, f, s, 503, "Limit Reached");
    else if (f->best_status == 503)
        answer_local(p, f, s, 500, f->failure ? f->failure : "Next Hop Unavailable");
    else if (f->best_status && f->best.p && answer_stored(p, f, s))
        return;
    else if (f->best_status && f->best_status != 408 && f->failure)
        answer_local(p, f, s, f->best_status, f->failure);
    else if (f->best_status && f->best_status != 408) /* memory was out when it was to be kept */
        answer_local(p, f, s, 500, "Out Of Resources");
    else if (invite)
        answer_local(p, f, s, 408, f->failure);
    else
        leave_unanswered(p, f, s);
}

void sw_fork_conclude(struct sw_proxy *p, struct sw_fork *f)
{
    struct sw_server *s = sw_server_get(p->e, f->server);
    if (!f->answered && s)
        answer_best(p, f, s);
    f->answered = true;
    sw_fork_free(p, f); /* what was passed over is abandoned with it */
}

bool sw_fork_is_over(const struct sw_proxy *p, const struct sw_fork *f)
{
    return f->cancelled || f->tried >= p->conf->branches_max ||
           (f->msg.method != SW_INVITE && p->e->now_ms - f->came_ms >= SW_T_LIFE_MS);
}

static bool may_try(const struct sw_proxy *p, const struct sw_target *t)
{
    const struct sw_peer_conf *peer = sw_proxy_peer(p->conf, t->peer);
    return !peer || sw_passive_may_try(sw_proxy_state(p, peer)->load, p->e->now_ms);
}

/* A peer that has failed since the targets were found, while another that is left has not. One that
 * is being tried is so at all its addresses. */
static bool has_failed_since(const struct sw_proxy *p, const struct sw_fork *f,
                             const struct sw_choice *c, const struct sw_target *t)
{
    if (f->exempt || c->peer == t->peer || may_try(p, t))
        return false;
    for (uint32_t i = c->next; i < c->end; i++)
        if (may_try(p, &f->targets[i]))
            return true;
    for (uint32_t i = f->target_next; i < f->target_count; i++)
        if (may_try(p, &f->targets[i]))
            return true;
    return false;
}

bool sw_fork_alternative(struct sw_proxy *p, struct sw_fork *f, struct sw_choice *c)
{
    while (!sw_fork_is_over(p, f) && sw_choice_left(c)) {
        const struct sw_target *t = sw_choice_peek(f, c);
        sw_choice_skip(c);
        if (t->clear && !sw_clear_may_be_tried(p, f, c, t))
            continue;
        if (has_failed_since(p, f, c, t)) {
            sw_clear_skipped(c, t);
            continue;
        }
        c->peer = t->peer;
        if (t->alternative && !t->locate)
            sw_proxy_count(p, SW_COUNT_FAILOVERS);
        if (sw_branch_start(p, f, c, t))
            return true;
    }
    return false;
}

/* The choices of the group that starts at `at`, at most as many as may be tried at once: what is
 * more forks serially. RFC 5393 5.3.3 */
static uint32_t group_size(const struct sw_fork *f, uint32_t at)
{
    uint32_t choices = 0;
    for (uint32_t i = at; i < f->target_count && f->targets[i].group == f->targets[at].group; i++)
        choices += !f->targets[i].alternative;
    return choices < f->breadth ? choices : f->breadth;
}

/* The end of the choice that begins at `at`. */
static uint32_t choice_end(const struct sw_fork *f, uint32_t at)
{
    while (++at < f->target_count && f->targets[at].alternative)
        ;
    return at;
}

static bool start_group(struct sw_proxy *p, struct sw_fork *f)
{
    uint32_t size = group_size(f, f->target_next), share = f->breadth / size;
    bool started = false;
    for (uint32_t i = 0; i < size; i++) {
        struct sw_choice *c = sw_arena_get(&f->arena, sizeof(*c));
        uint32_t at = f->target_next;
        f->target_next = choice_end(f, at);
        if (!c)
            continue;
        *c = (struct sw_choice){.next = at, .end = f->target_next, .breadth = share};
        if (i == 0)
            c->breadth += f->breadth % size;
        started |= sw_fork_alternative(p, f, c);
    }
    return started;
}

void sw_fork_next(struct sw_proxy *p, struct sw_fork *f)
{
    bool started = false;
    while (!started && !sw_fork_is_over(p, f) && f->target_next < f->target_count)
        started = start_group(p, f);
    if (!started && !sw_fork_pending(f))
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
        sw_response_forward(p, s, m, v, c->peer, sw_slice("", 0));
}
