#include "sip/ere.h"

enum {
    SETS_MAX = 8,
    NEST_MAX = 8,
    REPEAT_MAX = 32, /* in {n,m} */
    GROUPS_MAX = 10, /* \0 is the whole match */
    STACK_MAX = 1024,
};

enum op { CHAR, ANY, SET, BEGIN, END, SPLIT, JUMP, SAVE, MATCH };

struct code {
    uint8_t op;
    uint8_t arg;  /* the character, the set, the slot */
    int16_t x, y; /* SPLIT and JUMP: relative */
};

struct ere {
    struct code code[SW_ERE_CODE_MAX];
    uint8_t set[SETS_MAX][32];
    struct sw_slice in; /* of the expression, what is left */
    uint16_t count;
    uint8_t sets, groups, nest;
    bool fold; /* flag "i" */
    enum sw_status status;
};

/* ---- from text to code ---- */

static void fail(struct ere *e, enum sw_status s)
{
    if (e->status == SW_OK)
        e->status = s;
    e->in.n = 0;
}

static struct code *emit(struct ere *e, enum op op, uint8_t arg)
{
    if (e->count == SW_ERE_CODE_MAX) {
        fail(e, SW_LIMIT);
        return &e->code[0];
    }
    e->code[e->count] = (struct code){.op = (uint8_t)op, .arg = arg};
    return &e->code[e->count++];
}

/* Makes room for an instruction before what was emitted since `at`. */
static struct code *insert(struct ere *e, uint16_t at, enum op op)
{
    if (e->count == SW_ERE_CODE_MAX) {
        fail(e, SW_LIMIT);
        return &e->code[0];
    }
    memmove(&e->code[at + 1], &e->code[at], (e->count - at) * sizeof(*e->code));
    e->count++;
    e->code[at] = (struct code){.op = (uint8_t)op};
    return &e->code[at];
}

static char take(struct ere *e)
{
    char c = e->in.n ? e->in.p[0] : 0;
    e->in = sw_slice_from(e->in, 1);
    return c;
}

static bool next_is(struct ere *e, char c)
{
    if (e->in.n == 0 || e->in.p[0] != c)
        return false;
    take(e);
    return true;
}

static void set_add(struct ere *e, uint8_t *set, char from, char to)
{
    for (int c = (uint8_t)from; c <= (uint8_t)to; c++) {
        char l = sw_ascii_lower((char)c);
        set[c / 8] |= (uint8_t)(1 << c % 8);
        if (e->fold) {
            set[(uint8_t)l / 8] |= (uint8_t)(1 << (uint8_t)l % 8);
            if (l >= 'a' && l <= 'z')
                set[(l - 32) / 8] |= (uint8_t)(1 << (l - 32) % 8);
        }
    }
}

/* "[:digit:]" and the like behind the "[" of a set. False: none of them. */
static bool set_class(struct ere *e, uint8_t *set)
{
    static const struct {
        struct sw_slice name;
        const char *ranges;
    } classes[] = {
        {{":digit:]", 8}, "09"},
        {{":alpha:]", 8}, "azAZ"},
        {{":alnum:]", 8}, "09azAZ"},
    };
    for (size_t i = 0; i < sizeof(classes) / sizeof(classes[0]); i++)
        if (sw_slice_starts_case(e->in, classes[i].name)) {
            for (const char *r = classes[i].ranges; *r; r += 2)
                set_add(e, set, r[0], r[1]);
            e->in = sw_slice_from(e->in, classes[i].name.n);
            return true;
        }
    return false;
}

static void parse_set(struct ere *e)
{
    bool negated = next_is(e, '^');
    if (e->sets == SETS_MAX) {
        fail(e, SW_LIMIT);
        return;
    }
    uint8_t *set = e->set[e->sets];
    for (bool first = true; first || e->in.n == 0 || e->in.p[0] != ']'; first = false) {
        if (e->in.n == 0) {
            fail(e, SW_PEER_SYNTAX);
            return;
        }
        char from = take(e), to = from;
        if (from == '[' && set_class(e, set))
            continue;
        if (e->in.n > 1 && e->in.p[0] == '-' && e->in.p[1] != ']') {
            take(e);
            to = take(e);
        }
        if ((uint8_t)to < (uint8_t)from)
            fail(e, SW_PEER_SYNTAX);
        set_add(e, set, from, to);
    }
    take(e);
    for (int i = 0; negated && i < 32; i++)
        set[i] = (uint8_t)~set[i];
    emit(e, SET, e->sets++);
}

static void parse_choice(struct ere *e);

static void parse_group(struct ere *e)
{
    uint8_t group = ++e->groups;
    if (group >= GROUPS_MAX || ++e->nest > NEST_MAX) {
        fail(e, SW_LIMIT);
        return;
    }
    emit(e, SAVE, (uint8_t)(2 * group));
    parse_choice(e);
    emit(e, SAVE, (uint8_t)(2 * group + 1));
    e->nest--;
    if (!next_is(e, ')'))
        fail(e, SW_PEER_SYNTAX);
}

static void parse_atom(struct ere *e)
{
    char c = take(e);
    switch (c) {
    case '(':
        parse_group(e);
        return;
    case '[':
        parse_set(e);
        return;
    case '.':
        emit(e, ANY, 0);
        return;
    case '^':
        emit(e, BEGIN, 0);
        return;
    case '$':
        emit(e, END, 0);
        return;
    case '*':
    case '+':
    case '?':
    case '{':
        fail(e, SW_PEER_SYNTAX);
        return;
    case '\\':
        if (e->in.n == 0)
            fail(e, SW_PEER_SYNTAX);
        c = take(e);
        break;
    default:
        break;
    }
    emit(e, CHAR, (uint8_t)(e->fold ? sw_ascii_lower(c) : c));
}

static void star(struct ere *e, uint16_t at)
{
    int16_t n = (int16_t)(e->count - at);
    struct code *split = insert(e, at, SPLIT);
    split->x = 1;
    split->y = (int16_t)(n + 2);
    emit(e, JUMP, 0)->x = (int16_t)(-n - 1);
}

static void optional(struct ere *e, uint16_t at)
{
    int16_t n = (int16_t)(e->count - at);
    struct code *split = insert(e, at, SPLIT);
    split->x = 1;
    split->y = (int16_t)(n + 1);
}

static void plus(struct ere *e, uint16_t at)
{
    int16_t n = (int16_t)(e->count - at);
    struct code *split = emit(e, SPLIT, 0);
    split->x = (int16_t)-n;
    split->y = 1;
}

/* "{n}", "{n,}" and "{n,m}" behind the brace. */
static bool parse_bounds(struct ere *e, uint64_t *low, uint64_t *high)
{
    size_t n = sw_slice_find(e->in, '}'), comma;
    struct sw_slice text = sw_slice(e->in.p, n);
    if (n == e->in.n)
        return false;
    e->in = sw_slice_from(e->in, n + 1);
    comma = sw_slice_find(text, ',');
    if (!sw_slice_u64(sw_slice(text.p, comma), REPEAT_MAX, low))
        return false;
    *high = *low;
    if (comma == text.n)
        return true;
    *high = UINT64_MAX;
    return comma + 1 == text.n ||
           (sw_slice_u64(sw_slice_from(text, comma + 1), REPEAT_MAX, high) && *high >= *low);
}

/* Emits the atom that stands at `from` as often as the bounds say. */
static void repeat(struct ere *e, uint16_t at, struct sw_slice from, uint8_t groups)
{
    uint64_t low = 0, high = 0;
    if (!parse_bounds(e, &low, &high)) {
        fail(e, SW_PEER_SYNTAX);
        return;
    }
    struct sw_slice behind = e->in;
    e->count = at;
    for (uint64_t i = 0; i < (high == UINT64_MAX ? low + 1 : high) && e->status == SW_OK; i++) {
        uint16_t here = e->count;
        e->in = from;
        e->groups = groups;
        parse_atom(e);
        if (i >= low && high == UINT64_MAX)
            star(e, here);
        else if (i >= low)
            optional(e, here);
    }
    e->in = e->status == SW_OK ? behind : sw_slice("", 0);
}

static void parse_piece(struct ere *e)
{
    uint16_t at = e->count;
    struct sw_slice from = e->in;
    uint8_t groups = e->groups;
    parse_atom(e);
    if (next_is(e, '*'))
        star(e, at);
    else if (next_is(e, '+'))
        plus(e, at);
    else if (next_is(e, '?'))
        optional(e, at);
    else if (next_is(e, '{'))
        repeat(e, at, from, groups);
}

static void parse_choice(struct ere *e)
{
    uint16_t at = e->count;
    while (e->in.n && e->in.p[0] != '|' && e->in.p[0] != ')')
        parse_piece(e);
    if (!next_is(e, '|'))
        return;
    int16_t n = (int16_t)(e->count - at);
    struct code *split = insert(e, at, SPLIT);
    split->x = 1;
    split->y = (int16_t)(n + 2);
    uint16_t jump = e->count;
    emit(e, JUMP, 0);
    if (++e->nest > NEST_MAX)
        fail(e, SW_LIMIT);
    else
        parse_choice(e);
    e->nest--;
    e->code[jump < SW_ERE_CODE_MAX ? jump : 0].x = (int16_t)(e->count - jump);
}

static enum sw_status compile(struct ere *e, struct sw_slice text, bool fold)
{
    memset(e, 0, sizeof(*e));
    e->in = text;
    e->fold = fold;
    parse_choice(e);
    if (e->in.n)
        fail(e, SW_PEER_SYNTAX);
    emit(e, MATCH, 0);
    return e->status;
}

/* ---- matching: every instruction meets every place of the text once ---- */

struct job {
    uint16_t pc;
    int16_t at; /* -1: not a place to go on from, but a slot to be put back */
    int16_t was;
};

struct run {
    const struct ere *e;
    struct sw_slice text;
    int16_t slot[2 * GROUPS_MAX];
    struct job stack[STACK_MAX];
    uint32_t depth;
    uint8_t seen[SW_ERE_CODE_MAX][SW_ERE_TEXT_MAX / 8 + 1];
    bool full;
};

static void push(struct run *r, uint16_t pc, int at, int was)
{
    if (r->depth == STACK_MAX)
        r->full = true;
    else
        r->stack[r->depth++] = (struct job){pc, (int16_t)at, (int16_t)was};
}

static bool consumes(const struct run *r, const struct code *c, char t)
{
    if (c->op == ANY)
        return true;
    if (c->op == CHAR)
        return (uint8_t)(r->e->fold ? sw_ascii_lower(t) : t) == c->arg;
    return r->e->set[c->arg][(uint8_t)t / 8] >> ((uint8_t)t % 8) & 1;
}

/* Follows one thread until it matches or ends. */
static bool follow(struct run *r, uint16_t pc, int at)
{
    for (;;) {
        const struct code *c = &r->e->code[pc];
        uint8_t *seen = &r->seen[pc][at / 8], bit = (uint8_t)(1 << at % 8);
        if (*seen & bit)
            return false;
        *seen |= bit;
        switch ((enum op)c->op) {
        case MATCH:
            r->slot[1] = (int16_t)at;
            return true;
        case SPLIT:
            push(r, (uint16_t)(pc + c->y), at, 0);
            pc = (uint16_t)(pc + c->x);
            break;
        case JUMP:
            pc = (uint16_t)(pc + c->x);
            break;
        case SAVE:
            push(r, c->arg, -1, r->slot[c->arg]);
            r->slot[c->arg] = (int16_t)at;
            pc++;
            break;
        case BEGIN:
        case END:
            if (at != (c->op == BEGIN ? 0 : (int)r->text.n))
                return false;
            pc++;
            break;
        case CHAR:
        case ANY:
        case SET:
            if (at >= (int)r->text.n || !consumes(r, c, r->text.p[at]))
                return false;
            at++;
            pc++;
            break;
        }
    }
}

static bool match_from(struct run *r, int start)
{
    memset(r->slot, 0xff, sizeof(r->slot));
    memset(r->seen, 0, sizeof(r->seen));
    r->slot[0] = (int16_t)start;
    r->depth = 0;
    push(r, 0, start, 0);
    while (r->depth && !r->full) {
        const struct job j = r->stack[--r->depth];
        if (j.at < 0)
            r->slot[j.pc] = j.was;
        else if (follow(r, j.pc, j.at))
            return true;
    }
    return false;
}

static enum sw_status match(struct run *r)
{
    for (int start = 0; start <= (int)r->text.n && !r->full; start++)
        if (match_from(r, start))
            return SW_OK;
    return r->full ? SW_LIMIT : SW_AGAIN;
}

/* ---- the whole expression ---- */

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

static enum sw_status fill_in(const struct run *r, struct sw_slice replacement, struct sw_buf *out)
{
    for (size_t i = 0; i < replacement.n; i++) {
        char c = replacement.p[i];
        if (c != '\\') {
            sw_buf_char(out, c);
            continue;
        }
        c = ++i < replacement.n ? replacement.p[i] : '0';
        if (c == '0')
            return SW_PEER_SYNTAX;
        if (!sw_ascii_digit(c)) {
            sw_buf_char(out, c);
            continue;
        }
        const int16_t *slot = &r->slot[2 * (c - '0')];
        if (c - '0' > r->e->groups)
            return SW_PEER_SYNTAX;
        if (slot[0] >= 0 && slot[1] >= slot[0])
            sw_buf_put(out, r->text.p + slot[0], (size_t)(slot[1] - slot[0]));
    }
    return out->full ? SW_LIMIT : SW_OK;
}

enum sw_status sw_ere_substitute(struct sw_slice expression, struct sw_slice text,
                                 struct sw_buf *out)
{
    struct ere e;
    struct run r = {.e = &e, .text = text};
    struct sw_slice ere, replacement;
    char delimiter = expression.n ? expression.p[0] : '\\';
    struct sw_slice flags = sw_slice_from(expression, 1);
    if (delimiter == '\\' || sw_ascii_digit(delimiter) || !part(&flags, delimiter, &ere) ||
        !part(&flags, delimiter, &replacement) ||
        (flags.n && !sw_slice_eq_case(flags, SW_SLICE("i"))))
        return SW_PEER_SYNTAX;
    if (text.n > SW_ERE_TEXT_MAX)
        return SW_LIMIT;
    enum sw_status s = compile(&e, ere, flags.n > 0);
    if (s == SW_OK)
        s = match(&r);
    return s == SW_OK ? fill_in(&r, replacement, out) : s;
}
