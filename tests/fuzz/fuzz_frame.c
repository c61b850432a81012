/* The framer: whatever pieces a stream comes in, the cuts are the same, and no limit is passed. The
 * first two bytes choose the pieces. */
#include "sip/frame.h"

#include <stdlib.h>

static const struct sw_frame_limits limits = {2048, 4096};

enum { CUTS_MAX = 4096 };

struct cuts {
    uint32_t n[CUTS_MAX];
    unsigned kind[CUTS_MAX];
    unsigned count;
    enum sw_status end;
};

/* Cuts the stream as if `piece` bytes came at a time. */
static void run(const char *p, size_t n, size_t piece, struct cuts *c)
{
    struct sw_frame f;
    struct sw_framed out;
    size_t at = 0, have = 0;
    sw_frame_reset(&f);
    c->count = 0;
    c->end = SW_AGAIN;
    while (c->count < CUTS_MAX) {
        enum sw_status s = sw_frame_next(&f, p + at, have - at, &limits, &out);
        if (s == SW_OK) {
            if (out.n == 0 || out.n > have - at || out.n > limits.head_max + limits.body_max)
                abort();
            c->kind[c->count] = out.kind;
            c->n[c->count++] = out.n;
            at += out.n;
        } else if (s != SW_AGAIN) {
            c->end = s;
            return;
        } else if (have == n) {
            return;
        } else {
            have = n - have < piece ? n : have + piece;
        }
    }
}

/* CRLFs are told apart as pings and blanks by how they arrive: only their sum is the same. */
static size_t messages(const struct cuts *c, uint32_t *out)
{
    size_t k = 0;
    for (unsigned i = 0; i < c->count; i++)
        if (c->kind[i] == SW_FRAME_MESSAGE)
            out[k++] = c->n[i];
    return k;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct cuts whole, pieces;
    static uint32_t a[CUTS_MAX], b[CUTS_MAX];
    if (size < 2)
        return 0;
    size_t piece = 1 + (data[0] | (size_t)(data[1] & 3) << 8);
    run((const char *)data + 2, size - 2, size, &whole);
    run((const char *)data + 2, size - 2, piece, &pieces);
    size_t n = messages(&whole, a), m = messages(&pieces, b);
    if (whole.end != pieces.end || n != m || (n && memcmp(a, b, n * sizeof(a[0])) != 0))
        abort();
    return 0;
}
