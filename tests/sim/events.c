#include "sim/inside.h"

#include "sip/edit.h"
#include <assert.h>
#include <stdlib.h>

uint64_t sim_random(struct sim *s, uint64_t n)
{
    s->random ^= s->random << 13; /* xorshift64: repeatable, nothing more */
    s->random ^= s->random >> 7;
    s->random ^= s->random << 17;
    return n ? s->random % n : 0;
}

bool sim_chance(struct sim *s, unsigned per_1000)
{
    return per_1000 && sim_random(s, 1000) < per_1000;
}

int64_t sim_delay(struct sim *s)
{
    return s->net.delay_min_ms +
           (int64_t)sim_random(s, (uint64_t)(s->net.delay_max_ms - s->net.delay_min_ms) + 1);
}

static bool earlier(const struct sim_event *a, const struct sim_event *b)
{
    return a->at_ms != b->at_ms ? a->at_ms < b->at_ms : a->seq < b->seq;
}

struct sim_event *sim_later(struct sim *s, enum event_kind kind, struct sim_worker *to,
                            int64_t at_ms)
{
    struct sim_event *e = calloc(1, sizeof(*e));
    if (s->queue_n == s->queue_cap) {
        s->queue_cap = s->queue_cap ? s->queue_cap * 2 : 256;
        s->queue = realloc(s->queue, s->queue_cap * sizeof(*s->queue));
    }
    assert(e && s->queue && at_ms >= s->now_ms);
    *e = (struct sim_event){.at_ms = at_ms, .seq = s->seq++, .kind = kind, .to = to};
    size_t i = s->queue_n++;
    for (; i && earlier(e, s->queue[(i - 1) / 2]); i = (i - 1) / 2)
        s->queue[i] = s->queue[(i - 1) / 2];
    s->queue[i] = e;
    return e;
}

struct sim_event *sim_take(struct sim *s)
{
    struct sim_event *first = s->queue[0], *last = s->queue[--s->queue_n];
    size_t i = 0;
    for (;;) {
        size_t c = 2 * i + 1;
        if (c >= s->queue_n)
            break;
        if (c + 1 < s->queue_n && earlier(s->queue[c + 1], s->queue[c]))
            c++;
        if (!earlier(s->queue[c], last))
            break;
        s->queue[i] = s->queue[c];
        i = c;
    }
    if (s->queue_n)
        s->queue[i] = last;
    return first;
}

struct sim_event *sim_post(struct sim_worker *to, struct sim_worker *sender,
                           enum sim_mail_kind kind)
{
    struct sim *s = to->node->sim;
    const struct sim_net *net = &s->net;
    uint64_t n = ++s->stats.mails;
    if ((net->mail_max && to->mail_waiting >= net->mail_max) ||
        (n >= net->mail_full_from && n < net->mail_full_until)) {
        s->stats.mails_refused[kind]++;
        return NULL;
    }
    int64_t at =
        s->now_ms + (net->mail_ms ? (int64_t)sim_random(s, (uint64_t)net->mail_ms + 1) : 0);
    to->mail_at = at > to->mail_at ? at : to->mail_at;
    to->mail_waiting++;
    struct sim_event *e = sim_later(s, (enum event_kind)(MAIL + (int)kind), to, to->mail_at);
    e->sender = sender;
    return e;
}

void sim_carry(struct sim_event *e, const struct sw_slice *segs, size_t count)
{
    e->n = sw_segs_total(segs, count);
    e->bytes = malloc(e->n + 1);
    assert(e->bytes);
    sw_segs_copy(segs, count, e->bytes);
}

uint64_t sim_mails_refused(const struct sim *s)
{
    uint64_t n = 0;
    for (int i = 0; i < SIM_MAIL_KINDS; i++)
        n += s->stats.mails_refused[i];
    return n;
}
