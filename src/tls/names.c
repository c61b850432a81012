#include "tls/names.h"

#include "crypto/siphash.h"
#include <stdlib.h>

enum { NAME_MAX_BYTES = 253 }; /* RFC 1035 2.3.4, without the root's dot */

struct name {
    struct sw_map_node node;
    const struct sw_tls_identity *identity;
};

/* Names live in blocks that double, so that ten thousand do not cost ten thousand allocations. */
struct block {
    struct block *next;
    size_t used, cap;
    struct name names[];
};

struct sw_tls_names {
    struct sw_map map;
    struct block *blocks;
};

enum { BLOCK_FIRST = 8 };

struct sw_tls_names *sw_tls_names_new(size_t expected)
{
    struct sw_tls_names *n = calloc(1, sizeof(*n));
    if (n && sw_map_init(&n->map, expected) == SW_OK)
        return n;
    free(n);
    return NULL;
}

void sw_tls_names_free(struct sw_tls_names *n)
{
    if (!n)
        return;
    for (struct block *b = n->blocks, *next; b; b = next) {
        next = b->next;
        free(b);
    }
    sw_map_fini(&n->map);
    free(n);
}

static struct sw_slice undot(struct sw_slice s)
{
    return s.n && s.p[s.n - 1] == '.' ? sw_slice(s.p, s.n - 1) : s;
}

/* The names are the configuration's, so their buckets need no secret; equal hashes of 128 bits are
 * taken for equal names. */
static struct sw_key key_of(struct sw_slice prefix, struct sw_slice rest)
{
    struct sw_siphash h;
    char text[NAME_MAX_BYTES];
    struct sw_slice whole = sw_slice(text, prefix.n + rest.n);
    sw_segs_copy((const struct sw_slice[]){prefix, rest}, 2, text);
    sw_siphash_init(&h, (struct sw_sip_key){0, 0});
    sw_siphash_slice_lower(&h, whole);
    return sw_siphash_end(&h);
}

static struct name *take(struct sw_tls_names *n)
{
    struct block *b = n->blocks;
    if (!b || b->used == b->cap) {
        size_t cap = b ? b->cap * 2 : BLOCK_FIRST;
        b = calloc(1, sizeof(*b) + cap * sizeof(b->names[0]));
        if (!b)
            return NULL;
        b->cap = cap;
        b->next = n->blocks;
        n->blocks = b;
    }
    return &b->names[b->used++];
}

enum sw_status sw_tls_names_add(struct sw_tls_names *n, struct sw_slice name,
                                const struct sw_tls_identity *identity)
{
    name = undot(name);
    if (name.n == 0 || name.n > NAME_MAX_BYTES)
        return SW_PEER_SYNTAX;
    struct sw_key key = key_of(name, SW_SLICE(""));
    struct sw_map_node *found = sw_map_get(&n->map, key);
    if (found)
        return ((struct name *)(void *)found)->identity == identity ? SW_OK : SW_DENIED;
    struct name *x = take(n);
    if (!x)
        return SW_LIMIT_MEMORY;
    x->identity = identity;
    sw_map_add(&n->map, &x->node, key);
    return SW_OK;
}

static const struct sw_tls_identity *find(const struct sw_tls_names *n, struct sw_slice prefix,
                                          struct sw_slice rest)
{
    if (prefix.n + rest.n > NAME_MAX_BYTES)
        return NULL;
    struct sw_map_node *found = sw_map_get(&n->map, key_of(prefix, rest));
    return found ? ((struct name *)(void *)found)->identity : NULL;
}

const struct sw_tls_identity *sw_tls_names_find(const struct sw_tls_names *n, struct sw_slice name)
{
    name = undot(name);
    if (name.n == 0 || name.p[0] == '*')
        return NULL;
    const struct sw_tls_identity *exact = find(n, name, SW_SLICE(""));
    size_t dot = sw_slice_find(name, '.');
    if (exact || dot == 0 || dot == name.n)
        return exact;
    return find(n, SW_SLICE("*"), sw_slice_from(name, dot));
}
