/* Parameters of headers and of URIs: each stands inside the text and behind the one before it,
 * written again it reads the same, and the one that is looked for by name is the first of that
 * name. */
#include "sip/via.h"

#include "base/buf.h"
#include <stdlib.h>

typedef enum sw_status next_fn(struct sw_lex *l, struct sw_param *out);

static void must(bool holds)
{
    if (!holds)
        abort();
}

/* Written from its parts a parameter is the same one again. */
static void round_trip(next_fn *next, const struct sw_param *x)
{
    static char text[1 << 16];
    struct sw_buf b = sw_buf(text, sizeof(text));
    struct sw_param again;
    sw_buf_char(&b, ';');
    sw_buf_slice(&b, x->name);
    if (x->value.p)
        sw_buf_char(&b, '=');
    if (x->quoted)
        sw_buf_char(&b, '"');
    sw_buf_slice(&b, x->value);
    if (x->quoted)
        sw_buf_char(&b, '"');
    if (b.full)
        return;
    struct sw_lex l = sw_lex(sw_buf_view(&b));
    must(next(&l, &again) == SW_OK);
    must(sw_lex_end(&l));
    must(sw_slice_eq(x->name, again.name) && sw_slice_eq(x->value, again.value));
    must(x->quoted == again.quoted && !x->value.p == !again.value.p);
}

static void walk(struct sw_slice s, next_fn *next, bool found_by_name)
{
    struct sw_lex l = sw_lex(s);
    struct sw_param x, y;
    const char *at = s.p;
    enum sw_status st;
    while ((st = next(&l, &x)) == SW_OK) {
        must(x.whole.p > at && x.whole.p + x.whole.n <= s.p + s.n); /* behind its ";" */
        must(x.name.n && x.name.p == x.whole.p && x.name.n <= x.whole.n);
        must(!x.value.p ||
             (x.value.p > x.name.p && x.value.p + x.value.n <= x.whole.p + x.whole.n));
        must(!x.quoted || x.value.p);
        at = x.whole.p + x.whole.n;
        round_trip(next, &x);
        if (found_by_name) {
            must(sw_param_find(s, x.name, &y) && sw_slice_eq_case(x.name, y.name));
            must(y.whole.p <= x.whole.p);
        }
    }
    must(st == SW_AGAIN || st == SW_PEER_SYNTAX);
}

/* What overload control and q-values are read from the same bytes. */
static void typed(struct sw_slice s)
{
    const struct sw_via v = {.params = s};
    struct sw_overload o;
    uint16_t q = 0;
    sw_via_overload(&v, &o);
    must(!o.algos.n || (o.algos.p >= s.p && o.algos.p + o.algos.n <= s.p + s.n));
    must(o.algos.n || !o.loss);
    must(o.supported || !o.has_oc);
    must(o.supported || !o.has_validity || o.validity_ms == 0); /* RFC 7339 4.3 */
    must(o.has_seq ? o.seq < UINT64_C(100000000000000000) : o.seq == 0);
    must(sw_q_parse(s, &q) ? q <= SW_Q_MAX : q == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *copy = malloc(size + 1);
    if (!copy || size > 8192)
        goto out;
    memcpy(copy, data, size);
    walk(sw_slice(copy, size), sw_param_next, size < 512);
    walk(sw_slice(copy, size), sw_uri_param_next, false);
    typed(sw_slice(copy, size));
out:
    free(copy);
    return 0;
}
