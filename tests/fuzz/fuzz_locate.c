/* Locations and ENUM look-ups with any answers: they end, within their limits, and what they found
 * can be used. */
#include "sip/enum.h"
#include "sip/locate.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static uint8_t take(struct sw_slice *s)
{
    uint8_t c = s->n ? (uint8_t)s->p[0] : 0;
    *s = sw_slice_from(*s, 1);
    return c;
}

/* Some bytes of the input as an answer. */
static struct sw_dns_answer answer(struct sw_slice *s)
{
    static const enum sw_status other[] = {SW_PEER_NO_NAME, SW_PEER_DNS, SW_DENIED_BOGUS, SW_AGAIN};
    uint8_t kind = take(s);
    size_t n = take(s) | (size_t)take(s) << 8;
    struct sw_dns_answer a = {
        .status = kind < 4 ? other[kind] : SW_OK, .count = kind, .secure = kind & 1};
    n = n > s->n ? s->n : n;
    a.records = sw_slice(s->p, n);
    *s = sw_slice_from(*s, n);
    return a;
}

static void run(struct sw_locate *x, struct sw_slice s)
{
    struct sw_prng prng = {{1, 2}, 0};
    uint32_t step;
    int asked = 0;
    while (x->end == SW_LOCATE_GOES_ON) {
        if (!sw_locate_next(x, &step))
            abort(); /* all is answered, and it waits */
        if (++asked > SW_LOCATE_QUESTIONS_MAX)
            abort();
        struct sw_dns_answer a = answer(&s);
        sw_locate_answer(x, step, &a, &prng);
    }
}

static void run_enum(struct sw_slice s)
{
    struct sw_enum *x = malloc(sizeof(*x));
    struct sw_slab slab;
    struct sw_uri u;
    int asked = 0;
    sw_slab_init(&slab);
    sw_enum_start(x, "+4930123456", SW_SLICE("e164.arpa"));
    while (x->end == SW_ENUM_GOES_ON || x->end == SW_ENUM_FOUND) { /* no URI of it is good enough */
        if (x->end == SW_ENUM_FOUND &&
            (sw_uri_parse(sw_slice_str(x->uri), &u, NULL) != SW_OK || !sw_uri_is_sip(&u)))
            abort();
        if (x->end == SW_ENUM_FOUND) {
            sw_enum_pass(x);
            continue;
        }
        if (++asked > SW_ENUM_CHAIN_MAX + 1)
            abort();
        struct sw_dns_answer a = answer(&s);
        sw_enum_answer(x, &a, &slab);
    }
    if (slab.used_bytes)
        abort();
    sw_slab_fini(&slab);
    free(x);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *copy = malloc(size + 1), text[512];
    struct sw_locate *x = malloc(sizeof(*x));
    struct sw_buf b = sw_buf(text, sizeof(text));
    memcpy(copy, data, size);
    struct sw_slice s = sw_slice(copy, size);
    uint8_t bits = take(&s), n = take(&s) % 40;
    struct sw_locate_goal g = {
        .transport = bits & 1 ? SW_SLICE("tls") : sw_slice("", 0),
        .port = bits & 2 && bits & 4 ? 5060 : 0,
        .sips = bits & 8,
        .tls_only = bits & 16,
        .have = 7,
        .families = (uint8_t)(1 + bits / 32 % 3),
        .tlsa = bits & 128 ? calloc(1, sizeof(*g.tlsa)) : NULL,
    };
    n = n > s.n ? (uint8_t)s.n : n;
    g.host = n ? sw_slice(s.p, n) : SW_SLICE("example.test");
    s = sw_slice_from(s, n);
    run_enum(s);
    sw_locate_start(x, &g);
    run(x, s);
    if ((x->end == SW_LOCATE_FOUND) != (x->place_count > 0))
        abort();
    for (int i = 0; i < x->place_count; i++)
        if (!x->place[i].remote.port || !x->place[i].remote.family ||
            (x->secure_only && x->place[i].transport != SW_TLS) ||
            sw_locate_dane(x, &x->place[i]).records.n > (g.tlsa ? g.tlsa->n : 0u))
            abort();
    sw_locate_put_reason(&b, x);
    free(x);
    free(copy);
    free(g.tlsa);
    return 0;
}
