#include "conn/failures.h"

#include "base/buf.h"
#include "sys/log.h"
#include "sys/random.h"
#include <pthread.h>
#include <stdlib.h>

struct record {
    struct sw_failure x; /* its slices are in `block` */
    char *block;
    int64_t last_ms, said_ms;
    uint64_t count;
};

struct sw_failures {
    pthread_mutex_t lock;
    struct sw_sip_key key;
    uint64_t added;                 /* records so far: the next one's number */
    uint64_t what[SW_FAILURES_MAX]; /* of each record, apart for a quick search */
    struct record r[SW_FAILURES_MAX];
};

struct sw_failures *sw_failures_new(void)
{
    struct sw_failures *f = calloc(1, sizeof(*f));
    if (f && sw_random(&f->key, sizeof(f->key)) == SW_OK) {
        pthread_mutex_init(&f->lock, NULL);
        return f;
    }
    free(f);
    return NULL;
}

void sw_failures_free(struct sw_failures *f)
{
    if (!f)
        return;
    for (size_t i = 0; i < SW_FAILURES_MAX; i++)
        free(f->r[i].block);
    pthread_mutex_destroy(&f->lock);
    free(f);
}

struct sw_sip_key sw_failures_key(const struct sw_failures *f)
{
    return f->key;
}

static struct record *find(struct sw_failures *f, uint64_t what)
{
    size_t n = f->added < SW_FAILURES_MAX ? f->added : SW_FAILURES_MAX;
    for (size_t i = 0; i < n; i++)
        if (f->what[i] == what && f->r[i].block)
            return &f->r[i];
    return NULL;
}

uint64_t sw_failures_again(struct sw_failures *f, uint64_t what, int64_t wall_ms, bool *say)
{
    uint64_t count = 0;
    *say = false;
    pthread_mutex_lock(&f->lock);
    struct record *r = find(f, what);
    if (r) {
        count = ++r->count;
        r->last_ms = wall_ms;
        *say = wall_ms - r->said_ms >= SW_FAILURE_SAY_MS;
        if (*say)
            r->said_ms = wall_ms;
    }
    pthread_mutex_unlock(&f->lock);
    return count;
}

/* Copies the slices of `x` one after the other to `p`. */
static void lay_out(struct sw_failure *x, char *p)
{
    struct sw_slice *const parts[] = {&x->peer, &x->text, &x->names};
    for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
        if (parts[i]->n)
            memcpy(p, parts[i]->p, parts[i]->n);
        parts[i]->p = p;
        p += parts[i]->n;
    }
}

void sw_failures_add(struct sw_failures *f, const struct sw_failure *x)
{
    size_t n = x->peer.n + x->text.n + x->names.n;
    char *block = n <= SW_FAILURE_BYTES ? malloc(n + 1) : NULL;
    struct record new = {
        .x = *x, .block = block, .last_ms = x->wall_ms, .said_ms = x->wall_ms, .count = 1};
    if (!block)
        return;
    lay_out(&new.x, block);
    pthread_mutex_lock(&f->lock);
    struct record *r = find(f, x->what);
    if (r) { /* another worker had the same failure meanwhile */
        r->count++;
        r->last_ms = x->wall_ms;
    } else {
        size_t at = f->added++ % SW_FAILURES_MAX;
        block = f->r[at].block;
        f->r[at] = new;
        f->what[at] = x->what;
    }
    pthread_mutex_unlock(&f->lock);
    free(block);
}

void sw_failures_range(struct sw_failures *f, uint64_t *first, uint64_t *end)
{
    pthread_mutex_lock(&f->lock);
    *end = f->added;
    *first = f->added > SW_FAILURES_MAX ? f->added - SW_FAILURES_MAX : 0;
    pthread_mutex_unlock(&f->lock);
}

bool sw_failures_row(struct sw_failures *f, uint64_t number, struct sw_failure_row *out)
{
    pthread_mutex_lock(&f->lock);
    bool there = number < f->added && f->added - number <= SW_FAILURES_MAX;
    if (there) {
        const struct record *r = &f->r[number % SW_FAILURES_MAX];
        out->x = r->x;
        out->last_ms = r->last_ms;
        out->count = r->count;
        lay_out(&out->x, out->bytes);
    }
    pthread_mutex_unlock(&f->lock);
    return there;
}

void sw_failures_put(struct sw_buf *b, const struct sw_field *fields, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        size_t before = b->n;
        sw_log_object(b, &fields[i], 1);
        if (b->full) { /* a field that does not fit is left out whole */
            b->n = before;
            b->full = false;
            continue;
        }
        b->p[before] = ',';
        b->n--;
    }
}
