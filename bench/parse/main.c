/* Measures what it takes to parse SIP messages and to answer a proxy's first questions about them:
 * Sipward beside libosip2 and sofia-sip. See bench/README.md. */
#include "bench/parse/library.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static const struct parse_library *const libraries[] = {
    &parse_sipward,
#ifdef HAVE_OSIP
    &parse_osip,
#endif
#ifdef HAVE_SOFIA
    &parse_sofia,
#endif
};

enum {
    LIBRARIES = sizeof(libraries) / sizeof(libraries[0]),
    MESSAGES_MAX = 4096,
    SAMPLES_MAX = 4096
};

/* The messages; the first is the INVITE of the goal. */
static struct sw_slice messages[MESSAGES_MAX];
static size_t message_count;

/* ---- heap calls: the C library's, counted on the way ---- */

void *__libc_malloc(size_t n);
void *__libc_calloc(size_t count, size_t n);
void *__libc_realloc(void *p, size_t n);

static uint64_t heap_calls;

void *malloc(size_t n)
{
    heap_calls++;
    return __libc_malloc(n);
}

void *calloc(size_t count, size_t n)
{
    heap_calls++;
    return __libc_calloc(count, n);
}

void *realloc(void *p, size_t n)
{
    heap_calls++;
    return __libc_realloc(p, n);
}

/* ---- the messages ---- */

static void fail(const char *what, const char *why)
{
    fprintf(stderr, "%s: %s\n", what, why);
    exit(1);
}

/* Each message stands behind a line with its length, and is copied for itself. */
static void load(const char *path)
{
    char line[32];
    FILE *f = fopen(path, "rb");
    if (!f)
        fail(path, strerror(errno));
    while (fgets(line, sizeof(line), f)) {
        size_t n = strtoul(line, NULL, 10);
        char *p = malloc(n + 1);
        if (message_count == MESSAGES_MAX || n == 0 || !p || fread(p, 1, n, f) != n)
            fail(path, "not a corpus");
        p[n] = 0;
        messages[message_count++] = sw_slice(p, n);
    }
    fclose(f);
    if (message_count == 0)
        fail(path, "empty");
}

/* ---- do they find the same? ---- */

static struct sw_slice plain(struct parse_text t)
{
    struct sw_slice s = t.n == PARSE_CSTRING ? sw_slice_str(t.p) : sw_slice(t.p, t.n);
    if (s.n >= 2 && s.p[0] == '[') /* an IPv6 address, by some without its brackets */
        s = sw_slice(s.p + 1, s.n - 2);
    return s;
}

static bool same(const struct parse_found *a, const struct parse_found *b)
{
    const struct parse_text x[] = {a->uri_host, a->branch,     a->from_tag,    a->to_tag,
                                   a->call_id,  a->route_host, a->contact_host};
    const struct parse_text y[] = {b->uri_host, b->branch,     b->from_tag,    b->to_tag,
                                   b->call_id,  b->route_host, b->contact_host};
    for (size_t i = 0; i < sizeof(x) / sizeof(x[0]); i++) {
        /* libosip2 keeps only the part of a Call-ID before the @ there */
        struct sw_slice p = plain(x[i]), q = plain(y[i]);
        bool part = x[i].p == a->call_id.p && q.n < p.n && p.p[q.n] == '@';
        if (!sw_slice_eq_case(part ? sw_slice(p.p, q.n) : p, q))
            return false;
    }
    return a->cseq == b->cseq;
}

struct agreement {
    unsigned refused, differs;
    uint64_t heap_invite, heap_all;
};

/* One message by one library beside Sipward. */
static void compare_one(const struct parse_library *l, size_t i, bool verbose, struct agreement *a)
{
    struct parse_found own = {0}, other = {0};
    bool known = parse_sipward.parse(messages[i].p, messages[i].n, &own);
    uint64_t before = heap_calls;
    bool taken = l->parse(messages[i].p, messages[i].n, &other);
    bool differs = known && taken && !same(&own, &other);
    l->done();
    a->heap_all += heap_calls - before;
    if (i == 0)
        a->heap_invite = heap_calls - before;
    a->refused += !taken;
    a->differs += differs;
    if (verbose && (!taken || differs))
        printf("---- %s %s message %zu\n%.*s\n", l->name, taken ? "differs in" : "refused", i,
               SW_SLICE_ARG(messages[i]));
}

static struct agreement compare(const struct parse_library *l, bool verbose)
{
    struct agreement a = {0};
    for (size_t i = 0; i < message_count; i++)
        compare_one(l, i, verbose, &a);
    return a;
}

/* ---- time ---- */

static uint64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

/* Parses the first `count` messages, `times` times. */
static void work(const struct parse_library *l, size_t count, unsigned times)
{
    struct parse_found found;
    for (unsigned t = 0; t < times; t++)
        for (size_t i = 0; i < count; i++) {
            memset(&found, 0, sizeof(found));
            l->parse(messages[i].p, messages[i].n, &found);
            __asm__ volatile("" : : "r"(&found) : "memory");
            l->done();
        }
}

static double sample(const struct parse_library *l, size_t count, unsigned times)
{
    uint64_t from = now_ns();
    work(l, count, times);
    return (double)(now_ns() - from) / ((double)count * times);
}

static int by_size(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double invite[LIBRARIES][SAMPLES_MAX], corpus[LIBRARIES][SAMPLES_MAX];

/* The libraries take turns, so that a neighbour on the machine disturbs all of them. */
static void measure(const char *only, unsigned samples)
{
    enum { WARM_UP = 3, INVITES = 400, SWEEPS = 2 };
    for (unsigned i = 0; i < samples + WARM_UP; i++)
        for (size_t l = 0; l < LIBRARIES; l++) {
            if (only && strcmp(only, libraries[l]->name) != 0)
                continue;
            size_t at = i < WARM_UP ? 0 : i - WARM_UP;
            invite[l][at] = sample(libraries[l], 1, INVITES);
            corpus[l][at] = sample(libraries[l], message_count, SWEEPS);
        }
}

static void report(size_t l, unsigned samples, bool verbose)
{
    struct agreement a = compare(libraries[l], verbose);
    qsort(invite[l], samples, sizeof(double), by_size);
    qsort(corpus[l], samples, sizeof(double), by_size);
    printf("library=%s invite_ns=%.0f invite_median_ns=%.0f corpus_ns=%.0f corpus_median_ns=%.0f "
           "messages=%zu refused=%u differs=%u heap_invite=%llu heap_corpus=%.1f\n",
           libraries[l]->name, invite[l][0], invite[l][samples / 2], corpus[l][0],
           corpus[l][samples / 2], message_count, a.refused, a.differs,
           (unsigned long long)a.heap_invite, (double)a.heap_all / (double)message_count);
}

static void usage(void)
{
    fputs("sipward-parse [options] CORPUS\n"
          "  --library NAME   only this one: sipward, osip, sofia\n"
          "  --samples N      of each library (200)\n"
          "  --invites N      only parse the first message N times: for a profiler\n"
          "  --sweeps N       only parse all messages N times: for a profiler\n"
          "  --verbose        show what a library refuses or reads differently\n",
          stderr);
    exit(2);
}

struct options {
    const char *library;
    unsigned samples, invites, sweeps;
    bool verbose;
};

static struct options options(int argc, char **argv)
{
    static const struct option names[] = {
        {"library", required_argument, NULL, 'l'}, {"samples", required_argument, NULL, 'n'},
        {"invites", required_argument, NULL, 'i'}, {"sweeps", required_argument, NULL, 's'},
        {"verbose", no_argument, NULL, 'v'},       {NULL, 0, NULL, 0},
    };
    struct options o = {.samples = 200};
    for (int c; (c = getopt_long(argc, argv, "", names, NULL)) != -1;) {
        if (c == 'l')
            o.library = optarg;
        else if (c == 'n')
            o.samples = (unsigned)strtoul(optarg, NULL, 10);
        else if (c == 'i')
            o.invites = (unsigned)strtoul(optarg, NULL, 10);
        else if (c == 's')
            o.sweeps = (unsigned)strtoul(optarg, NULL, 10);
        else if (c == 'v')
            o.verbose = true;
        else
            usage();
    }
    if (optind + 1 != argc || o.samples == 0 || o.samples > SAMPLES_MAX)
        usage();
    return o;
}

int main(int argc, char **argv)
{
    struct options o = options(argc, argv);
    load(argv[optind]);
    for (size_t l = 0; l < LIBRARIES; l++)
        libraries[l]->init();
    if (!o.invites && !o.sweeps)
        measure(o.library, o.samples);
    for (size_t l = 0; l < LIBRARIES; l++) {
        if (o.library && strcmp(o.library, libraries[l]->name) != 0)
            continue;
        work(libraries[l], 1, o.invites);
        work(libraries[l], message_count, o.sweeps);
        if (!o.invites && !o.sweeps)
            report(l, o.samples, o.verbose);
    }
    return 0;
}
