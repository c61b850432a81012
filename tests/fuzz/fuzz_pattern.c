/* A pattern and a text: the first byte says how many bytes are the pattern. What is found lies in
 * the text, and the same text gives the same again. */
#include "sip/pattern.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool holds)
{
    if (!holds)
        abort();
}

static void look(const struct sw_pattern *p, struct sw_slice text)
{
    struct sw_slice g[SW_PATTERN_GROUPS], again[SW_PATTERN_GROUPS];
    enum sw_status s = sw_pattern_search(p, text, g);
    bool found = s == SW_OK;
    must(sw_pattern_search(p, text, again) == s);
    must(found || s == SW_PEER_MISSING || s == SW_LIMIT);
    must(!found || g[0].p);
    for (int i = 0; i < SW_PATTERN_GROUPS; i++) {
        must(found || !g[i].p);
        must(!g[i].p || (g[i].p >= text.p && g[i].p + g[i].n <= text.p + text.n));
        must(g[i].p == again[i].p && g[i].n == again[i].n);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct sw_slab slab;
    struct sw_arena arena;
    struct sw_pattern p;
    struct sw_pattern_error e = {0};
    size_t n = size ? data[0] : 0;
    n = n < size ? n : size ? size - 1 : 0;
    char *text = malloc(size + 1); /* exactly, so that a step too far is seen */
    if (!text)
        return 0;
    if (size)
        memcpy(text, data + 1, size - 1);
    sw_slab_init(&slab);
    sw_arena_init(&arena, &slab);
    enum sw_status s = sw_pattern_compile(sw_slice(text, n), false, &arena, &p, &e);
    if (s == SW_OK)
        look(&p, sw_slice(text + n, size ? size - 1 - n : 0));
    else
        must(s == SW_PEER_SYNTAX && e.what[0] && e.offset <= n);
    sw_arena_release(&arena);
    sw_slab_fini(&slab);
    free(text);
    return 0;
}
