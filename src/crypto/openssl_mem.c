#include "crypto/mem.h"

#include <malloc.h>
#include <openssl/crypto.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

static _Thread_local uint64_t t_failures;

uint64_t sw_crypto_mem_failures(void)
{
    return t_failures;
}

/* What the system gives. */
static void *ask(size_t n)
{
    void *p = malloc(n);
    t_failures += !p;
    return p;
}

#ifndef SW_SLAB_PLAIN

/* Sizes by 16 bytes up to 1 kB, then by 64 bytes up to what a record buffer takes. */
enum {
    FINE = 16,
    FINE_MAX = 1024,
    COARSE = 64,
    COARSE_MAX = 20 * 1024,
    FINE_CLASSES = FINE_MAX / FINE + 1,
    CLASSES = FINE_CLASSES + COARSE_MAX / COARSE,
    KEPT_MAX = 8 * 1024 * 1024, /* bytes that a thread keeps at most */
};

struct block {
    struct block *next;
};

static _Thread_local struct {
    struct block *free[CLASSES];
    size_t kept;
    bool ended;
} t_mem;

/* The class that serves `n` bytes, or CLASSES: too large for any. */
static unsigned class_for(size_t n)
{
    if (n <= FINE_MAX)
        return (unsigned)((n + FINE - 1) / FINE);
    return n <= COARSE_MAX ? FINE_CLASSES - 1 + (unsigned)((n + COARSE - 1) / COARSE) : CLASSES;
}

static size_t class_size(unsigned class)
{
    return class < FINE_CLASSES ? (size_t) class * FINE
                                : (size_t)(class - (FINE_CLASSES - 1)) * COARSE;
}

/* The largest class that a block of this size can serve. */
static unsigned class_of(size_t usable)
{
    if (usable < FINE_MAX + COARSE)
        return (unsigned)((usable < FINE_MAX ? usable : FINE_MAX) / FINE);
    return FINE_CLASSES - 1 + (unsigned)(usable / COARSE);
}

static void *get(size_t n, const char *file, int line)
{
    (void)file;
    (void)line;
    unsigned class = class_for(n);
    if (n == 0)
        return NULL;
    if (class == CLASSES)
        return ask(n);
    struct block *b = t_mem.free[class];
    if (!b)
        return ask(class_size(class));
    t_mem.free[class] = b->next;
    t_mem.kept -= class_size(class);
    return b;
}

static void put(void *p, const char *file, int line)
{
    (void)file;
    (void)line;
    if (!p)
        return;
    size_t usable = malloc_usable_size(p);
    unsigned class = usable > COARSE_MAX + COARSE ? CLASSES : class_of(usable);
    if (class >= CLASSES || t_mem.ended || t_mem.kept + class_size(class) > KEPT_MAX) {
        free(p);
        return;
    }
    struct block *b = p;
    b->next = t_mem.free[class];
    t_mem.free[class] = b;
    t_mem.kept += class_size(class);
}

static void *again(void *p, size_t n, const char *file, int line)
{
    if (!p)
        return get(n, file, line);
    size_t usable = malloc_usable_size(p);
    if (n && n <= usable)
        return p;
    void *q = get(n, file, line);
    if (q)
        memcpy(q, p, usable < n ? usable : n);
    if (q || n == 0)
        put(p, file, line);
    return q;
}

void sw_crypto_mem_start(void)
{
    CRYPTO_set_mem_functions(get, again, put);
}

void sw_crypto_mem_end(void)
{
    for (unsigned c = 0; c < CLASSES; c++)
        while (t_mem.free[c]) {
            struct block *b = t_mem.free[c];
            t_mem.free[c] = b->next;
            free(b);
        }
    t_mem.kept = 0;
    t_mem.ended = true;
}

#else /* the sanitizers are to see each block */

static void *get(size_t n, const char *file, int line)
{
    (void)file;
    (void)line;
    return n ? ask(n) : NULL;
}

static void put(void *p, const char *file, int line)
{
    (void)file;
    (void)line;
    free(p);
}

static void *again(void *p, size_t n, const char *file, int line)
{
    size_t usable = p ? malloc_usable_size(p) : 0;
    void *q = get(n, file, line);
    if (q && p)
        memcpy(q, p, usable < n ? usable : n);
    if (q || n == 0)
        put(p, file, line);
    return q ? q : n && n <= usable ? p : NULL; /* it is never refused that a block gets smaller */
}

void sw_crypto_mem_start(void)
{
    CRYPTO_set_mem_functions(get, again, put);
}

void sw_crypto_mem_end(void)
{
}

#endif
