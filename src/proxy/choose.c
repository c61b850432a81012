#include "proxy/choose.h"

#include "proxy/target.h"

/* -log2(h / 2^64) in 2^-32, by squaring: no floating point, whose last digits may differ between
 * machines. 1 at least. */
static uint64_t minus_log2(uint64_t h)
{
    h |= 1;
    unsigned zeros = (unsigned)__builtin_clzll(h);
    uint64_t x = h << zeros >> 32, fraction = 0; /* 1 <= x / 2^31 < 2 */
    for (int i = 0; i < 32; i++) {
        x = x * x >> 31;
        fraction <<= 1;
        if (x >> 32) {
            fraction |= 1;
            x >>= 1;
        }
    }
    return ((uint64_t)(zeros + 1) << 32) - fraction;
}

/* No secret key: the draw is to be the same on all nodes and after each restart, also where no key
 * is configured. Who picks Call-IDs so that they meet one peer must be a peer itself, and cannot
 * send that one more than its limits let through. */
static const struct sw_sip_key fixed = {UINT64_C(0x5369707761726421), UINT64_C(0x72656e64657a7621)};

static uint64_t draw(struct sw_sip_key key, uint32_t peer, struct sw_slice call_id)
{
    const uint8_t id[4] = {(uint8_t)peer, (uint8_t)(peer >> 8), (uint8_t)(peer >> 16),
                           (uint8_t)(peer >> 24)};
    struct sw_siphash h;
    sw_siphash_init(&h, key);
    sw_siphash_add(&h, id, sizeof(id));
    sw_siphash_slice(&h, call_id);
    return minus_log2(sw_siphash_end(&h).a);
}

uint64_t sw_choose_draw(uint32_t peer, struct sw_slice call_id)
{
    return draw(fixed, peer, call_id);
}

/* By weight the draw is a secret of the process: by chance for all others, and the same one for the
 * request that carries the credentials. */
static uint64_t draw_of(const struct sw_proxy *p, const struct sw_route_conf *r, uint32_t peer,
                        struct sw_slice call_id)
{
    if (r->choose == SW_CHOOSE_HASH)
        return sw_choose_draw(peer, call_id);
    return r->choose == SW_CHOOSE_WEIGHT ? draw(p->e->conf.table_key, peer, call_id) : 0;
}

void sw_choose_begin(struct sw_chooser *c, struct sw_proxy *p, const struct sw_route_conf *r,
                     struct sw_slice call_id, bool only_up)
{
    *c = (struct sw_chooser){.count = r->to_count, .how = r->choose, .prng = &p->e->prng};
    if (r->choose == SW_CHOOSE_ORDER && !r->order)
        return;
    uint32_t by = r->choose == SW_CHOOSE_LEAST_LOADED
                      ? sw_challenged_by(&p->challenged, call_id, p->e->now_ms)
                      : 0;
    c->left = sw_arena_get(&p->e->scratch, r->to_count * sizeof(*c->left));
    c->count = c->left ? 0 : r->to_count;
    for (uint32_t i = 0; c->left && i < r->to_count; i++) {
        const struct sw_peer_conf *peer = &p->conf->peers[r->to[i]];
        struct sw_load *load = sw_proxy_state(p, peer)->load;
        if (only_up && !sw_target_is_up(p, peer, p->e->now_ms))
            continue;
        c->left[c->count++] = (struct sw_candidate){
            .at = (uint16_t)i,
            .order = r->order ? r->order[i] : 0,
            .weight = r->weight ? r->weight[i] : 1,
            .load =
                load ? atomic_load_explicit(&load->way[SW_LOAD_TO].now, memory_order_relaxed) : 0,
            .draw = draw_of(p, r, peer->id, call_id),
            .challenged = peer->id == by,
        };
    }
}

/* True if `a` stands before `b` whatever the way of choosing. */
static bool ranks(const struct sw_candidate *a, const struct sw_candidate *b)
{
    if (a->challenged != b->challenged)
        return a->challenged;
    return a->order < b->order || (a->order == b->order && a->weight && !b->weight);
}

static bool same_rank(const struct sw_candidate *a, const struct sw_candidate *b)
{
    return !ranks(a, b) && !ranks(b, a);
}

static uint32_t share(const struct sw_candidate *x)
{
    return x->weight ? x->weight : 1;
}

/* True if `a` is the better of two of one rank; with neither better they are alike. */
static bool better(const struct sw_chooser *c, const struct sw_candidate *a,
                   const struct sw_candidate *b)
{
    if (c->how == SW_CHOOSE_LEAST_LOADED)
        return (uint64_t)a->load * share(b) < (uint64_t)b->load * share(a);
    /* weighted rendezvous: the least -log(hash) / weight; 38 bits times 16. The shares are those of
     * RFC 2782, among those that are left too */
    return (c->how == SW_CHOOSE_HASH || c->how == SW_CHOOSE_WEIGHT) &&
           a->draw * share(b) < b->draw * share(a);
}

/* Among those of the first rank, the best; among those alike one at random, in proportion to its
 * weight. RFC 2782 "Weight" */
static uint32_t pick(const struct sw_chooser *c)
{
    uint32_t best = c->next;
    uint64_t sum = share(&c->left[best]);
    bool random = c->how == SW_CHOOSE_LEAST_LOADED;
    for (uint32_t i = c->next + 1; i < c->count; i++) {
        const struct sw_candidate *x = &c->left[i], *b = &c->left[best];
        bool alike = same_rank(x, b);
        if (ranks(x, b) || (alike && better(c, x, b))) {
            best = i;
            sum = share(x);
        } else if (random && alike && !better(c, b, x)) {
            sum += share(x);
            if (sw_prng_next(c->prng) % sum < share(x))
                best = i;
        }
    }
    return best;
}

int32_t sw_choose_next(struct sw_chooser *c)
{
    if (c->next == c->count)
        return -1;
    if (!c->left)
        return (int32_t)c->next++;
    uint32_t best = pick(c);
    struct sw_candidate x = c->left[best];
    /* those before it move up, so that the rest stays in the order of the file */
    memmove(&c->left[c->next + 1], &c->left[c->next], (best - c->next) * sizeof(x));
    c->left[c->next] = x;
    c->next++;
    return x.at;
}
