/* A YAML file under a table of keys: every value with its place in the file, every mistake
 * reported. */
#ifndef SW_DAEMON_SCHEMA_H
#define SW_DAEMON_SCHEMA_H

#include "base/arena.h"
#include "base/status.h"
#include "daemon/diag.h"

/* A scalar. */
struct sw_text {
    struct sw_slice s; /* closed with NUL; .p NULL: not given */
    struct sw_mark mark;
    const void *map; /* in a list that allows it: it is a mapping, of the schema's type */
};

/* A scalar or a list of them; with a schema also mappings. */
struct sw_texts {
    struct sw_text *t;
    size_t count;
    bool given;
    struct sw_mark mark;
};

/* A whole number: milliseconds, bytes, a count, or 0 and 1. */
struct sw_number {
    int64_t v;
    bool given;
    struct sw_mark mark;
};

/* A list of mappings; the element type is the schema's. */
struct sw_maps {
    void *item;
    size_t count;
    bool given;
    struct sw_mark mark;
};

enum sw_key_type {
    SW_KEY_TEXT,     /* struct sw_text */
    SW_KEY_TEXTS,    /* struct sw_texts */
    SW_KEY_COUNT,    /* struct sw_number: 0 or more */
    SW_KEY_BOOL,     /* struct sw_number: true | false */
    SW_KEY_DURATION, /* struct sw_number, ms: 30s, 5m, 1h, 250ms, 2d; 0 */
    SW_KEY_SIZE,     /* struct sw_number, bytes: 64k, 1m, 2g */
    SW_KEY_MAP,      /* a mapping of its own, in place */
    SW_KEY_MAPS,     /* struct sw_maps */
};

struct sw_key_def {
    const char *name;
    enum sw_key_type type;
    size_t offset; /* in the target structure */
    bool required;
    const char *words;              /* "a|b|c" that a text may be; NULL: any */
    const struct sw_schema *schema; /* of MAP and MAPS, and of the mappings in TEXTS */
};

struct sw_schema {
    const char *what; /* such as "a peer" */
    const struct sw_key_def *keys;
    size_t key_count;
    size_t size;        /* of the target structure */
    size_t mark_offset; /* of a struct sw_mark in it */
};

/**
 * Reads `text` into `target` (cleared by the caller) under `schema`; what it points to lives in
 * `arena`. Mistakes go to `diags`; a syntax error ends the reading, all else is reported in one
 * run. False: memory is out, and what was read is not whole.
 */
bool sw_schema_read(struct sw_slice text, const struct sw_schema *schema, void *target,
                    struct sw_arena *arena, struct sw_diags *diags);

/** The word nearest to `given` among "a|b|c", or one of `count` names; NULL if none is near. */
const char *sw_nearest(struct sw_slice given, const char *const *names, size_t count);

#endif
