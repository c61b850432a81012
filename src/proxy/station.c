#include "proxy/station.h"

/* A job names the location and, in the upper bits of its slot, the question. */
enum { STEP_SHIFT = 24, STEP_ENUM = 0xff };

static struct sw_ref job_of(const struct sw_location *x, uint32_t step)
{
    return (struct sw_ref){x->ref.slot | step << STEP_SHIFT, x->ref.generation};
}

uint8_t sw_location_families(const struct sw_proxy_conf *c, uint16_t listener)
{
    if (listener >= c->listener_count)
        return 0;
    const struct sw_listener_conf *l = &c->listeners[listener];
    if (l->transport != SW_UDP && sw_endpoint_is_wildcard(&l->address))
        return SW_LOCATE_IPV4 | SW_LOCATE_IPV6;
    return l->address.family == 6 ? SW_LOCATE_IPV6 : SW_LOCATE_IPV4;
}

bool sw_location_wants_dane(const struct sw_proxy_conf *c, const struct sw_peer_conf *peer,
                            uint16_t listener, struct sw_slice host)
{
    if (peer)
        return peer->dane && sw_peer_domain(peer, host);
    return listener < c->listener_count && c->listeners[listener].dane;
}

bool sw_location_dane(struct sw_arena *a, const struct sw_locate *x,
                      const struct sw_locate_place *place, struct sw_dane *out)
{
    const struct sw_dane is = sw_locate_dane(x, place);
    *out = (struct sw_dane){.records = {NULL, 0}};
    if (!is.records.n)
        return true;
    out->records = sw_arena_dup(a, is.records);
    out->host = sw_arena_dup(a, is.host);
    out->domain = sw_arena_dup(a, is.domain);
    return out->records.p && out->host.p && out->domain.p;
}

bool sw_location_over(const struct sw_location *x)
{
    if (x->number && !x->asks_host)
        return x->number->end != SW_ENUM_GOES_ON;
    return x->locate->end != SW_LOCATE_GOES_ON;
}

static bool put_question(struct sw_proxy *p, const struct sw_location *x, uint32_t step,
                         const struct sw_dns_question *q)
{
    struct sw_action *a = sw_engine_has_room(p->e) ? sw_action_add(p->e->out, SW_ACT_LOOKUP) : NULL;
    if (a) {
        a->lookup.job = job_of(x, step);
        a->lookup.question = *q;
    }
    return a;
}

/* A peer's addresses stand "instead of DNS". */
static bool configured(const struct sw_proxy *p, struct sw_locate *x, struct sw_slice host)
{
    const struct sw_peer_conf *peer = sw_proxy_peer_of_domain(p->conf, host);
    for (uint32_t i = 0; peer && i < peer->address_count && i < SW_LOCATE_PLACES_MAX; i++) {
        struct sw_locate_place *at = &x->place[x->place_count++];
        *at = (struct sw_locate_place){
            .remote = peer->addresses[i], .transport = SW_TLS, .step = -1, .tlsa = -1};
        at->remote.port = at->remote.port ? at->remote.port : sw_transport_port(SW_TLS);
    }
    if (x->place_count)
        x->end = SW_LOCATE_FOUND;
    return x->place_count > 0;
}

/* Why a URI that ENUM found is not used. The next one takes its place before this is written. */
static void note_passed(struct sw_proxy *p, const struct sw_location *x, enum sw_number_fit fit)
{
    enum { SHORT = 64, WITH_QUESTIONS = 2048 };
    struct sw_buf b = sw_engine_buf(p->e, x->asks_host ? WITH_QUESTIONS : SHORT);
    if (x->asks_host)
        sw_locate_put_reason(&b, x->locate);
    else
        sw_buf_str(&b, sw_number_unfit(fit).phrase);
    const struct sw_field fields[] = {
        sw_field_text("number", sw_arena_dup(&p->e->scratch, sw_slice_str(x->number->number))),
        sw_field_text("uri", sw_arena_dup(&p->e->scratch, sw_slice_str(x->number->uri))),
        sw_field_text("why", sw_buf_view(&b)),
    };
    sw_engine_note(p->e, SW_LEVEL_INFO, "number_uri_passed", fields, 3);
}

/* On to the next record. Of several failures the first one is told that is not about the scheme
 * only: that URI was none for this request. */
static void pass(struct sw_proxy *p, struct sw_location *x, enum sw_number_fit fit)
{
    note_passed(p, x, fit);
    if (x->unfit == SW_NUMBER_FITS || x->unfit == SW_NUMBER_NOT_SIPS)
        x->unfit = (uint8_t)fit;
    x->forged |= fit == SW_NUMBER_FORGED;
    x->asks_host = false;
    sw_enum_pass(x->number);
}

/* The goal that a URI found by ENUM is, if it fits. */
static void locate_uri(struct sw_proxy *p, struct sw_location *x)
{
    struct sw_uri u;
    struct sw_locate_goal g = x->rest;
    enum sw_number_fit fit = SW_NUMBER_LOST;
    if (sw_uri_parse(sw_slice_str(x->number->uri), &u, NULL) == SW_OK)
        fit = sw_number_fit(p->conf, &u, (enum sw_number_as)x->as);
    if (fit != SW_NUMBER_FITS) {
        pass(p, x, fit);
        return;
    }
    x->asks_host = true;
    x->located++;
    memset(x->locate, 0, sizeof(*x->locate));
    if (x->tlsa)
        x->tlsa->n = 0;
    if (configured(p, x->locate, u.maddr.n ? u.maddr : u.host))
        return;
    g.host = u.maddr.n ? u.maddr : u.host;
    g.port = u.port;
    g.transport = u.transport;
    g.sips = u.scheme == SW_SCHEME_SIPS;
    const struct sw_peer_conf *peer = sw_proxy_peer_of_domain(p->conf, g.host);
    bool dane = sw_location_wants_dane(p->conf, peer, x->listener, g.host);
    g.tlsa = dane && !x->number->any_unsigned ? x->tlsa : NULL; /* "the entire chain": RFC 7673 3 */
    sw_locate_start(x->locate, &g);
}

/* Asks what is to be asked; what cannot be asked for lack of room has no answer. */
static void ask(struct sw_proxy *p, struct sw_location *x)
{
    static const struct sw_dns_answer none = {.status = SW_LIMIT};
    const struct sw_dns_question *q;
    uint32_t step;
    while ((q = sw_locate_next(x->locate, &step)))
        if (!put_question(p, x, step, q))
            sw_locate_answer(x->locate, step, &none, &p->e->prng);
}

/* A URI whose host is nowhere to be found, and another record may lead to one that is. */
static bool may_pass(const struct sw_location *x)
{
    return x->asks_host && x->locate->end != SW_LOCATE_GOES_ON &&
           x->locate->end != SW_LOCATE_FOUND && x->located < SW_NUMBER_LOCATED_MAX &&
           x->number->rule_count;
}

bool sw_location_demands_tls(const struct sw_location *x)
{
    return x->as != SW_NUMBER_AS_SIP &&
           sw_slice_starts_case(sw_slice_str(x->number->uri), SW_SLICE("sips:"));
}

bool sw_location_forged(const struct sw_location *x)
{
    return x->forged || x->locate->end == SW_LOCATE_BOGUS ||
           (x->number && x->number->end == SW_ENUM_BOGUS);
}

static enum sw_number_fit lost(const struct sw_location *x)
{
    unsigned end = x->locate->end;
    bool exists = end == SW_LOCATE_NOT_THERE || end == SW_LOCATE_UNFIT;
    return end == SW_LOCATE_SILENT                ? SW_NUMBER_SILENT
           : end == SW_LOCATE_BOGUS               ? SW_NUMBER_FORGED
           : exists && sw_location_demands_tls(x) ? SW_NUMBER_NO_TLS
                                                  : SW_NUMBER_LOST;
}

/* The question of ENUM, or those of the host of a URI that it found: record after record. */
static void ask_number(struct sw_proxy *p, struct sw_location *x)
{
    static const struct sw_dns_answer none = {.status = SW_LIMIT};
    const struct sw_dns_question *q;
    for (;;) {
        while ((q = sw_enum_next(x->number))) {
            if (put_question(p, x, STEP_ENUM, q))
                return;
            sw_enum_answer(x->number, &none, p->e->slab);
        }
        if (x->number->end != SW_ENUM_FOUND)
            return;
        if (!x->asks_host)
            locate_uri(p, x);
        if (!x->asks_host)
            continue;
        ask(p, x);
        if (!may_pass(x))
            return;
        pass(p, x, lost(x));
    }
}

static void go_on(struct sw_proxy *p, struct sw_location *x)
{
    if (x->number)
        ask_number(p, x);
    else
        ask(p, x);
}

static struct sw_location *make(struct sw_proxy *p, void *user, uint8_t user_kind, bool number,
                                bool dane)
{
    struct sw_ref ref = {0};
    struct sw_location *x = sw_table_add(&p->locations, (uint32_t)sw_prng_next(&p->e->prng), &ref);
    if (!x)
        return NULL;
    x->ref = ref;
    x->user = user;
    x->user_kind = user_kind;
    sw_timer_init(&x->timer, SW_TK_LOCATE);
    x->locate = sw_slab_get(p->e->slab, sizeof(*x->locate));
    x->number = number ? sw_slab_get(p->e->slab, sizeof(*x->number)) : NULL;
    x->tlsa = dane ? sw_slab_get(p->e->slab, sizeof(*x->tlsa)) : NULL;
    if (x->tlsa)
        x->tlsa->n = 0;
    if (!x->locate || (number && !x->number) || (dane && !x->tlsa)) {
        sw_location_drop(p, ref);
        return NULL;
    }
    sw_timer_start(&p->e->timers, &x->timer, p->e->now_ms + SW_LOCATION_WAIT_MS);
    return x;
}

struct sw_location *sw_location_start(struct sw_proxy *p, const struct sw_locate_goal *goal,
                                      bool dane, void *user, uint8_t user_kind)
{
    struct sw_location *x = make(p, user, user_kind, false, dane);
    struct sw_locate_goal g = *goal;
    if (!x)
        return NULL;
    g.tlsa = x->tlsa;
    sw_locate_start(x->locate, &g);
    ask(p, x);
    return x;
}

struct sw_location *sw_location_start_number(struct sw_proxy *p, const char *number,
                                             struct sw_slice suffix, enum sw_number_as as,
                                             const struct sw_locate_goal *rest, uint16_t listener,
                                             void *user, uint8_t user_kind)
{
    struct sw_location *x = make(p, user, user_kind, true, p->conf->any_dane);
    if (!x)
        return NULL;
    memset(x->locate, 0, sizeof(*x->locate));
    x->rest = *rest;
    x->listener = listener;
    x->rest.host = x->rest.transport = sw_slice("", 0);
    x->as = (uint8_t)as;
    sw_enum_start(x->number, number, suffix);
    go_on(p, x);
    return x;
}

struct sw_location *sw_location_get(const struct sw_proxy *p, struct sw_ref ref)
{
    return sw_table_get(&p->locations, ref);
}

struct sw_location *sw_location_answered(struct sw_proxy *p, const struct sw_event *ev)
{
    uint32_t step = ev->job.slot >> STEP_SHIFT;
    struct sw_ref ref = {ev->job.slot & ((1u << STEP_SHIFT) - 1), ev->job.generation};
    struct sw_location *x = sw_location_get(p, ref);
    if (!x || !ev->answer || sw_location_over(x))
        return NULL;
    if (step == STEP_ENUM && x->number)
        sw_enum_answer(x->number, ev->answer, p->e->slab);
    else if (step != STEP_ENUM)
        sw_locate_answer(x->locate, step, ev->answer, &p->e->prng);
    go_on(p, x);
    return sw_location_over(x) ? x : NULL;
}

void sw_location_due(struct sw_proxy *p, struct sw_location *x)
{
    static const struct sw_dns_answer none = {.status = SW_PEER_TIMEOUT};
    uint32_t step;
    if (x->number && !x->asks_host) {
        sw_enum_give_up(x->number);
        return;
    }
    while (x->locate->end == SW_LOCATE_GOES_ON) {
        while (sw_locate_next(x->locate, &step))
            ;
        for (step = 0; step < x->locate->step_count; step++)
            sw_locate_answer(x->locate, step, &none, &p->e->prng);
    }
}

void sw_location_drop(struct sw_proxy *p, struct sw_ref ref)
{
    struct sw_location *x = sw_location_get(p, ref);
    if (!x)
        return;
    sw_timer_stop(&p->e->timers, &x->timer);
    sw_slab_put(p->e->slab, x->locate, sizeof(*x->locate));
    sw_slab_put(p->e->slab, x->number, sizeof(*x->number));
    sw_slab_put(p->e->slab, x->tlsa, sizeof(*x->tlsa));
    sw_table_del(&p->locations, ref);
}

void sw_locations_fini(struct sw_proxy *p)
{
    struct sw_ref ref;
    for (uint32_t i = 0; p->locations.chunks && i < p->locations.slots; i++)
        if (sw_table_at(&p->locations, i, &ref))
            sw_location_drop(p, ref);
    sw_table_fini(&p->locations);
}

struct sw_slice sw_location_reason(struct sw_proxy *p, const struct sw_location *x)
{
    enum { ENOUGH = 2048 };
    struct sw_buf b = sw_engine_buf(p->e, ENOUGH);
    if (x->number)
        sw_enum_put_reason(&b, x->number);
    if (x->number && !x->asks_host)
        return sw_buf_view(&b);
    if (x->number)
        sw_buf_lit(&b, "; ");
    sw_locate_put_reason(&b, x->locate);
    return sw_buf_view(&b);
}
