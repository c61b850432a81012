/* Addresses, Via values and header parameters. */
#include "sip/addr.h"
#include "sip/build.h"
#include "sip/via.h"

#include <stdlib.h>

static void addresses(struct sw_slice s)
{
    struct sw_lex l = sw_lex(s);
    struct sw_addr a, again;
    while (!sw_lex_end(&l) && sw_addr_next(&l, &a) == SW_OK) {
        if (a.whole.p < s.p || a.whole.p + a.whole.n > s.p + s.n || a.uri.n == 0)
            abort();
        if (sw_addr_parse(a.whole, &again) != SW_OK || !sw_slice_eq(a.uri, again.uri))
            abort();
        if (!sw_lex_sep(&l, ','))
            break;
    }
}

static void vias(struct sw_slice s)
{
    static char text[1 << 16];
    struct sw_endpoint source = {.family = 4, .ip = {192, 0, 2, 1}, .port = 5062};
    struct sw_lex l = sw_lex(s);
    struct sw_via v, stamped;
    while (!sw_lex_end(&l) && sw_via_next(&l, &v) == SW_OK) {
        struct sw_buf b = sw_buf(text, sizeof(text));
        if (v.whole.p < s.p || v.whole.p + v.whole.n > s.p + s.n)
            abort();
        sw_build_via_stamped(&b, &v, &source);
        if (b.full)
            continue;
        /* what we pass on can be read, and says where it came from */
        struct sw_lex again = sw_lex(sw_buf_view(&b));
        if (sw_via_next(&again, &stamped) != SW_OK || !sw_slice_eq(v.host, stamped.host))
            abort();
    }
}

static void params(struct sw_slice s)
{
    struct sw_lex l = sw_lex(s);
    struct sw_param x;
    while (sw_param_next(&l, &x) == SW_OK)
        if (x.whole.p < s.p || x.whole.p + x.whole.n > s.p + s.n)
            abort();
    l = sw_lex(s);
    while (sw_uri_param_next(&l, &x) == SW_OK)
        if (x.whole.p < s.p || x.whole.p + x.whole.n > s.p + s.n)
            abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *copy = malloc(size + 1);
    memcpy(copy, data, size);
    struct sw_slice s = sw_slice(copy, size);
    addresses(s);
    vias(s);
    params(s);
    free(copy);
    return 0;
}
