#include "base/pattern_steps.h"

enum {
    NODES_MAX = 2 * SW_PATTERN_TEXT_MAX + 4, /* a node a byte, and what joins them */
    SETS_MAX = 64,
    DEPTH_MAX = 32,   /* parentheses within each other */
    REPEATS_MAX = 255 /* in {n,m}: POSIX RE_DUP_MAX */
};

/* A pattern as a tree. */
enum node_kind { EMPTY, BYTE, ANY, SET, START, END, JOIN, EITHER, REPEAT, GROUP };

struct node {
    uint8_t kind;
    uint8_t byte;     /* of BYTE; the number of SET and GROUP */
    uint16_t a, b;    /* children: JOIN, EITHER have two, REPEAT and GROUP one */
    int16_t min, max; /* of REPEAT; max -1: without end */
};

struct compiler {
    struct sw_slice text;
    size_t at;
    struct sw_pattern_error *err;
    bool bad;
    unsigned depth;
    uint16_t nodes, sets, steps;
    uint8_t groups;
    struct node node[NODES_MAX];
    uint8_t set[SETS_MAX][32];
    struct sw_pattern_step step[SW_PATTERN_STEPS_MAX];
};

static uint16_t either(struct compiler *c);

static void fail(struct compiler *c, size_t offset, const char *what)
{
    if (!c->bad)
        *c->err = (struct sw_pattern_error){.offset = offset, .what = what};
    c->bad = true;
}

static bool more(const struct compiler *c)
{
    return !c->bad && c->at < c->text.n;
}

static char peek(const struct compiler *c)
{
    return c->at < c->text.n ? c->text.p[c->at] : 0;
}

static bool take(struct compiler *c, char x)
{
    if (!more(c) || c->text.p[c->at] != x)
        return false;
    c->at++;
    return true;
}

static uint16_t add(struct compiler *c, struct node n)
{
    if (c->nodes == NODES_MAX) {
        fail(c, c->at, "it is too long");
        return 0;
    }
    c->node[c->nodes] = n;
    return c->nodes++;
}

/* ---- the text ---- */

static void include(uint8_t set[32], unsigned from, unsigned to)
{
    for (unsigned i = from; i <= to; i++)
        set[i / 8] |= (uint8_t)(1U << i % 8);
}

/* [:digit:] and its like, of ASCII whatever the locale. */
static bool class(struct compiler *c, uint8_t set[32])
{
    static const struct {
        struct sw_slice name;
        const char *ranges; /* pairs */
    } classes[] = {
        {{"alnum", 5}, "09AZaz"}, {{"alpha", 5}, "AZaz"}, {{"blank", 5}, "\t\t  "},
        {{"digit", 5}, "09"},     {{"lower", 5}, "az"},   {{"punct", 5}, "!/:@[`{~"},
        {{"space", 5}, "\t\r  "}, {{"upper", 5}, "AZ"},   {{"xdigit", 6}, "09AFaf"},
    };
    struct sw_slice rest = sw_slice_from(c->text, c->at);
    size_t n = sw_slice_find(rest, ':');
    for (size_t i = 0; i < sizeof(classes) / sizeof(classes[0]); i++)
        if (sw_slice_eq(sw_slice(rest.p, n), classes[i].name) && n + 1 < rest.n &&
            rest.p[n + 1] == ']') {
            for (const char *r = classes[i].ranges; *r; r += 2)
                include(set, (uint8_t)r[0], (uint8_t)r[1]);
            c->at += n + 2;
            return true;
        }
    return false;
}

/* What stands in brackets, behind the first. A backslash is a byte like others there. */
static uint16_t bracket(struct compiler *c)
{
    size_t start = c->at - 1;
    uint8_t set[32] = {0};
    bool invert = take(c, '^');
    for (bool first = true; more(c) && (first || peek(c) != ']'); first = false) {
        uint8_t low = (uint8_t)c->text.p[c->at++], high = low;
        if (low == '[' && (peek(c) == ':' || peek(c) == '.' || peek(c) == '=')) {
            if (!take(c, ':') || !class(c, set))
                fail(c, c->at, "no such class of bytes ([:digit:], [:alpha:], [:alnum:], ...)");
            continue;
        }
        if (peek(c) == '-' && c->at + 1 < c->text.n && c->text.p[c->at + 1] != ']') {
            high = (uint8_t)c->text.p[c->at + 1];
            c->at += 2;
        }
        if (high < low)
            fail(c, c->at, "a range ends before it starts ([a-z])");
        else
            include(set, low, high);
    }
    if (!take(c, ']'))
        fail(c, start, "[ without ]");
    for (int i = 0; invert && i < 32; i++)
        set[i] = (uint8_t)~set[i];
    if (c->sets == SETS_MAX) {
        fail(c, start, "too many [] (64 at most)");
        return 0;
    }
    memcpy(c->set[c->sets], set, sizeof(set));
    return add(c, (struct node){.kind = SET, .byte = (uint8_t)c->sets++});
}

static uint16_t group(struct compiler *c)
{
    size_t start = c->at - 1;
    uint8_t number = ++c->groups;
    if (++c->depth > DEPTH_MAX || number >= SW_PATTERN_GROUPS) {
        fail(c, start, "too many parentheses (nine groups at most)");
        return 0;
    }
    uint16_t inner = either(c);
    if (!take(c, ')'))
        fail(c, start, "( without )");
    c->depth--;
    return add(c, (struct node){.kind = GROUP, .byte = number, .a = inner});
}

static uint16_t escaped(struct compiler *c)
{
    char x = peek(c);
    if (!more(c))
        fail(c, c->at, "a backslash at the end");
    else if (x >= '1' && x <= '9')
        fail(c, c->at, "back-references are not supported (what they match takes unbounded time)");
    else if (sw_ascii_digit(x) || (sw_ascii_lower(x) >= 'a' && sw_ascii_lower(x) <= 'z'))
        fail(c, c->at,
             "no such escape (a backslash takes the meaning from ^.[]$()|*+?{}\\; digits "
             "are [0-9])");
    c->at++;
    return add(c, (struct node){.kind = BYTE, .byte = (uint8_t)x});
}

static uint16_t atom(struct compiler *c)
{
    char x = c->text.p[c->at++];
    switch (x) {
    case '(':
        return group(c);
    case '[':
        return bracket(c);
    case '\\':
        return escaped(c);
    case '.':
        return add(c, (struct node){.kind = ANY});
    case '^':
        return add(c, (struct node){.kind = START});
    case '$':
        return add(c, (struct node){.kind = END});
    case '*':
    case '+':
    case '?':
    case '{':
        fail(c, c->at - 1, "nothing stands before it that could be repeated (write \\ before it)");
        return 0;
    default:
        return add(c, (struct node){.kind = BYTE, .byte = (uint8_t)x});
    }
}

static bool count(struct compiler *c, int16_t *out)
{
    size_t from = c->at;
    uint64_t n;
    while (more(c) && sw_ascii_digit(peek(c)))
        c->at++;
    if (!sw_slice_u64(sw_slice(c->text.p + from, c->at - from), REPEATS_MAX, &n))
        return false;
    *out = (int16_t)n;
    return true;
}

/* {n}, {n,} or {n,m} */
static void interval(struct compiler *c, struct node *n)
{
    size_t start = c->at - 1;
    bool ok = count(c, &n->min);
    n->max = n->min;
    if (ok && take(c, ',')) {
        n->max = -1;
        ok = peek(c) == '}' || (count(c, &n->max) && n->max >= n->min);
    }
    if (!ok || !take(c, '}'))
        fail(c, start, "no repetition ({n}, {n,} or {n,m}, up to 255; \\{ is the brace itself)");
}

static bool repeats(struct compiler *c, struct node *n)
{
    *n = (struct node){.kind = REPEAT, .min = 0, .max = -1};
    if (take(c, '*'))
        return true;
    if (take(c, '+')) {
        n->min = 1;
        return true;
    }
    if (take(c, '?')) {
        n->max = 1;
        return true;
    }
    if (!take(c, '{'))
        return false;
    interval(c, n);
    return true;
}

static uint16_t piece(struct compiler *c)
{
    size_t start = c->at;
    struct node r, again;
    uint16_t a = atom(c);
    if (c->bad || !repeats(c, &r))
        return a;
    if (c->node[a].kind == START || c->node[a].kind == END)
        fail(c, start, "^ and $ cannot be repeated");
    r.a = a;
    start = c->at;
    if (!c->bad && repeats(c, &again))
        fail(c, start, "a second repetition of the same part (one is right, or parentheses)");
    return add(c, r);
}

static uint16_t branch(struct compiler *c)
{
    if (!more(c) || peek(c) == '|' || peek(c) == ')')
        return add(c, (struct node){.kind = EMPTY});
    uint16_t a = piece(c);
    while (more(c) && peek(c) != '|' && peek(c) != ')') {
        uint16_t b = piece(c);
        a = add(c, (struct node){.kind = JOIN, .a = a, .b = b});
    }
    return a;
}

static uint16_t either(struct compiler *c)
{
    uint16_t a = branch(c);
    while (take(c, '|')) {
        uint16_t b = branch(c);
        a = add(c, (struct node){.kind = EITHER, .a = a, .b = b});
    }
    return a;
}

/* ---- the steps ---- */

static void emit(struct compiler *c, uint16_t at);

static uint16_t step(struct compiler *c, enum sw_step_kind kind, uint8_t byte, uint16_t a)
{
    if (c->steps == SW_PATTERN_STEPS_MAX) {
        fail(c, 0, "it is too large once {n,m} is written out");
        return 0;
    }
    c->step[c->steps] = (struct sw_pattern_step){.kind = (uint8_t)kind, .byte = byte, .a = a};
    return c->steps++;
}

static void emit_either(struct compiler *c, const struct node *n)
{
    uint16_t fork = step(c, SW_STEP_FORK, 0, (uint16_t)(c->steps + 1));
    emit(c, n->a);
    uint16_t jump = step(c, SW_STEP_JUMP, 0, 0);
    c->step[fork].b = c->steps;
    emit(c, n->b);
    c->step[jump].a = c->steps;
}

static void emit_optional(struct compiler *c, const struct node *n, bool for_ever)
{
    uint16_t fork = step(c, SW_STEP_FORK, 0, (uint16_t)(c->steps + 1));
    emit(c, n->a);
    if (for_ever)
        step(c, SW_STEP_JUMP, 0, fork);
    c->step[fork].b = c->steps;
}

static void emit_repeat(struct compiler *c, const struct node *n)
{
    for (int i = 0; i < n->min && !c->bad; i++)
        emit(c, n->a);
    if (n->max < 0)
        emit_optional(c, n, true);
    for (int i = n->min; i < n->max && !c->bad; i++)
        emit_optional(c, n, false);
}

static void emit(struct compiler *c, uint16_t at)
{
    const struct node *n = &c->node[at];
    if (c->bad)
        return;
    switch ((enum node_kind)n->kind) {
    case EMPTY:
        return;
    case BYTE:
        step(c, SW_STEP_BYTE, n->byte, 0);
        return;
    case ANY:
        step(c, SW_STEP_ANY, 0, 0);
        return;
    case SET:
        step(c, SW_STEP_SET, 0, n->byte);
        return;
    case START:
        step(c, SW_STEP_START, 0, 0);
        return;
    case END:
        step(c, SW_STEP_END, 0, 0);
        return;
    case JOIN:
        emit(c, n->a);
        emit(c, n->b);
        return;
    case EITHER:
        emit_either(c, n);
        return;
    case REPEAT:
        emit_repeat(c, n);
        return;
    case GROUP:
        step(c, SW_STEP_SAVE, 0, (uint16_t)(2 * n->byte));
        emit(c, n->a);
        step(c, SW_STEP_SAVE, 0, (uint16_t)(2 * n->byte + 1));
        return;
    }
}

static enum sw_status keep(const struct compiler *c, struct sw_arena *arena, struct sw_pattern *out)
{
    size_t steps = c->steps * sizeof(c->step[0]), sets = c->sets * sizeof(c->set[0]);
    struct sw_pattern_step *p = sw_arena_get(arena, steps);
    uint8_t(*s)[32] = sw_arena_get(arena, sets + 1);
    if (!p || !s)
        return SW_LIMIT_MEMORY;
    memcpy(p, c->step, steps);
    memcpy(s, c->set, sets);
    *out = (struct sw_pattern){
        .steps = p, .sets = (const uint8_t(*)[32])s, .step_count = c->steps, .groups = c->groups};
    return SW_OK;
}

enum sw_status sw_pattern_compile(struct sw_slice text, struct sw_arena *arena,
                                  struct sw_pattern *out, struct sw_pattern_error *err)
{
    struct compiler c = {.text = text, .err = err};
    if (text.n > SW_PATTERN_TEXT_MAX) {
        *err = (struct sw_pattern_error){SW_PATTERN_TEXT_MAX, "it is longer than 256 bytes"};
        return SW_PEER_SYNTAX;
    }
    uint16_t top = either(&c);
    if (more(&c))
        fail(&c, c.at, ") without ( (write \\ before it)");
    step(&c, SW_STEP_SAVE, 0, 0);
    emit(&c, top);
    step(&c, SW_STEP_SAVE, 0, 1);
    step(&c, SW_STEP_MATCH, 0, 0);
    return c.bad ? SW_PEER_SYNTAX : keep(&c, arena, out);
}
