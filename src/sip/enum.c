#include "sip/enum.h"

#include "sip/ere.h"

static int hex(char c)
{
    c = sw_ascii_lower(c);
    return sw_ascii_digit(c) ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Takes a letter; what a number is made of may be written as its code. RFC 3261 19.1.4 */
static char take_letter(struct sw_slice *s)
{
    char c = s->p[0];
    bool code = c == '%' && s->n > 2 && hex(s->p[1]) >= 0 && hex(s->p[2]) >= 0;
    if (code)
        c = (char)(hex(s->p[1]) << 4 | hex(s->p[2]));
    *s = sw_slice_from(*s, code ? 3 : 1);
    return c;
}

bool sw_enum_number(const struct sw_uri *u, char out[SW_ENUM_NUMBER_MAX + 1])
{
    struct sw_slice text = u->scheme == SW_SCHEME_TEL ? u->host : u->user;
    struct sw_param phone;
    size_t n = 0;
    if (sw_uri_is_sip(u) && (!sw_uri_param_find(u, SW_SLICE("user"), &phone) ||
                             !sw_slice_eq_case(phone.value, SW_SLICE("phone"))))
        return false;
    text.n = sw_slice_find(text, ';'); /* telephone-subscriber: its parameters go */
    /* with user=phone "%2B" is the plus, as for routes: docs/rules.md */
    if (text.n == 0 || take_letter(&text) != '+')
        return false;
    out[n++] = '+';
    while (text.n) {
        char c = take_letter(&text);
        if (c == '-' || c == '.' || c == '(' || c == ')')
            continue;
        if (!sw_ascii_digit(c) || n == SW_ENUM_NUMBER_MAX)
            return false;
        out[n++] = c;
    }
    out[n] = 0;
    return n > 1;
}

static void finish(struct sw_enum *x, enum sw_enum_end end, const char *why)
{
    x->end = (uint8_t)end;
    x->why = why;
}

/* Asks for the records of a name. False: no name, asked before, or too long a chain. */
static bool ask(struct sw_enum *x, struct sw_slice name)
{
    struct sw_dns_question q;
    if (sw_dns_ask(&q, name, SW_DNS_NAPTR) != SW_OK || x->asked > SW_ENUM_CHAIN_MAX)
        return false;
    for (int i = 0; i < x->asked; i++)
        if (strcmp(x->question[i].name, q.name) == 0)
            return false;
    x->status[x->asked] = SW_AGAIN;
    x->question[x->asked++] = q;
    return true;
}

void sw_enum_start(struct sw_enum *x, const char *number, struct sw_slice suffix)
{
    char name[SW_DNS_NAME_MAX];
    struct sw_buf b = sw_buf(name, sizeof(name));
    memset(x, 0, sizeof(*x));
    for (size_t i = strnlen(number, SW_ENUM_NUMBER_MAX); i > 1; i--) {
        sw_buf_char(&b, number[i - 1]);
        sw_buf_char(&b, '.');
    }
    sw_buf_slice(&b, suffix);
    memcpy(x->number, number, strnlen(number, SW_ENUM_NUMBER_MAX));
    if (b.full || !ask(x, sw_buf_view(&b)))
        finish(x, SW_ENUM_NO_NUMBER, "the number and the suffix make no domain name");
}

const struct sw_dns_question *sw_enum_next(const struct sw_enum *x)
{
    return x->end == SW_ENUM_GOES_ON ? &x->question[x->asked - 1] : NULL;
}

/* "E2U" and services behind "+"; one of them is "sip". RFC 6116 3.4.3; "SHOULD also support" the
 * syntax of RFC 2916: 5.2 */
static bool has_sip(struct sw_slice service)
{
    if (sw_slice_eq_case(service, SW_SLICE("sip+E2U")))
        return true;
    if (!sw_slice_starts_case(service, SW_SLICE("E2U+")))
        return false;
    service = sw_slice_from(service, 3);
    while (service.n) {
        service = sw_slice_from(service, 1);
        size_t n = sw_slice_find(service, '+');
        if (sw_slice_eq_case(sw_slice(service.p, n), SW_SLICE("sip")))
            return true;
        service = sw_slice_from(service, n);
    }
    return false;
}

static bool is_sip_uri(struct sw_slice text)
{
    struct sw_uri u;
    return sw_uri_parse(text, &u, NULL) == SW_OK && sw_uri_is_sip(&u) && u.headers.n == 0;
}

/* What a record leads to. NULL: `rule` is filled; else why it is left out. */
static const char *read_rule(const struct sw_enum *x, const struct sw_dns_naptr *r,
                             struct sw_enum_rule *rule, struct sw_slab *slab)
{
    struct sw_buf b = sw_buf(rule->text, SW_ENUM_URI_MAX);
    rule->order = r->order;
    rule->preference = r->preference;
    rule->terminal = r->flags.n > 0;
    if (!rule->terminal) {
        sw_buf_str(&b, r->replacement);
        rule->text[b.n] = 0;
        return r->replacement[0] ? NULL : "a record without flags has no replacement";
    }
    if (!has_sip(r->service))
        return "services other than SIP are left out";
    if (!sw_slice_eq_case(r->flags, SW_SLICE("u")))
        return "a record has other flags than \"u\"";
    switch (sw_ere_substitute(r->regexp, sw_slice_str(x->number), slab, &b)) {
    case SW_OK:
        rule->text[b.n] = 0;
        return is_sip_uri(sw_buf_view(&b)) ? NULL : "a record does not lead to a sip URI";
    case SW_AGAIN:
        return "the regexp of a record does not match the number";
    case SW_PEER_SYNTAX:
        return "the regexp of a record cannot be read, or is too large";
    default:
        return "memory is out, or a URI is too long";
    }
}

static bool before(const struct sw_enum_rule *a, const struct sw_enum_rule *b)
{
    return a->order != b->order ? a->order < b->order : a->preference < b->preference;
}

/* Puts a rule in its place among the first `own` ones, which are of the same answer; those behind
 * are of the names that led here. False: there is no room. */
static bool insert(struct sw_enum *x, uint8_t own, const struct sw_enum_rule *rule)
{
    uint8_t at = own;
    if (x->rule_count == SW_ENUM_RULES_MAX)
        return false;
    while (at > 0 && before(rule, &x->rule[at - 1]))
        at--;
    memmove(&x->rule[at + 1], &x->rule[at], (x->rule_count - at) * sizeof(*rule));
    x->rule[at] = *rule;
    x->rule_count++;
    return true;
}

static void read_records(struct sw_enum *x, const struct sw_dns_answer *answer,
                         struct sw_slab *slab)
{
    struct sw_slice rest = answer->records, rdata;
    struct sw_dns_naptr r;
    struct sw_enum_rule rule;
    uint8_t own = 0;
    for (int i = 0; i < SW_ENUM_RECORDS_MAX && sw_dns_next(&rest, &rdata) == SW_OK; i++) {
        const char *why = sw_dns_read_naptr(rdata, &r) == SW_OK ? read_rule(x, &r, &rule, slab)
                                                                : "a record cannot be read";
        if (why)
            x->note = why;
        else if (insert(x, own, &rule))
            own++;
        else
            x->note = "there are more records than are followed";
    }
}

/* The next rule: a URI ends it, a name is asked for; one that cannot be is passed over. RFC
 * 6116 5.2.1 */
static void follow(struct sw_enum *x)
{
    while (x->rule_count) {
        struct sw_enum_rule rule = x->rule[0];
        memmove(&x->rule[0], &x->rule[1], (size_t)--x->rule_count * sizeof(rule));
        if (rule.terminal) {
            memcpy(x->uri, rule.text, sizeof(x->uri));
            finish(x, SW_ENUM_FOUND, NULL);
            return;
        }
        if (ask(x, sw_slice_str(rule.text)))
            return;
        x->note = "a record leads in a circle, or through too many names";
    }
    bool silent = false, bogus = false, denied = false;
    for (int i = 0; i < x->asked; i++) {
        denied |= sw_status_class((enum sw_status)x->status[i]) == SW_CLASS_DENIED;
        bogus |= x->status[i] == SW_DENIED_BOGUS;
        silent |= x->status[i] != SW_OK && x->status[i] != SW_PEER_NO_NAME;
    }
    if (denied)
        finish(x, SW_ENUM_BOGUS,
               bogus ? "DNSSEC says that an answer was forged"
                     : "an answer is not signed, and only signed ones are used");
    else if (silent)
        finish(x, SW_ENUM_SILENT, "the name servers fail or do not answer");
    else
        finish(x, SW_ENUM_NO_NUMBER,
               x->passed ? "ENUM knows no further SIP URI for the number"
                         : "ENUM knows no SIP URI for the number");
}

void sw_enum_pass(struct sw_enum *x)
{
    if (x->end != SW_ENUM_FOUND)
        return;
    finish(x, SW_ENUM_GOES_ON, NULL);
    x->passed = true;
    follow(x);
}

void sw_enum_give_up(struct sw_enum *x)
{
    if (x->end != SW_ENUM_GOES_ON)
        return;
    x->status[x->asked - 1] = SW_PEER_TIMEOUT;
    finish(x, SW_ENUM_SILENT, "the name servers fail or do not answer");
}

void sw_enum_answer(struct sw_enum *x, const struct sw_dns_answer *answer, struct sw_slab *slab)
{
    if (x->end != SW_ENUM_GOES_ON)
        return;
    x->status[x->asked - 1] = (uint16_t)(answer->status == SW_AGAIN ? SW_PEER_DNS : answer->status);
    x->records[x->asked - 1] = answer->count;
    x->any_unsigned |= !answer->secure;
    if (answer->status == SW_OK)
        read_records(x, answer, slab);
    follow(x);
}

void sw_enum_put_reason(struct sw_buf *b, const struct sw_enum *x)
{
    sw_buf_str(b, x->number);
    sw_buf_lit(b, ": ");
    sw_buf_str(b, x->why ? x->why : x->uri);
    for (int i = 0; i < x->asked && !b->full; i++) {
        sw_buf_str(b, i ? "; NAPTR " : ": NAPTR ");
        sw_buf_str(b, x->question[i].name);
        sw_buf_lit(b, ": ");
        if (x->status[i] == SW_OK) {
            sw_buf_u64(b, x->records[i]);
            sw_buf_str(b, x->records[i] == 1 ? " record" : " records");
        } else {
            sw_buf_str(b, x->status[i] == SW_PEER_NO_NAME
                              ? "no such name"
                              : sw_status_name((enum sw_status)x->status[i]));
        }
    }
    if (x->note) {
        sw_buf_lit(b, " (");
        sw_buf_str(b, x->note);
        sw_buf_char(b, ')');
    }
}
