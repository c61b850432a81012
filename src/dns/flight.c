#include "dns/flight.h"

#include "sys/clock.h"
#include "sys/log.h"
#include "sys/random.h"

#include <stdlib.h>

/* Stays until the library is done with it, also when nobody waits any more: so what the library
 * works on is what is counted. */
struct query {
    struct sw_dns_call call; /* first: what the library gives back */
    struct sw_list bucket, of_era;
    struct sw_list askers;
    struct sw_flight *flight;
    struct sw_flight_era *era;
    int64_t asked_ms;
    struct sw_dns_question question;
};

struct asker {
    struct sw_list node;
    struct sw_timer timer;
    struct query *query;
    struct sw_dns_asker who;
};

static struct sw_flight_era *now_of(struct sw_flight *f)
{
    return SW_CONTAINER(f->eras.prev, struct sw_flight_era, node);
}

/* ---- answers ---- */

static void tell(struct sw_flight *f, const struct sw_dns_asker *who, const struct sw_dns_result *r)
{
    if (f->u.answer)
        f->u.answer(f->u.user, who, r);
}

static void drop_asker(struct sw_flight *f, struct asker *a)
{
    sw_timer_stop(&f->timers, &a->timer);
    sw_list_del(&a->node);
    sw_slab_put(&f->slab, a, sizeof(*a));
    f->askers--;
}

static void drop_query(struct sw_flight *f, struct query *q)
{
    sw_list_del(&q->bucket);
    sw_list_del(&q->of_era);
    sw_slab_put(&f->slab, q, sizeof(*q));
    f->queries--;
}

static void answer_all(struct query *q, const struct sw_dns_answer *a, enum sw_status how)
{
    const struct sw_dns_result r = {
        .question = &q->question, .answer = a, .how = how, .version = q->era->conf.version};
    while (!sw_list_empty(&q->askers)) {
        struct asker *x = SW_CONTAINER(q->askers.next, struct asker, node);
        const struct sw_dns_asker who = x->who;
        drop_asker(q->flight, x);
        tell(q->flight, &who, &r);
    }
}

static void say(const struct sw_dns_question *q, const struct sw_dns_answer *a, const char *why)
{
    bool bogus = sw_status_class(a->status) == SW_CLASS_DENIED;
    SW_LOG(SW_LEVEL_WARN, bogus ? "dns_bogus" : "dns_failed", sw_field_str("name", q->name),
           sw_field_str("type", sw_dns_type_name(q->type)), sw_field_str("why", why ? why : ""),
           sw_field_str("help",
                        a->status == SW_DENIED_UNSIGNED
                            ? "its owner must sign the zone, and its parent vouch for that; "
                              "otherwise dns.dnssec: opportunistic"
                        : bogus ? "nothing is believed of it: is it forged, are its signatures out "
                                  "of date, does dns.anchor not fit? a resolver that drops "
                                  "signatures needs other dns.servers, or dns.dnssec: off"
                                : "do the servers of dns.servers, or of the system, answer this "
                                  "question?"));
}

static bool ask_anew(struct sw_flight *f, struct query *q, const struct sw_dns_answer *a);

static void answered(struct sw_dns_call *call, const struct sw_dns_answer *a, const char *why)
{
    struct query *q = (struct query *)call;
    struct sw_flight *f = q->flight;
    if (ask_anew(f, q, a)) {
        drop_query(f, q);
        return;
    }
    if (a->status == SW_PEER_DNS || sw_status_class(a->status) == SW_CLASS_DENIED)
        say(&q->question, a, why);
    answer_all(q, a, SW_OK);
    drop_query(f, q);
}

static void refuse(struct sw_flight *f, const struct sw_dns_question *q,
                   const struct sw_dns_asker *who, enum sw_status how)
{
    const struct sw_dns_answer a = {.status = SW_PEER_DNS};
    const struct sw_dns_result r = {
        .question = q, .answer = &a, .how = how, .version = now_of(f)->conf.version};
    f->limited += how == SW_LIMIT;
    tell(f, who, &r);
    if (how != SW_LIMIT || f->now_ms < f->limited_at_ms + SW_FLIGHT_TOLD_MS)
        return;
    SW_LOG(SW_LEVEL_WARN, "dns_limited", sw_field_number("questions", f->queries),
           sw_field_number("askers", f->askers), sw_field_number("refused", (int64_t)f->limited),
           sw_field_str("help", "do the servers answer slowly? otherwise raise "
                                "limits.dns_questions"));
    f->limited = 0;
    f->limited_at_ms = f->now_ms;
}

/* ---- eras ---- */

static struct sw_flight_era *add_era(struct sw_flight *f, const struct sw_dns_conf *conf)
{
    struct sw_flight_era *e = calloc(1, sizeof(*e));
    if (!e)
        return NULL;
    e->conf = *conf;
    sw_list_init(&e->queries);
    sw_list_add(&f->eras, &e->node);
    return e;
}

/* What the library still works on goes with its context. */
static void drop_era(struct sw_flight *f, struct sw_flight_era *e)
{
    const struct sw_dns_answer late = {.status = SW_PEER_DNS};
    if (e->context)
        f->u.watch(f->u.watcher, sw_dns_context_fd(e->context), false);
    sw_dns_context_free(e->context);
    while (!sw_list_empty(&e->queries)) {
        struct query *q = SW_CONTAINER(e->queries.next, struct query, of_era);
        answer_all(q, &late, SW_PEER_TIMEOUT);
        drop_query(f, q);
    }
    sw_list_del(&e->node);
    free(e);
}

void sw_flight_adopt(struct sw_flight *f, const struct sw_dns_conf *conf, int64_t now_ms)
{
    struct sw_flight_era *was = now_of(f);
    f->now_ms = now_ms;
    was->until_ms = now_ms + was->conf.timeout_ms;
    if (!add_era(f, conf))
        SW_LOG(SW_LEVEL_ERROR, "dns_kept", sw_field_str("why", "memory is out"),
               sw_field_str("help", "the servers and anchors of before are used: reload again"));
}

static bool have_context(struct sw_flight *f, struct sw_flight_era *e)
{
    const char *why;
    if (e->context)
        return true;
    if (e->again_ms > f->now_ms)
        return false;
    e->context = sw_dns_context_new(&e->conf, answered, &why);
    if (e->context) {
        f->u.watch(f->u.watcher, sw_dns_context_fd(e->context), true);
        return true;
    }
    e->again_ms = f->now_ms + SW_FLIGHT_AGAIN_MS;
    SW_LOG(SW_LEVEL_ERROR, "dns_unusable", sw_field_str("why", why),
           sw_field_str("help", "sipward check says what is wrong in dns"));
    return false;
}

/* ---- questions ---- */

/* FNV-1a; the number of questions in a bucket is limited by that of all. */
static struct sw_list *bucket_of(struct sw_flight *f, const struct sw_dns_question *q)
{
    uint64_t h = f->seed ^ q->type;
    for (const char *p = q->name; *p; p++)
        h = (h ^ (uint8_t)*p) * UINT64_C(0x100000001b3);
    return &f->buckets[(h ^ h >> 32) % SW_FLIGHT_BUCKETS];
}

static struct query *find(struct sw_list *bucket, const struct sw_flight_era *e,
                          const struct sw_dns_question *q)
{
    for (struct sw_list *at = bucket->next; at != bucket; at = at->next) {
        struct query *x = SW_CONTAINER(at, struct query, bucket);
        if (x->era == e && x->question.type == q->type && strcmp(x->question.name, q->name) == 0)
            return x;
    }
    return NULL;
}

/* NULL with `how`: it cannot be asked. */
static struct query *start(struct sw_flight *f, struct sw_list *bucket,
                           const struct sw_dns_question *q, enum sw_status *how)
{
    struct sw_flight_era *e = now_of(f);
    const char *why = NULL;
    *how = f->queries >= e->conf.questions_max ? SW_LIMIT : SW_OK;
    if (*how == SW_LIMIT || !have_context(f, e))
        return NULL;
    struct query *x = sw_slab_get(&f->slab, sizeof(*x));
    *how = SW_LIMIT_MEMORY;
    if (!x)
        return NULL;
    *x = (struct query){.flight = f, .era = e, .question = *q, .asked_ms = f->now_ms};
    sw_list_init(&x->askers);
    *how = SW_OK;
    if (sw_dns_context_ask(e->context, q, &x->call, &why) != SW_OK) {
        const struct sw_dns_answer a = {.status = SW_PEER_DNS};
        say(q, &a, why);
        sw_slab_put(&f->slab, x, sizeof(*x));
        return NULL;
    }
    sw_list_add(bucket, &x->bucket);
    sw_list_add(&e->queries, &x->of_era);
    f->queries++;
    return x;
}

void sw_flight_ask(struct sw_flight *f, const struct sw_dns_question *q,
                   const struct sw_dns_asker *who)
{
    struct sw_list *bucket = bucket_of(f, q);
    struct sw_flight_era *e = now_of(f);
    enum sw_status how = SW_OK;
    if (f->askers >= SW_DNS_ASKERS_MAX) {
        refuse(f, q, who, SW_LIMIT);
        return;
    }
    struct asker *a = sw_slab_get(&f->slab, sizeof(*a));
    struct query *x = a ? find(bucket, e, q) : NULL;
    if (a && !x)
        x = start(f, bucket, q, &how);
    if (!a || !x) {
        sw_slab_put(&f->slab, a, sizeof(*a));
        refuse(f, q, who, a ? how : SW_LIMIT_MEMORY);
        return;
    }
    *a = (struct asker){.query = x, .who = *who};
    sw_timer_init(&a->timer, 0);
    sw_list_add(&x->askers, &a->node);
    sw_timer_start_fifo(&f->timers, &a->timer, 0, f->now_ms + e->conf.timeout_ms);
    f->askers++;
}

/* ---- a server that counts as down ---- */

/* True if a question of the era stays without an answer for long, or did. */
static bool has_slow(const struct sw_flight *f, const struct sw_flight_era *e)
{
    const struct query *oldest =
        sw_list_empty(&e->queries) ? NULL : SW_CONTAINER(e->queries.next, struct query, of_era);
    return e->slow || (oldest && f->now_ms - oldest->asked_ms >= SW_FLIGHT_SLOW_MS);
}

/* The library takes a server for down after some questions in a row that it did not answer, and
 * then fails all others for a while without a packet, also where only the names of one domain stay
 * without an answer, and who asks for these may mean it. In a context that is new it counts as up:
 * the question is asked once more in one, and what is asked later, too. True: it is in flight. */
static bool ask_anew(struct sw_flight *f, struct query *q, const struct sw_dns_answer *a)
{
    struct sw_flight_era *e = q->era;
    enum sw_status how;
    bool at_once = f->now_ms - q->asked_ms < SW_FLIGHT_AT_ONCE_MS;
    e->slow |= f->now_ms - q->asked_ms >= SW_FLIGHT_SLOW_MS;
    if (a->status != SW_PEER_DNS || !at_once || sw_list_empty(&q->askers) || e != now_of(f) ||
        !has_slow(f, e) || f->now_ms < f->anew_at_ms + SW_FLIGHT_ANEW_MS ||
        f->queries >= e->conf.questions_max)
        return false;
    sw_flight_adopt(f, &e->conf, f->now_ms);
    if (now_of(f) == e)
        return false;
    f->anew_at_ms = f->now_ms;
    struct query *x = start(f, bucket_of(f, &q->question), &q->question, &how);
    if (!x)
        return false;
    SW_LOG(SW_LEVEL_INFO, "dns_anew", sw_field_str("name", q->question.name),
           sw_field_str("why", "the library took the servers for down, since some questions had no "
                               "answer: it is started anew"));
    for (struct sw_list *at = q->askers.next; at != &q->askers; at = at->next)
        SW_CONTAINER(at, struct asker, node)->query = x;
    sw_list_splice(&x->askers, &q->askers);
    return true;
}

/* ---- time ---- */

static void late(struct sw_flight *f, struct asker *a)
{
    const struct sw_dns_answer none = {.status = SW_PEER_DNS, .ttl_s = SW_DNS_TTL_FAILED_S};
    const struct sw_dns_asker who = a->who;
    struct query *q = a->query;
    const struct sw_dns_result r = {.question = &q->question,
                                    .answer = &none,
                                    .how = SW_PEER_TIMEOUT,
                                    .version = q->era->conf.version};
    drop_asker(f, a);
    q->era->slow |= f->now_ms - q->asked_ms >= SW_FLIGHT_SLOW_MS;
    if (sw_list_empty(&q->askers))
        say(&q->question, &none, "no answer within dns.timeout");
    tell(f, &who, &r);
}

void sw_flight_run(struct sw_flight *f, int64_t now_ms)
{
    struct sw_timer *t;
    f->now_ms = now_ms;
    for (struct sw_list *at = f->eras.next, *next; at != &f->eras; at = next) {
        struct sw_flight_era *e = SW_CONTAINER(at, struct sw_flight_era, node);
        next = at->next;
        if (e->context)
            sw_dns_context_run(e->context);
        if (next != &f->eras && (sw_list_empty(&e->queries) || e->until_ms <= now_ms))
            drop_era(f, e);
    }
    while ((t = sw_timers_pop(&f->timers, now_ms)))
        late(f, SW_CONTAINER(t, struct asker, timer));
}

int64_t sw_flight_deadline(const struct sw_flight *f)
{
    int64_t at = sw_timers_next(&f->timers);
    for (const struct sw_list *e = f->eras.next; e->next != &f->eras; e = e->next) {
        int64_t until = ((const struct sw_flight_era *)(const void *)e)->until_ms;
        at = until < at ? until : at;
    }
    return at;
}

enum sw_status sw_flight_init(struct sw_flight *f, const struct sw_dns_conf *conf,
                              const struct sw_flight_user *u, int64_t now_ms)
{
    *f = (struct sw_flight){.u = *u,
                            .now_ms = now_ms,
                            .limited_at_ms = now_ms - SW_FLIGHT_TOLD_MS,
                            .anew_at_ms = now_ms - SW_FLIGHT_ANEW_MS};
    sw_list_init(&f->eras);
    for (int i = 0; i < SW_FLIGHT_BUCKETS; i++)
        sw_list_init(&f->buckets[i]);
    sw_timers_init(&f->timers, now_ms);
    sw_slab_init(&f->slab);
    enum sw_status s = sw_random(&f->seed, sizeof(f->seed));
    if (s == SW_OK && !add_era(f, conf))
        s = SW_LIMIT_MEMORY;
    return s;
}

void sw_flight_fini(struct sw_flight *f)
{
    f->u.answer = NULL;
    while (!sw_list_empty(&f->eras))
        drop_era(f, SW_CONTAINER(f->eras.next, struct sw_flight_era, node));
    sw_slab_fini(&f->slab);
}
