#include "proxy/blame.h"

#include "proxy/clear.h"
#include "proxy/passive.h"

bool sw_blame_is_ours(enum sw_status status)
{
    return status == SW_SYS_AWAY ||
           (sw_status_class(status) == SW_CLASS_LIMIT && status != SW_LIMIT_SIZE);
}

bool sw_blame_is_unasked(const struct sw_locate *x)
{
    for (int i = 0; i < x->step_count; i++) {
        enum sw_status s = (enum sw_status)x->step[i].status;
        if (sw_status_class(s) == SW_CLASS_LIMIT && s != SW_LIMIT_SIZE) /* that is its records' */
            return true;
    }
    return false;
}

/* What is tried next in place of what failed; a clear target that may not be is passed over. */
static const struct sw_target *next_of(const struct sw_proxy *p, const struct sw_fork *f,
                                       const struct sw_choice *c)
{
    if (c->found_next < c->found_end)
        return &c->found[c->found_next];
    for (uint32_t i = c->next; i < c->end; i++) {
        const struct sw_target *t = &f->targets[i];
        if (!t->clear || sw_clear_may_be_tried(p, f, c, t))
            return t;
    }
    return NULL;
}

/* Where whoever is in a dialog sends a request says nothing of the peer. */
static bool is_blamed(const struct sw_proxy *p, const struct sw_fork *f, const struct sw_choice *c,
                      const struct sw_target *t)
{
    if (t->by_uri)
        return false;
    const struct sw_target *next = next_of(p, f, c);
    return !next || next->peer != t->peer;
}

void sw_blame_peer(struct sw_proxy *p, const struct sw_fork *f, const struct sw_choice *c,
                   const struct sw_target *t, const char *why)
{
    if (is_blamed(p, f, c, t))
        sw_passive_failed(p, sw_proxy_peer(p->conf, t->peer), why);
}

void sw_blame_loss(struct sw_proxy *p, const struct sw_fork *f, const struct sw_choice *c,
                   const struct sw_target *t)
{
    if (is_blamed(p, f, c, t))
        sw_passive_lost(p, sw_proxy_peer(p->conf, t->peer));
}
