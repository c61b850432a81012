#include "proxy/alias.h"
#include "proxy/blame.h"
#include "proxy/clear.h"
#include "proxy/hide.h"
#include "proxy/party.h"
#include "proxy/passive.h"
#include "proxy/sips.h"
#include "proxy/station.h"

/* The URI that says where a request goes: the topmost Route that remains, else the Request-URI as
 * rules have changed it. RFC 3261 16.6 step 7, 8.1.2 */
static bool next_uri(struct sw_fork *f, struct sw_uri *out)
{
    if (!f->routes->count)
        return sw_rewrite_target(&f->vitals.uri, f->rewrite, &f->arena, out);
    *out = f->routes->next;
    return true;
}

/* What may be used to reach a target: the transports of a peer, or the one that was chosen. */
static struct sw_locate_goal goal_of(const struct sw_proxy *p, const struct sw_uri *u,
                                     const struct sw_target *t)
{
    const struct sw_peer_conf *peer = sw_proxy_peer(p->conf, t->peer);
    struct sw_locate_goal g = {
        .tls_only = t->transport == SW_TLS,
        .have = (uint8_t)SW_LOCATE_BIT(t->transport),
        .families = sw_location_families(p->conf, t->listener),
    };
    if (t->locate == SW_TARGET_PEER && peer && peer->domain_count) {
        g.host = peer->domains[0]; /* "RFC 3263 starts from the first" */
        g.have = (uint8_t)(peer->tls ? SW_LOCATE_BIT(SW_TLS)
                                     : (peer->udp ? SW_LOCATE_BIT(SW_UDP) : 0) |
                                           (peer->tcp ? SW_LOCATE_BIT(SW_TCP) : 0));
    } else if (t->locate == SW_TARGET_HOP) {
        g.host = sw_target_host(u);
        g.port = u->port;
        g.transport = u->transport;
        g.sips = u->scheme == SW_SCHEME_SIPS;
    }
    return g;
}

/* "A proxy MUST NOT forward the request to a SIPS Request-URI" if it came with a SIP one, nor the
 * other way round. A tel URI that came without TLS leaves as sip, since who sent it could not go on
 * with the call; so does one with a sip Contact, which would not go with sips: RFC 3261 8.1.1.8.
 * RFC 5630 5.3 */
static enum sw_number_as number_as(const struct sw_fork *f)
{
    enum sw_scheme asked = sw_target_scheme(&f->vitals, f->routes);
    bool may_be_sips =
        sw_transport_secure((enum sw_transport)f->in.transport) && sw_sips_contact_fits(&f->msg);
    return asked == SW_SCHEME_SIPS                  ? SW_NUMBER_AS_SIPS
           : asked == SW_SCHEME_SIP || !may_be_sips ? SW_NUMBER_AS_SIP
                                                    : SW_NUMBER_AS_FOUND;
}

static struct sw_location *start(struct sw_proxy *p, struct sw_fork *f, const struct sw_target *t)
{
    char number[SW_ENUM_NUMBER_MAX + 1];
    struct sw_uri u;
    if (t->locate == SW_TARGET_ENUM ? !sw_rewrite_target(&f->vitals.uri, f->rewrite, &f->arena, &u)
                                    : !next_uri(f, &u))
        return NULL;
    struct sw_locate_goal g = goal_of(p, &u, t);
    bool dane =
        sw_location_wants_dane(p->conf, sw_proxy_peer(p->conf, t->peer), t->listener, g.host);
    if (t->locate != SW_TARGET_ENUM)
        return sw_location_start(p, &g, dane, NULL, SW_USER_BRANCH);
    if (!sw_number_of(p->conf, &u, number))
        return NULL;
    return sw_location_start_number(p, number, t->suffix, number_as(f), &g, t->listener, NULL,
                                    SW_USER_BRANCH);
}

/* ---- what came of it ---- */

/* True if nothing but TLS will do for what was looked for: a sips URI, a sips Route. RFC
 * 3261 26.2.2, RFC 5630 5.1.1 */
static bool demands_tls(const struct sw_fork *f, const struct sw_location *x)
{
    return x->number ? sw_location_demands_tls(x) : sw_tls_is_demanded(&f->vitals, f->routes);
}

/* The domain exists, and nothing leads there as the request must go. RFC 5630 5.3: 480, and 380 if
 * it must go over TLS. */
static struct sw_number_answer not_this_way(unsigned end, bool needs_tls)
{
    uint16_t warning = needs_tls ? SW_WARN_SIPS_NOT_ALLOWED : 0;
    if (end != SW_LOCATE_NOT_THERE)
        return (struct sw_number_answer){"Domain Not Reachable From Here", 480, warning};
    if (needs_tls)
        return (struct sw_number_answer){"Domain Has No SIPS Server", 480, warning};
    return (struct sw_number_answer){"Domain Has No SIP Server", 404, 0};
}

/* An answer that is not believed: nobody is accused who only did not sign. RFC 4035 5.5 */
static struct sw_number_answer disbelieved(const struct sw_location *x)
{
    bool forged = x->forged, bare = false;
    for (int i = 0; i < x->locate->step_count; i++) {
        forged |= x->locate->step[i].status == SW_DENIED_BOGUS;
        bare |= x->locate->step[i].status == SW_DENIED_UNSIGNED;
    }
    for (int i = 0; x->number && i < x->number->asked; i++) {
        forged |= x->number->status[i] == SW_DENIED_BOGUS;
        bare |= x->number->status[i] == SW_DENIED_UNSIGNED;
    }
    return bare && !forged ? (struct sw_number_answer){"DNS Answer Not Signed", 503, 0}
                           : sw_number_unfit(SW_NUMBER_FORGED);
}

/* What the sender is told. That a peer of ours is not found is our fault. RFC 3261 16.9, 21.4.5 */
static struct sw_number_answer failure_of(const struct sw_fork *f, const struct sw_location *x,
                                          bool peer)
{
    bool number = x->number && !x->asks_host;
    if (x->forged) /* what is behind it cannot be told */
        return sw_number_unfit(SW_NUMBER_FORGED);
    if (x->unfit > SW_NUMBER_NOT_SIPS || (x->unfit && number))
        return sw_number_unfit((enum sw_number_fit)x->unfit);
    unsigned end = number ? x->number->end : x->locate->end;
    if (end == (number ? (unsigned)SW_ENUM_BOGUS : (unsigned)SW_LOCATE_BOGUS))
        return disbelieved(x);
    if (end == (number ? (unsigned)SW_ENUM_SILENT : (unsigned)SW_LOCATE_SILENT))
        return sw_number_unfit(SW_NUMBER_SILENT);
    if (peer)
        return (struct sw_number_answer){"Next Hop Not In DNS", 503, 0};
    if (number)
        return sw_number_unfit(SW_NUMBER_FITS); /* there is none */
    if (end == SW_LOCATE_NO_NAME)
        return (struct sw_number_answer){"Domain Does Not Exist", 404, 0};
    return not_this_way(end, demands_tls(f, x));
}

static void consider(struct sw_fork *f, struct sw_number_answer a)
{
    if (sw_fork_consider(f, a.status, NULL, a.phrase))
        f->warning = a.warning;
}

static void note_failed(struct sw_proxy *p, const struct sw_fork *f, const struct sw_target *t,
                        const struct sw_location *x, bool goes_on)
{
    bool usual = goes_on && t->locate == SW_TARGET_ENUM; /* few numbers are in ENUM */
    const struct sw_field fields[] = {
        sw_field_text("peer", sw_proxy_peer_name(p, t->peer)),
        sw_field_text("uri", sw_msg_uri(&f->msg)),
        sw_field_text("why", sw_location_reason(p, x)),
        sw_field_text("call_id", f->vitals.call_id),
        sw_field_str("then", goes_on ? "the next target is tried" : "there is no further target"),
    };
    sw_engine_note(p->e, usual ? SW_LEVEL_INFO : SW_LEVEL_WARN, "location_failed", fields, 5);
}

/* Reason phrase and name: "Domain Does Not Exist: example.org". */
static const char *with_name(struct sw_fork *f, const struct sw_location *x, const char *phrase)
{
    const char *name = x->unfit > SW_NUMBER_NOT_SIPS ? "" : x->locate->host;
    size_t cap = strlen(phrase) + strlen(name) + 3;
    char *text = name[0] && strlen(name) < 80 ? sw_arena_get(&f->arena, cap) : NULL;
    struct sw_buf b = sw_buf(text, cap);
    if (!text)
        return phrase;
    sw_buf_str(&b, phrase);
    sw_buf_lit(&b, ": ");
    sw_buf_str(&b, name);
    sw_buf_char(&b, 0);
    return text;
}

/* What was asked, and what is tried first. */
static void note_located(struct sw_proxy *p, const struct sw_fork *f, const struct sw_target *t,
                         const struct sw_location *x, const struct sw_choice *c)
{
    char *text = sw_arena_get(&p->e->scratch, SW_ENDPOINT_TEXT_MAX);
    const struct sw_target *first = &c->found[0];
    if (!text)
        return;
    const struct sw_field fields[] = {
        sw_field_text("peer", sw_proxy_peer_name(p, t->peer)),
        sw_field_text("uri", sw_msg_uri(&f->msg)),
        sw_field_text("steps", sw_location_reason(p, x)),
        sw_field_number("places", c->found_end),
        sw_field_str("first", sw_endpoint_text(&first->remote, text)),
        sw_field_text("transport", sw_transport_name((enum sw_transport)first->transport)),
        sw_field_text("call_id", f->vitals.call_id),
    };
    sw_engine_note(p->e, SW_LEVEL_DEBUG, "located", fields, 7);
}

static void failed(struct sw_proxy *p, struct sw_fork *f, struct sw_choice *c,
                   const struct sw_target *t, const struct sw_location *x)
{
    bool peer = t->locate == SW_TARGET_PEER;
    struct sw_number_answer a = failure_of(f, x, peer);
    bool absent = x->locate->end == SW_LOCATE_NO_NAME || x->locate->end == SW_LOCATE_NOT_THERE;
    sw_clear_begin(c, t);
    sw_clear_outcome(c, t, peer && absent); /* "or has no SRV": docs/config.md "In the clear" */
    if (peer && !sw_blame_is_unasked(x->locate)) /* any other name was the sender's choice */
        sw_blame_peer(p, f, c, t, "the DNS does not say where it is");
    if (t->locate == SW_TARGET_ENUM && sw_location_forged(x)) { /* nobody shall lead calls away */
        sw_choice_close(c);
        f->target_next = f->target_count;
    }
    bool goes_on = sw_branch_has_next(p, f, c);
    note_failed(p, f, t, x, goes_on);
    bool nameless = peer || sw_hide_wanted(p->conf, f->in.peer); /* it may be one of the inside */
    if (t->locate == SW_TARGET_ENUM && goes_on)
        a = (struct sw_number_answer){.status = 503}; /* whatever comes of the peers says more */
    else if (!nameless)
        a.phrase = with_name(f, x, a.phrase);
    consider(f, a);
}

/* Whose a place of the DNS is: the peer's whose domain was asked for, else that of whoever proves
 * the domain, never the name in an SRV record. RFC 5922 4, RFC 3263 */
static void name_owner(const struct sw_proxy *p, struct sw_target *t, struct sw_slice domain)
{
    const struct sw_peer_conf *peer = sw_proxy_peer_of_domain(p->conf, domain);
    if (peer) {
        t->peer = peer->id;
        t->listener = peer->listener;
        t->timeout_ms = peer->timeout_ms;
        t->alias = sw_alias_used(peer);
        t->domain = domain;
        return;
    }
    t->peer = sw_proxy_domain_id(p->conf, domain);
    t->domain = domain;
}

/* "sips:" becomes "sip:", over TLS as before. False: memory is out. RFC 5630 5.1.1.1, 5.3 */
static bool write_sip(struct sw_fork *f, struct sw_target *t, struct sw_uri *u)
{
    if (u->scheme != SW_SCHEME_SIPS)
        return true;
    size_t n = t->uri.n - 1;
    char *p = sw_arena_get(&f->arena, n);
    if (!p)
        return false;
    memcpy(p, "sip", 3);
    memcpy(p + 3, t->uri.p + 4, n - 3);
    t->uri = sw_slice(p, n);
    return sw_uri_parse(t->uri, u, NULL) == SW_OK;
}

/* ENUM names the Request-URI anew, and so who is wanted. False: that is not allowed, since a
 * reload. */
static bool take_number(struct sw_proxy *p, struct sw_fork *f, struct sw_target *t,
                        const struct sw_location *x)
{
    struct sw_uri u;
    t->uri = sw_arena_dup(&f->arena, sw_slice_str(x->number->uri));
    if (!t->uri.p || sw_uri_parse(t->uri, &u, NULL) != SW_OK ||
        (x->as == SW_NUMBER_AS_SIP && !write_sip(f, t, &u))) {
        sw_fork_consider(f, 503, NULL, "Out Of Resources");
        return false;
    }
    enum sw_number_fit fit = sw_number_fit(p->conf, &u, (enum sw_number_as)x->as);
    if (fit != SW_NUMBER_FITS) {
        consider(f, sw_number_unfit(fit));
        return false;
    }
    name_owner(p, t, sw_target_host(&u));
    return true;
}

/* One place as a target. */
static struct sw_target place(const struct sw_proxy *p, const struct sw_target *t,
                              const struct sw_locate_place *x)
{
    const struct sw_peer_conf *peer = sw_proxy_peer(p->conf, t->peer);
    struct sw_target out = *t;
    out.locate = SW_TARGET_PLAIN;
    out.located = true;
    out.remote = x->remote;
    out.transport = x->transport;
    out.large_over_tcp = x->transport == SW_UDP && peer && peer->tcp;
    return out;
}

/* Those that failed lately come last, else the order is that of the DNS. RFC 3263 4.3 */
static void take_places(struct sw_proxy *p, struct sw_fork *f, struct sw_choice *c,
                        struct sw_target *found, const struct sw_target *t,
                        const struct sw_locate *x)
{
    uint32_t n = 0, most = p->conf->branches_max;
    most -= f->tried < most ? f->tried : most;
    if (x->place_count > most)
        sw_proxy_count(p, SW_LIMITED_BRANCHES);
    for (int avoided = 0; avoided < 2; avoided++)
        for (int i = 0; i < x->place_count && n < most; i++) {
            const struct sw_locate_place *at = &x->place[i];
            if (sw_avoid_has(p->avoid, t->peer, &at->remote, at->transport, p->e->now_ms) !=
                avoided)
                continue;
            found[n] = place(p, t, at);
            if (!sw_location_dane(&f->arena, x, at, &found[n].dane)) {
                sw_fork_consider(f, 503, NULL, "Out Of Resources");
                continue;
            }
            found[n].alternative = t->alternative || n > 0;
            n++;
        }
    if (n < (uint32_t)x->place_count)
        sw_clear_skipped(c, t);
    c->found = found;
    c->found_next = 0;
    c->found_end = n;
    c->found_more = n < (uint32_t)x->place_count;
}

/* What has to be proved is the domain that was looked up. RFC 5922 4. False: it was another's when
 * it was looked for, such as a peer's that a reload took away. */
static bool still_wanted(const struct sw_proxy *p, struct sw_fork *f, struct sw_target *t)
{
    struct sw_uri u;
    const struct sw_peer_conf *peer = sw_proxy_peer(p->conf, t->peer);
    if (peer && t->locate == SW_TARGET_PEER && peer->domain_count)
        t->domain = sw_arena_dup(&f->arena, peer->domains[0]); /* the next reload takes it away */
    if (t->locate != SW_TARGET_HOP)
        return true;
    if (!next_uri(f, &u))
        return peer;
    if (!peer || sw_party_domain_of(peer, sw_target_host(&u)))
        t->domain = sw_target_host(&u);
    return peer || sw_party_may_be_at(p->conf, t->peer, t->domain);
}

static void take(struct sw_proxy *p, struct sw_fork *f, struct sw_choice *c,
                 const struct sw_target *target, const struct sw_location *x)
{
    struct sw_target t = *target;
    if (!still_wanted(p, f, &t)) {
        sw_fork_consider(f, 480, NULL, "Next Hop Not Configured Any More");
        return;
    }
    bool found = x->locate->end == SW_LOCATE_FOUND && (!x->number || x->asks_host);
    struct sw_target *list =
        found ? sw_arena_get(&f->arena, x->locate->place_count * sizeof(*list)) : NULL;
    if (!found)
        failed(p, f, c, target, x);
    else if (!list) {
        sw_clear_skipped(c, target);
        sw_fork_consider(f, 503, NULL, "Out Of Resources");
    } else if (!x->number || take_number(p, f, &t, x)) {
        take_places(p, f, c, list, &t, x->locate);
        if (c->found_end)
            note_located(p, f, &t, x, c);
    }
}

/* ---- the station ---- */

bool sw_branch_locate(struct sw_proxy *p, struct sw_fork *f, struct sw_choice *c,
                      const struct sw_target *t)
{
    if (t->locate == SW_TARGET_PEER) /* else the name was the sender's choice */
        sw_passive_trying(p, sw_proxy_peer(p->conf, t->peer));
    struct sw_location *x = start(p, f, t);
    struct sw_branch *b = x && !sw_location_over(x) ? sw_arena_get(&f->arena, sizeof(*b)) : NULL;
    if (x && sw_location_over(x))
        take(p, f, c, t, x);
    else if (!b) {
        sw_clear_skipped(c, t);
        sw_fork_consider(f, 503, NULL, "Out Of Resources");
    }
    if (!b) {
        if (x)
            sw_location_drop(p, x->ref);
        return false;
    }
    *b = (struct sw_branch){
        .fork = f, .choice = c, .target = *t, .state = SW_BRANCH_LOCATING, .location = x->ref};
    x->user = b;
    sw_timer_init(&b->timer_c, SW_TK_TIMER_C);
    sw_timer_init(&b->answer, SW_TK_ANSWER);
    sw_list_add(&f->branches, &b->node);
    if (sw_branch_has_next(p, f, c) && t->timeout_ms)
        sw_timer_start(&p->e->timers, &b->answer, p->e->now_ms + t->timeout_ms);
    return true;
}

void sw_branch_located(struct sw_proxy *p, struct sw_branch *b)
{
    const struct sw_location *x = sw_location_get(p, b->location);
    if (x)
        take(p, b->fork, b->choice, &b->target, x);
    sw_branch_done(p, b);
    sw_branch_go_on(p, b);
}

void sw_branch_mark(struct sw_proxy *p, const struct sw_target *t, bool failed)
{
    if ((!t->located && !t->listed) || !p->conf->avoid_ms)
        return;
    if (failed)
        sw_avoid_add(p->avoid, t->peer, &t->remote, t->transport,
                     p->e->now_ms + (int64_t)p->conf->avoid_ms);
    else
        sw_avoid_clear(p->avoid, t->peer, &t->remote, t->transport);
}
