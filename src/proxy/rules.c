#include "proxy/rules.h"

#include "proxy/rows.h"

/* ---- what is matched ---- */

static int hex(char c)
{
    char x = sw_ascii_lower(c);
    return sw_ascii_digit(x) ? x - '0' : x >= 'a' && x <= 'f' ? x - 'a' + 10 : -1;
}

static char capital(char c)
{
    return c >= 'a' && c <= 'f' ? (char)(c & ~0x20) : c;
}

/* unreserved = alphanum / mark: an escape of these says the same as the character. RFC 3261 25.1 */
static bool unreserved(int c)
{
    return (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z') ||
           (c && strchr("-_.!~*'()", c));
}

static struct sw_slice resolve(struct sw_slice s, char *room)
{
    size_t n = 0;
    for (size_t i = 0; i < s.n; i++) {
        int hi = s.p[i] == '%' && s.n - i > 2 ? hex(s.p[i + 1]) : -1;
        int lo = hi >= 0 ? hex(s.p[i + 2]) : -1;
        if (lo < 0) {
            room[n++] = s.p[i];
            continue;
        }
        if (unreserved(hi << 4 | lo)) {
            room[n++] = (char)(hi << 4 | lo);
        } else {
            room[n++] = '%';
            room[n++] = capital(s.p[i + 1]);
            room[n++] = capital(s.p[i + 2]);
        }
        i += 2;
    }
    return sw_slice(room, n);
}

static bool separator(char c)
{
    return c == '-' || c == '.' || c == '(' || c == ')';
}

/* A number without visual separators. `s` may stand in `room`. */
static struct sw_slice digits_only(struct sw_slice s, char *room)
{
    size_t n = 0;
    for (size_t i = 0; i < s.n; i++)
        if (!separator(s.p[i]))
            room[n++] = s.p[i];
    return n == s.n ? s : sw_slice(room, n);
}

/* The plus of a number is not escaped, RFC 3966 3: who receives "%2B" all the same reads it so. `s`
 * stands in `room`. */
static struct sw_slice plus(struct sw_slice s, char *room)
{
    if (!sw_slice_starts_case(s, SW_SLICE("%2B")))
        return s;
    room[0] = '+';
    memmove(room + 1, s.p + 3, s.n - 3);
    return sw_slice(room, s.n - 2);
}

/* "user=phone": the user part is a telephone-subscriber. RFC 3261 19.1.1 */
static bool is_phone(const struct sw_uri *u)
{
    struct sw_param x;
    return sw_uri_is_sip(u) && sw_uri_param_find(u, SW_SLICE("user"), &x) &&
           sw_slice_eq_case(x.value, SW_SLICE("phone"));
}

struct sw_slice sw_rules_user(const struct sw_uri *u, char *room, size_t cap)
{
    bool tel = u->scheme == SW_SCHEME_TEL;
    struct sw_slice s = tel ? u->host : u->user;
    if (!s.n || s.n > cap)
        return s;
    bool phone = !tel && is_phone(u);
    if (phone) /* its parameters are no part of the number, as those of a tel URI: RFC 3966 3 */
        s = sw_slice(s.p, sw_slice_find(s, ';'));
    if (!tel && memchr(s.p, '%', s.n))
        s = resolve(s, room);
    if (phone)
        s = plus(s, room);
    return tel || phone ? digits_only(s, room) : s;
}

static bool source_holds(const struct sw_rule_match *x, const struct sw_endpoint *remote)
{
    for (uint32_t i = 0; i < x->source_count; i++)
        if (sw_cidr_has(&x->sources[i], remote))
            return true;
    return x->source_count == 0;
}

const char *sw_rules_mismatch(const struct sw_rule_match *x, const struct sw_request *q,
                              struct sw_slice user)
{
    struct sw_slice group[SW_PATTERN_GROUPS];
    if (!source_holds(x, &q->flow->remote))
        return "source";
    for (uint32_t i = 0; i < x->header_count; i++)
        if (!sw_header_holds(&x->headers[i], q->m))
            return "header";
    if (x->user.code && sw_pattern_search(&x->user, user, group) == SW_PEER_MISSING)
        return "user_regex";
    return NULL;
}

void sw_rules_hash(const struct sw_proxy_conf *c, const struct sw_request *q, struct sw_siphash *h)
{
    if (c->rule_sources)
        sw_siphash_add(h, q->flow->remote.ip, sizeof(q->flow->remote.ip));
    for (uint32_t i = 0; i < c->rule_header_count; i++)
        for (uint32_t k = 0; k < q->m->hdr_count; k++)
            if (sw_row_is(q->m, &q->m->hdrs[k], c->rule_headers[i])) {
                sw_siphash_add(h, &i, sizeof(i));
                sw_siphash_slice(h, sw_hdr_value(q->m, &q->m->hdrs[k]));
            }
}

/* ---- what is set ---- */

/* The template with its groups, which the configuration has checked. */
static void expand(struct sw_buf *b, struct sw_slice text,
                   const struct sw_slice group[SW_PATTERN_GROUPS])
{
    for (size_t i = 0; i < text.n; i++) {
        if (text.p[i] == '\\' && i + 1 < text.n)
            sw_buf_slice(b, group[(text.p[++i] - '0') % SW_PATTERN_GROUPS]);
        else
            sw_buf_char(b, text.p[i]);
    }
}

/* Without its first `n` characters; an escape is one. */
static struct sw_slice strip(struct sw_slice s, uint32_t n)
{
    size_t at = 0;
    for (; n > 0 && at < s.n; n--)
        at += s.p[at] == '%' && s.n - at > 2 ? 3 : 1;
    return sw_slice_from(s, at);
}

/* The new user part in scratch memory. Empty: nothing is left. .p NULL: too long, or no memory. */
static struct sw_slice new_user(struct sw_proxy *p, const struct sw_rule_set *set,
                                const struct sw_request *q, struct sw_slice user,
                                const struct sw_slice group[SW_PATTERN_GROUPS])
{
    struct sw_buf text = sw_engine_buf(p->e, p->conf->uri_max);
    struct sw_buf out = sw_engine_buf(p->e, p->conf->uri_max);
    if (!text.p || !out.p)
        return (struct sw_slice){NULL, 0};
    if (set->user.p)
        expand(&text, set->user, group);
    else
        sw_buf_slice(&text, user);
    struct sw_slice rest = strip(sw_buf_view(&text), set->strip);
    if (q->v->uri.scheme == SW_SCHEME_TEL) {
        sw_buf_slice(&out, set->prefix);
        sw_buf_slice(&out, rest);
    } else {
        sw_rewrite_user(&out, set->prefix);
        sw_rewrite_user(&out, rest);
        if (out.n && is_phone(&q->v->uri)) /* parameters of the number stay: RFC 3261 19.1.6 */
            sw_buf_slice(&out, sw_slice_from(q->v->uri.user, sw_slice_find(q->v->uri.user, ';')));
    }
    return text.full || out.full ? (struct sw_slice){NULL, 0} : sw_buf_view(&out);
}

static bool too_long(struct sw_proxy *p, struct sw_refusal *refusal)
{
    sw_proxy_count(p, SW_LIMITED_URI_BYTES);
    return sw_refuse(refusal, 414, NULL, "the Request-URI is too long for the route's rules",
                     "user_regex looks at 255 characters of a user part, and limits.uri_bytes "
                     "says how long a Request-URI becomes");
}

/* "The result is checked": a URI by the grammar, within the limit. */
static bool check(struct sw_proxy *p, const struct sw_request *q, const struct sw_rewrite *w,
                  struct sw_refusal *refusal)
{
    struct sw_buf b = sw_engine_buf(p->e, q->v->uri.text.n * 3 + sw_rewrite_room(w));
    struct sw_uri u;
    sw_rewrite_uri(&b, &q->v->uri, w, w->host);
    if (b.full)
        return sw_refuse(refusal, 500, NULL, "limit memory", NULL);
    if (b.n > p->conf->uri_max)
        return too_long(p, refusal);
    if (sw_uri_parse(sw_buf_view(&b), &u, NULL) != SW_OK)
        return sw_refuse(refusal, 500, "No Valid Request-URI",
                         "what the route sets makes no valid Request-URI",
                         "a tel URI has digits, * and # only: see set of the route");
    return true;
}

static bool apply_user(struct sw_proxy *p, const struct sw_route_conf *r,
                       const struct sw_request *q, struct sw_rewrite *w, struct sw_refusal *refusal)
{
    const struct sw_uri *u = &q->v->uri;
    const struct sw_rule_set *set = r->set;
    struct sw_slice group[SW_PATTERN_GROUPS] = {0};
    bool has_user = u->scheme == SW_SCHEME_TEL || u->user.p;
    char *room = sw_arena_get(&p->e->scratch, u->text.n + 1);
    if (!room)
        return sw_refuse(refusal, 500, NULL, "limit memory", NULL);
    struct sw_slice user = sw_rules_user(u, room, u->text.n);
    if (r->match && r->match->user.code) {
        if (user.n > SW_PATTERN_INPUT_MAX)
            return too_long(p, refusal);
        if (sw_pattern_search(&r->match->user, user, group) == SW_LIMIT)
            return sw_refuse(refusal, 500, NULL, "user_regex takes more work than a match may",
                             "write it without repetitions within repetitions, such as (a+)+");
    }
    if (!set || (!set->user.p && (!has_user || (!set->strip && !set->prefix.n))))
        return true;
    w->user = new_user(p, set, q, user, group);
    if (!w->user.p)
        return too_long(p, refusal);
    return w->user.n > 0 || sw_refuse(refusal, 484, NULL, "the route's rules leave no user part",
                                      "the number is shorter than what strip takes away");
}

/* The rows that the route removes. False: memory is out. */
static bool find_rows(struct sw_proxy *p, const struct sw_rule_set *set, const struct sw_msg *m,
                      struct sw_rewrite *w)
{
    uint16_t *rows =
        set->remove_count ? sw_arena_get(&p->e->scratch, m->hdr_count * sizeof(*rows)) : NULL;
    for (uint32_t i = 0; rows && i < m->hdr_count; i++)
        for (uint32_t k = 0; k < set->remove_count; k++)
            if (sw_row_is(m, &m->hdrs[i], &set->remove[k])) {
                rows[w->row_count++] = (uint16_t)i;
                break;
            }
    w->rows = rows;
    return rows || !set->remove_count;
}

bool sw_rules_apply(struct sw_proxy *p, const struct sw_route_conf *r, const struct sw_request *q,
                    const struct sw_rewrite **out, struct sw_refusal *refusal)
{
    *out = NULL;
    if (!r->set && !(r->match && r->match->user.code))
        return true;
    struct sw_rewrite *w = sw_arena_get(&p->e->scratch, sizeof(*w));
    if (!w)
        return sw_refuse(refusal, 500, NULL, "limit memory", NULL);
    *w = (struct sw_rewrite){.add = {"", 0}};
    if (!apply_user(p, r, q, w, refusal))
        return false;
    if (!r->set)
        return true;
    w->host = r->set->host;
    if (r->set->add.n)
        w->add = r->set->add;
    if (!find_rows(p, r->set, q->m, w))
        return sw_refuse(refusal, 500, NULL, "limit memory", NULL);
    if ((w->user.p || w->host.p) && !check(p, q, w, refusal))
        return false;
    *out = w;
    return true;
}
