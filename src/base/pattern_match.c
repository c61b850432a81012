#include "base/pattern_steps.h"

/* All ways to match are followed at once, a byte at a time (K. Thompson, 1968; R. Pike's form of it
 * that remembers groups). A step stands in a list once, so a byte costs at most as many steps as
 * the pattern has. Earlier in the list is preferred. */

enum { SLOTS = 2 * SW_PATTERN_GROUPS, NOT = 0xffff };

struct way {
    uint16_t step;
    uint16_t slot[SLOTS]; /* offsets: where groups start and end */
};

struct ways {
    uint32_t count;
    struct way w[SW_PATTERN_STEPS_MAX];
};

/* A step to be taken up, or a slot that gets its value back. */
struct todo {
    uint16_t at; /* number of the step or slot */
    uint16_t was;
    bool slot;
};

struct matcher {
    const struct sw_pattern *p;
    struct sw_slice s;
    size_t slot_bytes;                   /* of the slots that this pattern uses */
    uint32_t seen[SW_PATTERN_STEPS_MAX]; /* the round in which a step was taken up */
    uint32_t top;
    struct todo todo[SW_PATTERN_STEPS_MAX + 2];
    uint32_t round;
    struct ways lists[2];
};

/* True if a step that consumes nothing holds here. */
static bool holds(const struct matcher *m, const struct sw_pattern_step *st, size_t at)
{
    return st->kind == SW_STEP_START ? at == 0 : at == m->s.n;
}

static void push(struct matcher *m, unsigned step)
{
    m->todo[m->top++] = (struct todo){.at = (uint16_t)step};
}

static void push_slot(struct matcher *m, unsigned slot, uint16_t was)
{
    m->todo[m->top++] = (struct todo){.at = (uint16_t)slot, .was = was, .slot = true};
}

/* Takes up one step: what consumes a byte waits in the list, of others what follows is to do. */
static void take_up_one(struct matcher *m, struct ways *list, uint16_t i, size_t at,
                        uint16_t slot[SLOTS])
{
    const struct sw_pattern_step *st = &m->p->steps[i];
    switch ((enum sw_step_kind)st->kind) {
    case SW_STEP_FORK:
        push(m, st->b);
        push(m, st->a);
        return;
    case SW_STEP_JUMP:
        push(m, st->a);
        return;
    case SW_STEP_SAVE:
        push_slot(m, st->a, slot[st->a]);
        slot[st->a] = (uint16_t)at;
        push(m, i + 1U);
        return;
    case SW_STEP_START:
    case SW_STEP_END:
        if (holds(m, st, at))
            push(m, i + 1U);
        return;
    case SW_STEP_BYTE:
    case SW_STEP_ANY:
    case SW_STEP_SET:
    case SW_STEP_MATCH:
        list->w[list->count].step = i;
        memcpy(list->w[list->count++].slot, slot, m->slot_bytes);
        return;
    }
}

/* Takes up a step and all that follow from it without a byte, in the order of preference. A step is
 * taken up once in a round and leaves at most one thing more to do than before it: `todo` holds
 * that. */
static void take_up(struct matcher *m, struct ways *list, unsigned first, size_t at,
                    uint16_t slot[SLOTS])
{
    m->top = 0;
    push(m, first);
    while (m->top) {
        struct todo t = m->todo[--m->top];
        if (t.slot) {
            slot[t.at] = t.was;
        } else if (m->seen[t.at] != m->round) {
            m->seen[t.at] = m->round;
            take_up_one(m, list, t.at, at, slot);
        }
    }
}

static bool fits(const struct matcher *m, const struct sw_pattern_step *st, uint8_t byte)
{
    if (st->kind == SW_STEP_SET)
        return m->p->sets[st->a][byte / 8] >> byte % 8 & 1;
    return st->kind == SW_STEP_ANY || st->byte == byte;
}

/* Lets each way take a byte. True: one of them is a whole match, and those behind it are out. */
static bool advance(struct matcher *m, struct ways *now, struct ways *next, size_t at,
                    uint16_t found[SLOTS])
{
    next->count = 0;
    m->round++;
    for (uint32_t i = 0; i < now->count; i++) {
        struct way *w = &now->w[i];
        const struct sw_pattern_step *st = &m->p->steps[w->step];
        if (st->kind == SW_STEP_MATCH) {
            memcpy(found, w->slot, m->slot_bytes);
            return true;
        }
        if (at < m->s.n && fits(m, st, (uint8_t)m->s.p[at]))
            take_up(m, next, w->step + 1U, at + 1, w->slot);
    }
    return false;
}

bool sw_pattern_match(const struct sw_pattern *p, struct sw_slice s,
                      struct sw_slice group[SW_PATTERN_GROUPS])
{
    struct matcher m;
    uint16_t fresh[SLOTS], found[SLOTS];
    bool matches = false;
    for (unsigned i = 0; i < SW_PATTERN_GROUPS; i++)
        group[i] = (struct sw_slice){NULL, 0};
    if (s.n > SW_PATTERN_INPUT_MAX)
        return false;
    m.p = p;
    m.s = s = sw_slice(s.p ? s.p : "", s.n);
    m.slot_bytes = 2 * (p->groups + 1U) * sizeof(fresh[0]);
    m.round = 0;
    memset(m.seen, 0xff, p->step_count * sizeof(m.seen[0]));
    memset(fresh, 0xff, sizeof(fresh));
    memset(found, 0xff, sizeof(found));
    struct ways *now = &m.lists[0], *next = &m.lists[1];
    now->count = 0;
    for (size_t at = 0; at <= s.n; at++) {
        if (!matches)
            take_up(&m, now, 0, at, fresh); /* a match may start here, if none did before */
        if (now->count == 0 && matches)
            break;
        matches |= advance(&m, now, next, at, found);
        struct ways *t = now;
        now = next;
        next = t;
    }
    for (unsigned i = 0; matches && i < SW_PATTERN_GROUPS; i++)
        if (found[2 * i] != NOT && found[2 * i + 1] != NOT)
            group[i] = sw_slice(s.p + found[2 * i], (size_t)(found[2 * i + 1] - found[2 * i]));
    return matches;
}
