#include "sip/ere.h"

#include "sip/pattern.h"

/* What stands before the next delimiter that has no backslash before it. */
static bool part(struct sw_slice *s, char delimiter, struct sw_slice *out)
{
    for (size_t i = 0; i < s->n; i++) {
        if (s->p[i] == '\\')
            i++;
        else if (s->p[i] == delimiter) {
            *out = sw_slice(s->p, i);
            *s = sw_slice_from(*s, i + 1);
            return true;
        }
    }
    return false;
}

static enum sw_status fill_in(const struct sw_pattern *pattern, const struct sw_slice *group,
                              struct sw_slice replacement, struct sw_buf *out)
{
    for (size_t i = 0; i < replacement.n; i++) {
        char c = replacement.p[i];
        if (c != '\\') {
            sw_buf_char(out, c);
            continue;
        }
        c = ++i < replacement.n ? replacement.p[i] : '0';
        if (!sw_ascii_digit(c))
            sw_buf_char(out, c);
        else if (c == '0' || (uint32_t)(c - '0') > pattern->groups)
            return SW_PEER_SYNTAX;
        else if (group[c - '0'].p)
            sw_buf_slice(out, group[c - '0']);
    }
    return out->full ? SW_LIMIT : SW_OK;
}

enum sw_status sw_ere_substitute(struct sw_slice expression, struct sw_slice text,
                                 struct sw_slab *slab, struct sw_buf *out)
{
    struct sw_slice group[SW_PATTERN_GROUPS], ere, replacement;
    struct sw_slice flags = sw_slice_from(expression, 1);
    struct sw_pattern_error err;
    struct sw_pattern pattern;
    struct sw_arena arena;
    char delimiter = expression.n ? expression.p[0] : '\\';
    if (delimiter == '\\' || sw_ascii_digit(delimiter) || !part(&flags, delimiter, &ere) ||
        !part(&flags, delimiter, &replacement) ||
        (flags.n && !sw_slice_eq_case(flags, SW_SLICE("i"))))
        return SW_PEER_SYNTAX;
    sw_arena_init(&arena, slab);
    enum sw_status s = sw_pattern_compile(ere, flags.n > 0, &arena, &pattern, &err);
    if (s == SW_OK)
        s = sw_pattern_search(&pattern, text, group);
    if (s == SW_OK)
        s = fill_in(&pattern, group, replacement, out);
    else if (s == SW_PEER_MISSING)
        s = SW_AGAIN;
    sw_arena_release(&arena);
    return s;
}
