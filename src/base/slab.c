#include "base/slab.h"

#include <stdlib.h>
#include <string.h>

struct sw_slab_free {
    struct sw_slab_free *next;
};

static unsigned class_of(size_t n)
{
    unsigned c = 0;
    while (c < SW_SLAB_CLASSES && ((size_t)1 << (c + SW_SLAB_SHIFT_MIN)) < n)
        c++;
    return c; /* SW_SLAB_CLASSES: too large to recycle */
}

void sw_slab_init(struct sw_slab *s)
{
    memset(s, 0, sizeof(*s));
}

void sw_slab_fini(struct sw_slab *s)
{
    for (unsigned c = 0; c < SW_SLAB_CLASSES; c++) {
        while (s->free[c]) {
            struct sw_slab_free *f = s->free[c];
            s->free[c] = f->next;
            free(f);
        }
        s->free_count[c] = 0;
    }
}

size_t sw_slab_size(size_t n)
{
    unsigned c = class_of(n);
    return c < SW_SLAB_CLASSES ? (size_t)1 << (c + SW_SLAB_SHIFT_MIN) : n;
}

void *sw_slab_get(struct sw_slab *s, size_t n)
{
    unsigned c = class_of(n);
    size_t size = c < SW_SLAB_CLASSES ? (size_t)1 << (c + SW_SLAB_SHIFT_MIN) : n;
    void *p;
    if (c < SW_SLAB_CLASSES && s->free[c]) {
        p = s->free[c];
        s->free[c] = s->free[c]->next;
        s->free_count[c]--;
    } else {
        p = malloc(size);
        s->from_system++;
    }
    if (p)
        s->used_bytes += size;
    return p;
}

void sw_slab_put(struct sw_slab *s, void *p, size_t n)
{
    if (!p)
        return;
    unsigned c = class_of(n);
    size_t size = c < SW_SLAB_CLASSES ? (size_t)1 << (c + SW_SLAB_SHIFT_MIN) : n;
    s->used_bytes -= size;
#ifndef SW_SLAB_PLAIN /* sanitizer builds give every block back, so that a late use is seen */
    if (c < SW_SLAB_CLASSES && (s->free_count[c] + 1) * size <= SW_SLAB_KEEP_BYTES) {
        struct sw_slab_free *f = p;
        f->next = s->free[c];
        s->free[c] = f;
        s->free_count[c]++;
        return;
    }
#endif
    free(p);
}
