#include "daemon/schema.h"

#include <yaml.h>

struct reader {
    yaml_document_t *doc;
    struct sw_arena *arena;
    struct sw_diags *diags;
    bool memory_out; /* it was told */
};

static struct sw_mark mark_of(const yaml_node_t *n)
{
    return (struct sw_mark){(unsigned)n->start_mark.line + 1, (unsigned)n->start_mark.column + 1};
}

static struct sw_slice scalar(const yaml_node_t *n)
{
    return sw_slice((const char *)n->data.scalar.value, n->data.scalar.length);
}

/* Memory for what is kept; NULL: memory is out, which is told once. */
static void *get(struct reader *r, size_t n)
{
    void *p = sw_arena_get(r->arena, n);
    if (!p && !r->memory_out)
        sw_diag_error(r->diags, ((struct sw_mark){0, 0}), "memory is out");
    r->memory_out |= !p;
    return p;
}

/* ---- near words ---- */

static size_t min3(size_t a, size_t b, size_t c)
{
    size_t m = a < b ? a : b;
    return m < c ? m : c;
}

/* Edits that turn one word into the other (Levenshtein). */
static size_t distance(struct sw_slice a, struct sw_slice b)
{
    enum { LONG = 64 };
    size_t row[LONG + 1];
    if (a.n > LONG || b.n > LONG)
        return LONG;
    for (size_t j = 0; j <= b.n; j++)
        row[j] = j;
    for (size_t i = 1; i <= a.n; i++) {
        size_t corner = row[0];
        row[0] = i;
        for (size_t j = 1; j <= b.n; j++) {
            size_t up = row[j];
            bool same = sw_ascii_lower(a.p[i - 1]) == sw_ascii_lower(b.p[j - 1]);
            row[j] = min3(row[j] + 1, row[j - 1] + 1, corner + !same);
            corner = up;
        }
    }
    return row[b.n];
}

const char *sw_nearest(struct sw_slice given, const char *const *names, size_t count)
{
    const char *best = NULL;
    size_t least = given.n / 2 + 1;
    for (size_t i = 0; i < count; i++) {
        size_t d = distance(given, sw_slice_str(names[i]));
        if (d < least) {
            least = d;
            best = names[i];
        }
    }
    return best;
}

/* ---- scalars ---- */

static bool is_word(const char *words, struct sw_slice s)
{
    for (const char *w = words; *w;) {
        size_t n = strcspn(w, "|");
        if (sw_slice_eq(sw_slice(w, n), s))
            return true;
        w += n + (w[n] == '|');
    }
    return false;
}

static bool read_text(struct reader *r, const yaml_node_t *n, const struct sw_key_def *key,
                      struct sw_text *out)
{
    if (n->type != YAML_SCALAR_NODE) {
        sw_diag_error(r->diags, mark_of(n), "%s is a list or a mapping (one value is right here)",
                      key->name);
        return false;
    }
    struct sw_slice s = scalar(n);
    char *copy = get(r, s.n + 1);
    if (!copy)
        return false;
    memcpy(copy, s.p, s.n);
    copy[s.n] = 0;
    *out = (struct sw_text){.s = sw_slice(copy, s.n), .mark = mark_of(n)};
    if (s.n == 0 && key->required) {
        sw_diag_error(r->diags, out->mark, "%s is empty (it must be given)", key->name);
        return false;
    }
    if (s.n == 0) { /* as if it were not given */
        out->s.p = NULL;
        return true;
    }
    if (memchr(s.p, 0, s.n)) {
        sw_diag_error(r->diags, out->mark, "%s contains a NUL byte", key->name);
        return false;
    }
    if (key->words && !is_word(key->words, s)) {
        sw_diag_error(r->diags, out->mark, "%s: \"%s\" is not known (%s)", key->name, copy,
                      key->words);
        return false;
    }
    return true;
}

static void read_map(struct reader *r, const yaml_node_t *n, const struct sw_schema *schema,
                     void *target);

/* A value, or a mapping where the key has a schema for it. */
static bool read_item(struct reader *r, const yaml_node_t *n, const struct sw_key_def *key,
                      struct sw_text *out)
{
    if (n->type != YAML_MAPPING_NODE || !key->schema)
        return read_text(r, n, key, out);
    void *map = get(r, key->schema->size);
    if (!map)
        return false;
    memset(map, 0, key->schema->size);
    read_map(r, n, key->schema, map);
    *out = (struct sw_text){.mark = mark_of(n), .map = map};
    return true;
}

static void read_texts(struct reader *r, const yaml_node_t *n, const struct sw_key_def *key,
                       struct sw_texts *out)
{
    out->given = true;
    out->mark = mark_of(n);
    if (n->type != YAML_SEQUENCE_NODE) {
        out->t = get(r, sizeof(*out->t));
        if (out->t && read_item(r, n, key, out->t))
            out->count = 1;
        return;
    }
    size_t count = (size_t)(n->data.sequence.items.top - n->data.sequence.items.start);
    out->given = count > 0; /* an empty list stands for the default */
    out->t = get(r, (count + 1) * sizeof(*out->t));
    for (size_t i = 0; out->t && i < count; i++) {
        const yaml_node_t *item = yaml_document_get_node(r->doc, n->data.sequence.items.start[i]);
        if (read_item(r, item, key, &out->t[out->count]))
            out->count++;
    }
}

struct unit {
    const char *suffix;
    int64_t factor;
};

static const struct unit durations[] = {
    {"ms", 1}, {"s", 1000}, {"m", 60000}, {"h", 3600000}, {"d", 86400000}};
static const struct unit sizes[] = {{"", 1},        {"k", 1 << 10}, {"m", 1 << 20}, {"g", 1 << 30},
                                    {"K", 1 << 10}, {"M", 1 << 20}, {"G", 1 << 30}};

static bool with_unit(struct sw_slice s, const struct unit *units, size_t count, int64_t *out)
{
    size_t digits = 0;
    uint64_t v;
    while (digits < s.n && sw_ascii_digit(s.p[digits]))
        digits++;
    if (!sw_slice_u64(sw_slice(s.p, digits), UINT64_C(1) << 40, &v))
        return false;
    struct sw_slice suffix = sw_slice_from(s, digits);
    for (size_t i = 0; i < count; i++)
        if (sw_slice_eq(suffix, sw_slice_str(units[i].suffix))) {
            *out = (int64_t)v * units[i].factor;
            return v <= (uint64_t)(INT32_MAX / units[i].factor);
        }
    *out = 0;
    return v == 0 && suffix.n == 0;
}

static bool as_bool(struct sw_slice s, int64_t *out)
{
    *out = is_word("true|yes|on", s);
    return *out || is_word("false|no|off", s);
}

static void read_number(struct reader *r, const yaml_node_t *n, const struct sw_key_def *key,
                        struct sw_number *out)
{
    struct sw_text t;
    uint64_t count;
    bool ok = false;
    const char *right = "";
    if (!read_text(r, n, key, &t))
        return;
    switch (key->type) {
    case SW_KEY_BOOL:
        ok = as_bool(t.s, &out->v);
        right = "true or false";
        break;
    case SW_KEY_DURATION:
        ok = with_unit(t.s, durations, sizeof(durations) / sizeof(durations[0]), &out->v);
        right = "a time such as 30s, 5m or 1h, at most 24d";
        break;
    case SW_KEY_SIZE:
        ok = with_unit(t.s, sizes, sizeof(sizes) / sizeof(sizes[0]), &out->v);
        right = "a size such as 64k or 1m, below 2g";
        break;
    default:
        ok = sw_slice_u64(t.s, INT32_MAX, &count);
        out->v = ok ? (int64_t)count : 0;
        right = "a whole number";
        break;
    }
    if (!ok) {
        sw_diag_error(r->diags, t.mark, "%s: \"%s\" cannot be read (%s)", key->name, t.s.p, right);
        return;
    }
    out->given = true;
    out->mark = t.mark;
}

/* ---- mappings ---- */

static void read_maps(struct reader *r, const yaml_node_t *n, const struct sw_key_def *key,
                      struct sw_maps *out)
{
    out->given = true;
    out->mark = mark_of(n);
    if (n->type != YAML_SEQUENCE_NODE) {
        sw_diag_error(r->diags, out->mark, "%s is not a list (each entry starts with \"- \")",
                      key->name);
        return;
    }
    size_t count = (size_t)(n->data.sequence.items.top - n->data.sequence.items.start);
    out->item = get(r, count * key->schema->size + 1);
    if (!out->item)
        return;
    memset(out->item, 0, count * key->schema->size);
    for (size_t i = 0; i < count; i++)
        read_map(r, yaml_document_get_node(r->doc, n->data.sequence.items.start[i]), key->schema,
                 (char *)out->item + i * key->schema->size);
    out->count = count;
}

static void read_key(struct reader *r, const yaml_node_t *n, const struct sw_key_def *key,
                     void *target)
{
    void *at = (char *)target + key->offset;
    switch (key->type) {
    case SW_KEY_TEXT:
        if (!read_text(r, n, key, at))
            ((struct sw_text *)at)->mark = mark_of(n);
        return;
    case SW_KEY_TEXTS:
        read_texts(r, n, key, at);
        return;
    case SW_KEY_MAP:
        read_map(r, n, key->schema, at);
        return;
    case SW_KEY_MAPS:
        read_maps(r, n, key, at);
        return;
    case SW_KEY_COUNT:
    case SW_KEY_BOOL:
    case SW_KEY_DURATION:
    case SW_KEY_SIZE:
        read_number(r, n, key, at);
        return;
    }
}

static const struct sw_key_def *find_key(const struct sw_schema *schema, struct sw_slice name)
{
    for (size_t i = 0; i < schema->key_count; i++)
        if (sw_slice_eq(name, sw_slice_str(schema->keys[i].name)))
            return &schema->keys[i];
    return NULL;
}

static void unknown_key(struct reader *r, const yaml_node_t *n, const struct sw_schema *schema)
{
    const char *names[64];
    size_t count = 0;
    for (; count < schema->key_count && count < 64; count++)
        names[count] = schema->keys[count].name;
    const char *near = n->type == YAML_SCALAR_NODE ? sw_nearest(scalar(n), names, count) : NULL;
    const char *given = n->type == YAML_SCALAR_NODE ? (const char *)n->data.scalar.value : "";
    if (near)
        sw_diag_error(r->diags, mark_of(n),
                      "unknown key \"%s\" in %s (the nearest known is \"%s\")", given, schema->what,
                      near);
    else
        sw_diag_error(r->diags, mark_of(n),
                      "unknown key \"%s\" in %s (known are \"%s\" and others: "
                      "see docs/config.md)",
                      given, schema->what, names[0]);
}

static void read_map(struct reader *r, const yaml_node_t *n, const struct sw_schema *schema,
                     void *target)
{
    uint64_t seen = 0;
    *(struct sw_mark *)(void *)((char *)target + schema->mark_offset) = mark_of(n);
    if (n->type != YAML_MAPPING_NODE) {
        sw_diag_error(r->diags, mark_of(n), "%s is not a mapping (keys with values are right here)",
                      schema->what);
        return;
    }
    for (yaml_node_pair_t *p = n->data.mapping.pairs.start; p < n->data.mapping.pairs.top; p++) {
        const yaml_node_t *k = yaml_document_get_node(r->doc, p->key);
        const yaml_node_t *v = yaml_document_get_node(r->doc, p->value);
        const struct sw_key_def *key =
            k->type == YAML_SCALAR_NODE ? find_key(schema, scalar(k)) : NULL;
        if (!key) {
            unknown_key(r, k, schema);
            continue;
        }
        uint64_t bit = UINT64_C(1) << (key - schema->keys);
        if (seen & bit)
            sw_diag_error(r->diags, mark_of(k), "%s stands twice in %s (once is right)", key->name,
                          schema->what);
        seen |= bit;
        read_key(r, v, key, target);
    }
    for (size_t i = 0; i < schema->key_count; i++)
        if (schema->keys[i].required && !(seen >> i & 1))
            sw_diag_error(r->diags, mark_of(n), "%s lacks \"%s\" (it must be given)", schema->what,
                          schema->keys[i].name);
}

static void syntax_error(const yaml_parser_t *parser, struct sw_diags *diags)
{
    if (parser->error == YAML_MEMORY_ERROR) {
        sw_diag_error(diags, ((struct sw_mark){0, 0}), "memory is out");
        return;
    }
    struct sw_mark m = {(unsigned)parser->problem_mark.line + 1,
                        (unsigned)parser->problem_mark.column + 1};
    sw_diag_error(diags, m, "YAML: %s%s%s (check indentation, colons and quotes here)",
                  parser->problem ? parser->problem : "cannot be read", parser->context ? ", " : "",
                  parser->context ? parser->context : "");
}

bool sw_schema_read(struct sw_slice text, const struct sw_schema *schema, void *target,
                    struct sw_arena *arena, struct sw_diags *diags)
{
    yaml_parser_t parser;
    yaml_document_t doc;
    if (!yaml_parser_initialize(&parser)) {
        sw_diag_error(diags, ((struct sw_mark){0, 0}), "memory is out");
        return false;
    }
    yaml_parser_set_input_string(&parser, (const unsigned char *)text.p, text.n);
    if (!yaml_parser_load(&parser, &doc)) {
        bool memory_out = parser.error == YAML_MEMORY_ERROR;
        syntax_error(&parser, diags);
        yaml_parser_delete(&parser);
        return !memory_out;
    }
    struct reader r = {.doc = &doc, .arena = arena, .diags = diags};
    yaml_node_t *root = yaml_document_get_root_node(&doc);
    if (root)
        read_map(&r, root, schema, target);
    else
        sw_diag_error(diags, ((struct sw_mark){1, 1}),
                      "the file is empty (at least domains, listen)");
    yaml_document_delete(&doc);
    yaml_parser_delete(&parser);
    return !r.memory_out;
}
