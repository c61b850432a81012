#include "worker/lookup.h"

#include "sys/log.h"

/* What stands behind the head of SW_MAIL_ANSWER; the records follow. */
struct answer_mail {
    struct sw_dns_question question;
    struct sw_dns_answer answer; /* without its records */
    uint32_t version;
};

static void answer_later(struct sw_worker *w, struct sw_ref job, const struct sw_dns_answer *a)
{
    struct sw_pending *p = sw_worker_later(w, SW_EV_ANSWER, SW_OK);
    if (!p) /* memory is out; who asked has a timer */
        return;
    p->ev.job = job;
    p->answer = *a;
}

void sw_worker_lookup(struct sw_worker *w, const struct sw_lookup_act *a)
{
    struct sw_dns_answer failed = {.status = SW_PEER_DNS};
    const struct sw_dns_asker who = {a->job, w->index};
    struct sw_dns_answer known;
    if (sw_dnscache_get(&w->dns, &a->question, w->now_ms, &known)) {
        sw_count(w->counters, SW_COUNT_DNS_CACHED);
        answer_later(w, a->job, &known);
        return;
    }
    enum sw_status s =
        w->all->resolver ? sw_resolver_ask(w->all->resolver, &a->question, &who) : SW_SYS;
    sw_count(w->counters, s == SW_OK ? SW_COUNT_DNS_ASKED : SW_COUNT_DNS_FAILED);
    if (s == SW_OK)
        return;
    if (s == SW_LIMIT)
        sw_count(w->counters, SW_LIMITED_DNS_QUESTIONS);
    if (sw_status_class(s) == SW_CLASS_LIMIT) /* whoever asked is told that it was not asked */
        failed.status = s;
    answer_later(w, a->job, &failed);
}

void sw_worker_dns_answer(void *workers, const struct sw_dns_asker *who,
                          const struct sw_dns_result *r)
{
    struct sw_workers *all = workers;
    struct sw_worker *to = &all->worker[who->worker];
    struct sw_mail mail = {
        .kind = SW_MAIL_ANSWER, .from = who->worker, .job = who->job, .status = r->how};
    struct answer_mail x = {.question = *r->question, .answer = *r->answer, .version = r->version};
    x.answer.records = (struct sw_slice){NULL, 0};
    const struct sw_slice parts[] = {
        sw_slice((const char *)&mail, sizeof(mail)),
        sw_slice((const char *)&x, sizeof(x)),
        r->answer->records,
    };
    if (sw_mailbox_put(&to->mailbox, parts, 3) == SW_OK)
        return;
    /* who asked has a timer; the worker itself adds it to its counters */
    atomic_fetch_add_explicit(&to->answers_lost, 1, memory_order_relaxed);
    SW_LOG(SW_LEVEL_WARN, "dns_answer_lost", sw_field_number("worker", to->index),
           sw_field_str("name", r->question->name), sw_field_str("why", "its mailbox is full"));
}

static void count(struct sw_worker *w, const struct sw_mail *m, const struct sw_dns_answer *a)
{
    uint32_t lost = atomic_exchange_explicit(&w->answers_lost, 0, memory_order_relaxed);
    if (lost)
        sw_count_many(w->counters, SW_LIMITED_MAILBOX, lost);
    if (m->status == SW_LIMIT)
        sw_count(w->counters, SW_LIMITED_DNS_QUESTIONS);
    if (sw_status_class(a->status) == SW_CLASS_DENIED)
        sw_count(w->counters, SW_COUNT_DNS_BOGUS);
    else if (a->status == SW_PEER_DNS)
        sw_count(w->counters, SW_COUNT_DNS_FAILED);
}

void sw_worker_answered(struct sw_worker *w, const struct sw_mail *m, struct sw_slice bytes)
{
    struct answer_mail x;
    if (bytes.n < sizeof(x))
        return; /* nobody sends that */
    memcpy(&x, bytes.p, sizeof(x));
    x.answer.records = sw_slice_from(bytes, sizeof(x));
    count(w, m, &x.answer);
    if (x.version == w->dns.version) /* not what other servers said, or under other anchors */
        sw_count_many(
            w->counters, SW_LIMITED_DNS_CACHE,
            sw_dnscache_put(&w->dns, &x.question, &x.answer, w->conf->dns_cache, w->now_ms));
    if (sw_status_class(m->status) == SW_CLASS_LIMIT)
        x.answer.status = m->status;
    const struct sw_event ev = {.kind = SW_EV_ANSWER, .job = m->job, .answer = &x.answer};
    sw_worker_event(w, &ev);
}

void sw_worker_dns_adopt(struct sw_worker *w)
{
    if (w->dns.version != w->conf->dns_version)
        sw_dnscache_clear(&w->dns, w->conf->dns_version);
}
