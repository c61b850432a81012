/* What a route asks of headers: values as RFC 3261 7.3.1 reads them, so that nobody gets around a
 * rule by folding a line, by more white space, or by a comma in place of a row. */
#include "proxy/rows.h"
#include "proxy/rules.h"

static bool is_white(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* The character at `*i`, which moves behind it: white space, folded or not, is one space. */
static char take(struct sw_slice s, size_t *i)
{
    char c = s.p[(*i)++];
    if (!is_white(c))
        return sw_ascii_lower(c);
    while (*i < s.n && is_white(s.p[*i]))
        (*i)++;
    return ' ';
}

/* As sw_slice_glob. */
static bool fits(struct sw_slice pattern, struct sw_slice s)
{
    size_t p = 0, i = 0, star = SIZE_MAX, mark = 0;
    while (i < s.n) {
        size_t p_next = p, i_next = i;
        char c = take(s, &i_next);
        if (p < pattern.n && pattern.p[p] == '*') {
            star = ++p;
            mark = i;
        } else if (p < pattern.n && take(pattern, &p_next) == c) {
            p = p_next;
            i = i_next;
        } else if (star != SIZE_MAX) {
            p = star;
            (void)take(s, &mark);
            i = mark;
        } else {
            return false;
        }
    }
    while (p < pattern.n && pattern.p[p] == '*')
        p++;
    return p == pattern.n;
}

/* Takes the next value off a list: what stands before a comma outside of quotes and brackets. RFC
 * 3261 7.3.1, 25.1 */
static bool next_value(struct sw_slice *rest, struct sw_slice *value)
{
    bool quoted = false, bracket = false;
    size_t i = 0;
    if (!rest->n)
        return false;
    for (; i < rest->n; i++) {
        char c = rest->p[i];
        if (quoted && c == '\\' && i + 1 < rest->n)
            i++;
        else if (c == '"' && !bracket)
            quoted = !quoted;
        else if (!quoted && (c == '<' || c == '>'))
            bracket = c == '<';
        else if (!quoted && !bracket && c == ',')
            break;
    }
    *value = sw_slice_trim(sw_slice(rest->p, i));
    *rest = sw_slice_from(*rest, i + 1);
    return true;
}

static bool row_holds(const struct sw_header_match *x, const struct sw_msg *m,
                      const struct sw_hdr *h)
{
    struct sw_slice rest = sw_hdr_value(m, h), value;
    if (!x->value.p || fits(x->value, rest))
        return true;
    if (sw_hdr_kind((enum sw_hdr_id)h->id) != SW_KIND_LIST)
        return false;
    while (next_value(&rest, &value))
        if (fits(x->value, value))
            return true;
    return false;
}

bool sw_header_holds(const struct sw_header_match *x, const struct sw_msg *m)
{
    for (uint32_t i = 0; i < m->hdr_count; i++)
        if (sw_row_is(m, &m->hdrs[i], &x->header) && row_holds(x, m, &m->hdrs[i]))
            return true;
    return false;
}
