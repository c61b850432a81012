#include "sip/pattern.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>
#include <stdio.h>

/* What the library needs to match: its frames, which it may double once, and the result. */
enum { MATCH_BYTES = 96 * 1024, MATCH_KIB = 64, DEPTH_MAX = 2000 };

/* ---- memory: from an arena, or from the stack ---- */

struct room {
    struct sw_arena *arena; /* NULL: `p` */
    char *p;
    size_t used, cap;
    bool out; /* there was not enough */
};

static void *get(size_t n, void *user)
{
    enum { ALIGN = _Alignof(max_align_t) };
    struct room *r = user;
    size_t at = (r->used + ALIGN - 1) / ALIGN * ALIGN;
    void *p = NULL;
    if (n <= r->cap && at <= r->cap - n) {
        r->used = at + n;
        p = r->arena ? sw_arena_get(r->arena, n) : r->p + at;
    }
    r->out = r->out || !p;
    return p;
}

static void give(void *p, void *user)
{
    (void)p; /* it goes with the arena, or with the function */
    (void)user;
}

/* ---- reading a pattern ---- */

static enum sw_status wrong(struct sw_pattern_error *err, size_t offset, const char *what)
{
    err->offset = offset;
    snprintf(err->what, sizeof(err->what), "%s", what);
    return SW_PEER_SYNTAX;
}

static pcre2_code *compile(struct sw_slice text, bool any_case, pcre2_general_context *memory,
                           int *code, size_t *offset)
{
    pcre2_compile_context *c = pcre2_compile_context_create(memory);
    *code = PCRE2_ERROR_NOMEMORY;
    *offset = 0;
    if (!c)
        return NULL;
    pcre2_set_parens_nest_limit(c, SW_PATTERN_NESTING_MAX);
    uint32_t options = PCRE2_NEVER_UTF | PCRE2_NEVER_BACKSLASH_C | PCRE2_DOLLAR_ENDONLY |
                       PCRE2_DOTALL | (any_case ? PCRE2_CASELESS : 0);
    return pcre2_compile((PCRE2_SPTR)text.p, text.n, options, code, offset, c);
}

enum sw_status sw_pattern_compile(struct sw_slice text, bool any_case, struct sw_arena *arena,
                                  struct sw_pattern *out, struct sw_pattern_error *err)
{
    struct room room = {.arena = arena, .cap = SW_PATTERN_BYTES_MAX};
    PCRE2_UCHAR words[sizeof(err->what)];
    int code;
    size_t offset;
    *out = (struct sw_pattern){0};
    if (text.n > SW_PATTERN_TEXT_MAX)
        return wrong(err, SW_PATTERN_TEXT_MAX, "it is too long");
    pcre2_general_context *memory = pcre2_general_context_create(get, give, &room);
    pcre2_code *made = memory ? compile(text, any_case, memory, &code, &offset) : NULL;
    if (!made && room.out)
        return room.used < SW_PATTERN_BYTES_MAX / 2 ? SW_LIMIT_MEMORY
                                                    : wrong(err, text.n, "it is too large");
    if (!made)
        return wrong(err, offset,
                     pcre2_get_error_message(code, words, sizeof(words)) > 0 ? (const char *)words
                                                                             : "it is wrong");
    pcre2_pattern_info(made, PCRE2_INFO_CAPTURECOUNT, &out->groups);
    if (out->groups >= SW_PATTERN_GROUPS)
        return wrong(err, text.n, "too many parentheses: nine can be taken up");
    out->code = made;
    return SW_OK;
}

/* ---- matching ---- */

static void take_groups(pcre2_match_data *d, int count, struct sw_slice s,
                        struct sw_slice group[SW_PATTERN_GROUPS])
{
    const PCRE2_SIZE *at = pcre2_get_ovector_pointer(d);
    for (int i = 0; i < count && i < SW_PATTERN_GROUPS; i++)
        if (at[2 * i] != PCRE2_UNSET && at[2 * i] <= at[2 * i + 1])
            group[i] = sw_slice(s.p + at[2 * i], at[2 * i + 1] - at[2 * i]);
}

enum sw_status sw_pattern_search(const struct sw_pattern *p, struct sw_slice s,
                                 struct sw_slice group[SW_PATTERN_GROUPS])
{
    _Alignas(max_align_t) char bytes[MATCH_BYTES];
    struct room room = {.p = bytes, .cap = sizeof(bytes)};
    int found = PCRE2_ERROR_NOMEMORY;
    for (int i = 0; i < SW_PATTERN_GROUPS; i++)
        group[i] = (struct sw_slice){0};
    if (s.n > SW_PATTERN_INPUT_MAX)
        return SW_LIMIT;
    if (!p->code)
        return SW_PEER_MISSING;
    pcre2_general_context *memory = pcre2_general_context_create(get, give, &room);
    pcre2_match_context *c = memory ? pcre2_match_context_create(memory) : NULL;
    pcre2_match_data *d = memory ? pcre2_match_data_create(SW_PATTERN_GROUPS, memory) : NULL;
    if (c && d) {
        pcre2_set_match_limit(c, SW_PATTERN_WORK_MAX);
        pcre2_set_depth_limit(c, DEPTH_MAX);
        pcre2_set_heap_limit(c, MATCH_KIB);
        found = pcre2_match(p->code, (PCRE2_SPTR)s.p, s.n, 0, PCRE2_NO_JIT, d, c);
    }
    if (found < 0)
        return found == PCRE2_ERROR_NOMATCH ? SW_PEER_MISSING : SW_LIMIT;
    take_groups(d, found, s, group);
    return SW_OK;
}
