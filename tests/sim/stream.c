#include "sim/stream.h"

#include "sip/frame.h"
#include <assert.h>
#include <stdlib.h>

/* As small as limits may be, so that they are met. */
static const struct sw_frame_limits limits = {.head_max = 4096, .body_max = 4096};

struct sim_stream {
    struct sw_frame frame;
    char *p;
    size_t n;
};

static void append(struct sim_stream *s, struct sw_slice bytes)
{
    s->p = realloc(s->p, s->n + bytes.n + 1);
    assert(s->p);
    if (bytes.n)
        memcpy(s->p + s->n, bytes.p, bytes.n);
    s->n += bytes.n;
}

static void drop(struct sim_stream *s, size_t n)
{
    s->n -= n;
    memmove(s->p, s->p + n, s->n);
}

/* The message stands in memory of its own size: who reads beyond it is seen. */
static void hand_on(struct sim_stream *s, size_t n, enum sw_status status, sim_stream_fn *deliver,
                    void *user)
{
    char *copy = malloc(n);
    assert(copy);
    memcpy(copy, s->p, n);
    drop(s, n);
    deliver(user, sw_slice(copy, n), status);
    free(copy);
}

bool sim_stream_feed(struct sim_stream **at, struct sw_slice bytes, sim_stream_fn *deliver,
                     void *user)
{
    struct sim_stream *s = *at ? *at : calloc(1, sizeof(*s));
    assert(s);
    *at = s;
    append(s, bytes);
    for (;;) {
        struct sw_framed f = {0};
        enum sw_status st = sw_frame_next(&s->frame, s->p, s->n, &limits, &f);
        if (st == SW_AGAIN)
            return true;
        assert(f.n <= s->n);
        if (st != SW_OK && f.n)
            hand_on(s, f.n, st, deliver, user);
        if (st != SW_OK)
            return false;
        if (f.kind == SW_FRAME_MESSAGE)
            hand_on(s, f.n, SW_OK, deliver, user);
        else
            drop(s, f.n);
    }
}

void sim_stream_free(struct sim_stream *s)
{
    if (s)
        free(s->p);
    free(s);
}
