/* The heap of a whole process runs out: LD_PRELOAD it, and name a file in SIPWARD_FAULT that holds
 * a struct order. The file is mapped: whoever writes to it switches failing on and off at any time.
 *
 * A request that makes a block smaller never fails: no heap refuses it, and OpenSSL 3.0 loses
 * entries of a table if it is (contract() in crypto/lhash/lhash.c). */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* The file. */
struct order {
    _Atomic uint64_t on;
    _Atomic uint64_t chance; /* in a million */
    _Atomic uint64_t seed;
    _Atomic uint64_t asked, failed; /* while it was on */
};

static struct order g_off, *g_order = &g_off;
static _Atomic uint64_t g_count;

__attribute__((constructor)) static void start(void)
{
    const char *path = getenv("SIPWARD_FAULT");
    int fd = path ? open(path, O_RDWR | O_CLOEXEC) : -1;
    void *p = fd >= 0 ? mmap(NULL, sizeof(struct order), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0)
                      : MAP_FAILED;
    if (fd >= 0)
        close(fd);
    if (p != MAP_FAILED)
        g_order = p;
}

/* A number that each request has for itself, the same for the same seed. */
static uint64_t mix(uint64_t x)
{
    x ^= x >> 33;
    x *= UINT64_C(0xff51afd7ed558ccd);
    x ^= x >> 33;
    x *= UINT64_C(0xc4ceb9fe1a85ec53);
    return x ^ x >> 33;
}

static bool fails(void)
{
    struct order *o = g_order;
    if (!atomic_load_explicit(&o->on, memory_order_relaxed))
        return false;
    uint64_t n = atomic_fetch_add(&g_count, 1) + 1;
    atomic_fetch_add(&o->asked, 1);
    if (mix(n * UINT64_C(0x9e3779b97f4a7c15) ^ o->seed) % 1000000 >= o->chance)
        return false;
    atomic_fetch_add(&o->failed, 1);
    errno = ENOMEM;
    return true;
}

/* The next definition of a function: the C library's, or a sanitizer's. */
static void *next(const char *name, void **kept)
{
    if (!*kept)
        *kept = dlsym(RTLD_NEXT, name);
    return *kept;
}

void *malloc(size_t n)
{
    static void *real;
    void *(*f)(size_t) = next("malloc", &real);
    return fails() ? NULL : f(n);
}

void *calloc(size_t k, size_t n)
{
    static void *real;
    void *(*f)(size_t, size_t) = next("calloc", &real);
    return fails() ? NULL : f(k, n);
}

void *realloc(void *p, size_t n)
{
    static void *real;
    void *(*f)(void *, size_t) = next("realloc", &real);
    return !(p && n <= malloc_usable_size(p)) && fails() ? NULL : f(p, n);
}
