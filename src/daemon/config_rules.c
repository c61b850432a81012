/* Number and header rules: what routes ask and set, what peers are not told. docs/rules.md */
#include "daemon/config.h"

#include "proxy/rules.h"

enum {
    HEADERS_MAX = 16,   /* of one list: real rules have one or two, and each is looked for */
    VALUE_MAX = 512,    /* bytes of an added header line */
    TEMPLATE_MAX = 128, /* of set.user and set.prefix */
    STRIP_MAX = 64,     /* E.164 numbers have 15 digits */
};

/* A NUL-terminated copy, so that a name can be told. */
static const char *text_of(struct sw_config_build *b, struct sw_slice s)
{
    char *p = sw_config_alloc(b, s.n + 1);
    if (p)
        memcpy(p, s.p, s.n);
    return p ? p : "";
}

/* What the gateway writes itself or works by, or what belongs to the body and to the two ends. */
static bool is_ours(const struct sw_header_name *header)
{
    static const struct sw_slice others[] = {{"Content-Disposition", 19},
                                             {"MIME-Version", 12},
                                             {"RAck", 4},
                                             {"RSeq", 4},
                                             {"Subscription-State", 18}};
    static const uint8_t ours[] = {SW_HDR_VIA,
                                   SW_HDR_ROUTE,
                                   SW_HDR_RECORD_ROUTE,
                                   SW_HDR_FROM,
                                   SW_HDR_TO,
                                   SW_HDR_CALL_ID,
                                   SW_HDR_CSEQ,
                                   SW_HDR_CONTACT,
                                   SW_HDR_MAX_FORWARDS,
                                   SW_HDR_MAX_BREADTH,
                                   SW_HDR_CONTENT_LENGTH,
                                   SW_HDR_CONTENT_TYPE,
                                   SW_HDR_CONTENT_ENCODING,
                                   SW_HDR_PROXY_REQUIRE,
                                   SW_HDR_REQUIRE,
                                   SW_HDR_UNSUPPORTED,
                                   SW_HDR_PATH,
                                   SW_HDR_SERVICE_ROUTE,
                                   SW_HDR_EVENT};
    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
        if (sw_slice_eq_case(header->name, others[i]))
            return true;
    return memchr(ours, header->id, sizeof(ours));
}

static bool is_identity(enum sw_hdr_id id)
{
    return id == SW_HDR_P_ASSERTED_IDENTITY || id == SW_HDR_P_PREFERRED_IDENTITY ||
           id == SW_HDR_PRIVACY;
}

static bool header_name(struct sw_config_build *b, const char *key, const struct sw_text *t,
                        struct sw_slice name, struct sw_header_name *out)
{
    struct sw_lex l = sw_lex(name);
    struct sw_slice token = sw_lex_run(&l, SW_CH_TOKEN);
    if (token.n == 0 || !sw_lex_end(&l)) {
        sw_diag_error(b->diags, t->mark, "%s: \"%s\" is no header name (such as X-Tenant)", key,
                      text_of(b, name));
        return false;
    }
    *out = (struct sw_header_name){.name = name, .id = (uint8_t)sw_hdr_find(name)};
    return true;
}

/* One that may be added or removed. */
static bool free_header(struct sw_config_build *b, const char *key, const struct sw_text *t,
                        struct sw_slice name, struct sw_header_name *out)
{
    if (!header_name(b, key, t, name, out))
        return false;
    if (is_ours(out))
        sw_diag_error(
            b->diags, t->mark,
            "%s: %s is a header that the gateway or both ends work by: it cannot be added "
            "or removed (any other)",
            key, text_of(b, name));
    else if (is_identity((enum sw_hdr_id)out->id))
        sw_diag_error(b->diags, t->mark,
                      "%s: %s is kept or removed by trust (asserted_identity of the peers)", key,
                      text_of(b, name));
    else
        return true;
    return false;
}

static bool too_many(struct sw_config_build *b, const char *key, const struct sw_texts *list)
{
    if (list->count > HEADERS_MAX)
        sw_diag_error(b->diags, list->mark, "%s has %zu entries (at most %d)", key, list->count,
                      HEADERS_MAX);
    return list->count > HEADERS_MAX;
}

static const struct sw_header_name *names(struct sw_config_build *b, const char *key,
                                          const struct sw_texts *list, uint32_t *count)
{
    struct sw_header_name *n = sw_config_alloc(b, list->count * sizeof(*n));
    if (!n || too_many(b, key, list))
        return NULL;
    for (size_t i = 0; i < list->count; i++)
        *count += free_header(b, key, &list->t[i], list->t[i].s, &n[*count]);
    return n;
}

void sw_config_peer_rules(struct sw_config_build *b, const struct sw_peer_directive *d,
                          struct sw_peer_conf *p)
{
    p->remove = names(b, "remove", &d->remove, &p->remove_count);
    p->asserted_identity = sw_text_is(&d->asserted_identity, "trust")      ? SW_ASSERTED_TRUST
                           : sw_text_is(&d->asserted_identity, "withhold") ? SW_ASSERTED_WITHHOLD
                                                                           : SW_ASSERTED_DISTRUST;
    p->asserted_is_default = !d->asserted_identity.s.p;
}

/* ---- what a route asks ---- */

/* "NAME" or "NAME: GLOB" */
static void header(struct sw_config_build *b, const struct sw_text *t, struct sw_header_match *out)
{
    size_t colon = sw_slice_find(t->s, ':');
    struct sw_slice value = sw_slice_trim(sw_slice_from(t->s, colon + 1));
    if (colon < t->s.n && value.n == 0)
        sw_diag_error(b->diags, t->mark,
                      "header: nothing stands behind the colon (NAME: VALUE with * for any run of "
                      "characters, or NAME alone)");
    out->value = colon < t->s.n ? value : (struct sw_slice){NULL, 0};
    (void)header_name(b, "header", t, sw_slice_trim(sw_slice(t->s.p, colon)), &out->header);
}

static void pattern(struct sw_config_build *b, const struct sw_text *t, struct sw_pattern *out)
{
    struct sw_pattern_error e;
    if (!t->s.p)
        return;
    enum sw_status s = sw_pattern_compile(t->s, false, &b->c->arena, out, &e);
    if (s == SW_PEER_SYNTAX)
        sw_diag_error(b->diags, t->mark, "user_regex: at character %zu: %s", e.offset + 1, e.what);
    else if (s != SW_OK)
        sw_config_memory_out(b);
}

static const struct sw_cidr *sources(struct sw_config_build *b, const struct sw_texts *list)
{
    struct sw_cidr *c = sw_config_alloc(b, list->count * sizeof(*c));
    for (size_t i = 0; c && i < list->count; i++)
        if (!sw_cidr_parse(list->t[i].s, &c[i]))
            sw_diag_error(b->diags, list->t[i].mark,
                          "source: \"%s\" cannot be read (IP or IP/BITS, such as 192.0.2.0/24)",
                          list->t[i].s.p);
    return c;
}

static const struct sw_rule_match *match(struct sw_config_build *b,
                                         const struct sw_route_directive *d)
{
    if (!d->user_regex.s.p && !d->header.count && !d->source.count)
        return NULL;
    struct sw_rule_match *m = sw_config_alloc(b, sizeof(*m));
    struct sw_header_match *h = sw_config_alloc(b, d->header.count * sizeof(*h));
    if (!m || !h || too_many(b, "header", &d->header))
        return NULL;
    pattern(b, &d->user_regex, &m->user);
    for (size_t i = 0; i < d->header.count; i++)
        header(b, &d->header.t[i], &h[i]);
    m->headers = h;
    m->header_count = (uint32_t)d->header.count;
    m->sources = sources(b, &d->source);
    m->source_count = m->sources ? (uint32_t)d->source.count : 0;
    return m;
}

/* ---- what a route sets ---- */

static bool is_hex(char c)
{
    char x = sw_ascii_lower(c);
    return sw_ascii_digit(x) || (x >= 'a' && x <= 'f');
}

/* Text of a user part: what may not stand there is escaped when it is used. */
static bool user_text(struct sw_config_build *b, const char *key, const struct sw_text *t)
{
    if (t->s.n > TEMPLATE_MAX)
        sw_diag_error(b->diags, t->mark, "%s is longer than %d bytes", key, TEMPLATE_MAX);
    for (size_t i = 0; i < t->s.n; i++) {
        char c = t->s.p[i];
        bool escape = t->s.n - i > 2 && is_hex(t->s.p[i + 1]) && is_hex(t->s.p[i + 2]);
        if ((uint8_t)c <= ' ' || c == 127 || c == '@' || c == ':' || (c == '%' && !escape)) {
            sw_diag_error(
                b->diags, t->mark,
                "%s: \"%s\" is no user part (no white space, @ or colon; %% only as %%25)", key,
                t->s.p);
            return false;
        }
    }
    return t->s.n <= TEMPLATE_MAX;
}

/* \0 to \9 name groups that the pattern has. */
static void template(struct sw_config_build *b, const struct sw_route_directive *d,
                     const struct sw_rule_match *m, struct sw_rule_set *set)
{
    const struct sw_text *t = &d->set.user;
    int groups = m && m->user.code ? (int)m->user.groups : -1;
    set->user = t->s;
    if (!t->s.p || !user_text(b, "set.user", t) ||
        (d->user_regex.s.p && groups < 0)) /* the pattern is wrong, which is told */
        return;
    for (size_t i = 0; i < t->s.n; i++) {
        if (t->s.p[i] != '\\')
            continue;
        char g = i + 1 < t->s.n ? t->s.p[i + 1] : 0;
        if (!sw_ascii_digit(g)) {
            sw_diag_error(b->diags, t->mark,
                          "set.user: a backslash without digit (\\0 is what user_regex matched, "
                          "\\1 to \\9 its groups)");
            return;
        }
        if (g - '0' > groups) {
            sw_diag_error(b->diags, t->mark, "set.user: \\%c names a group that is not there (%s)",
                          g,
                          groups < 0 ? "the route has no user_regex" : "user_regex has fewer ()");
            return;
        }
        i++;
    }
}

static void host(struct sw_config_build *b, const struct sw_text *t, struct sw_rule_set *set)
{
    struct sw_lex l = sw_lex(t->s);
    struct sw_slice name;
    uint64_t port;
    set->host = t->s;
    if (!t->s.p)
        return;
    bool ok = sw_lex_host(&l, &name) &&
              (!sw_lex_char(&l, ':') || (sw_lex_number(&l, UINT16_MAX, &port) && port > 0));
    if (!ok || !sw_lex_end(&l))
        sw_diag_error(b->diags, t->mark, "set.host: \"%s\" cannot be read (HOST or HOST:PORT)",
                      t->s.p);
}

static bool removed(const struct sw_rule_set *set, enum sw_hdr_id id)
{
    for (uint32_t i = 0; i < set->remove_count; i++)
        if (set->remove[i].id == id)
            return true;
    return false;
}

/* "NAME: VALUE" as a line of a message. RFC 3261 7.3.1, 25.1 */
static void add_line(struct sw_config_build *b, const struct sw_text *t,
                     const struct sw_rule_set *set, struct sw_buf *lines)
{
    size_t colon = sw_slice_find(t->s, ':');
    struct sw_slice name = sw_slice_trim(sw_slice(t->s.p, colon));
    struct sw_slice value = sw_slice_trim(sw_slice_from(t->s, colon + 1));
    struct sw_header_name h;
    if (colon == t->s.n || value.n == 0) {
        sw_diag_error(b->diags, t->mark, "set.add: \"%s\" is no header (NAME: VALUE)", t->s.p);
        return;
    }
    for (size_t i = 0; i < value.n; i++)
        if (((uint8_t)value.p[i] < ' ' && value.p[i] != '\t') || value.p[i] == 127) {
            sw_diag_error(b->diags, t->mark,
                          "set.add: a line end or another control character (a value is one line)");
            return;
        }
    if (t->s.n > VALUE_MAX)
        sw_diag_error(b->diags, t->mark, "set.add is longer than %d bytes", VALUE_MAX);
    if (!free_header(b, "set.add", t, name, &h))
        return;
    if (h.id != SW_HDR_OTHER && sw_hdr_kind((enum sw_hdr_id)h.id) == SW_KIND_ONE &&
        !removed(set, (enum sw_hdr_id)h.id))
        sw_diag_error(b->diags, t->mark,
                      "set.add: %s may stand once in a message (name it in set.remove as well: "
                      "then it is replaced)",
                      text_of(b, name));
    sw_buf_slice(lines, name);
    sw_buf_lit(lines, ": ");
    sw_buf_slice(lines, value);
    sw_buf_lit(lines, "\r\n");
}

static void add(struct sw_config_build *b, const struct sw_texts *list, struct sw_rule_set *set)
{
    size_t cap = 0;
    for (size_t i = 0; i < list->count; i++)
        cap += list->t[i].s.n + 4;
    struct sw_buf lines = sw_buf(sw_config_alloc(b, cap), cap);
    if (!lines.p || too_many(b, "set.add", list))
        return;
    for (size_t i = 0; i < list->count; i++)
        add_line(b, &list->t[i], set, &lines);
    set->add = sw_buf_view(&lines);
}

static void set_of(struct sw_config_build *b, const struct sw_route_directive *d,
                   struct sw_route_conf *r)
{
    const struct sw_set_directive *x = &d->set;
    struct sw_rule_set *set = sw_config_alloc(b, sizeof(*set));
    if (!set)
        return;
    r->set = set;
    if (d->reject.given)
        sw_diag_error(b->diags, x->mark, "set stands in a route with reject (it goes with to)");
    template(b, d, r->match, set);
    if (x->strip.v > STRIP_MAX)
        sw_diag_error(b->diags, x->strip.mark, "set.strip: %lld (0 to %d)", (long long)x->strip.v,
                      STRIP_MAX);
    set->strip = (uint32_t)x->strip.v;
    if (x->prefix.s.p && user_text(b, "set.prefix", &x->prefix))
        set->prefix = x->prefix.s;
    host(b, &x->host, set);
    set->remove = names(b, "set.remove", &x->remove, &set->remove_count);
    add(b, &x->add, set);
}

void sw_config_route_rules(struct sw_config_build *b, const struct sw_route_directive *d,
                           struct sw_route_conf *r)
{
    r->match = match(b, d);
    if (d->set.mark.line)
        set_of(b, d, r);
}
