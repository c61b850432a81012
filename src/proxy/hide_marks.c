/* Loops through two gateways that hide from each other: each seals the Via of the other one, so
 * that neither finds its own. What a Via hides therefore leaves a mark in it: of each branch like
 * ours the part that tells a loop, which says nothing to anybody else. RFC 5393 4.2, docs/hiding.md
 */
#include "proxy/hide.h"

#include "base/base64.h"

enum { BYTES = 6, LETTERS = 8, MARKS_MAX = 16 };

static void put(struct sw_buf *b, uint64_t loop, unsigned *count)
{
    uint8_t bytes[BYTES];
    for (int i = 0; i < BYTES; i++)
        bytes[i] = (uint8_t)(loop >> 8 * i);
    if (*count == MARKS_MAX)
        return;
    if ((*count)++ == 0)
        sw_buf_lit(b, ";sl=");
    sw_base64_put(b, bytes, BYTES);
}

/* The next mark of a list; false: none, or it is no list of them. */
static bool next(struct sw_slice *list, uint64_t *loop)
{
    uint8_t bytes[BYTES];
    if (list->n < LETTERS || !sw_base64_get(sw_slice(list->p, LETTERS), bytes, BYTES))
        return false;
    *loop = 0;
    for (int i = 0; i < BYTES; i++)
        *loop |= (uint64_t)bytes[i] << 8 * i;
    *list = sw_slice_from(*list, LETTERS);
    return true;
}

static struct sw_slice marks_of(const struct sw_via *via)
{
    struct sw_param x;
    bool has = sw_hide_in_via(via) && sw_param_find(via->params, SW_HIDE_PARAM_LOOP, &x);
    return has ? x.value : sw_slice("", 0);
}

void sw_hide_put_marks(struct sw_buf *b, const struct sw_msg *m)
{
    struct sw_values values = sw_values(m, SW_HDR_VIA);
    struct sw_via via;
    struct sw_owner o;
    unsigned count = 0;
    uint64_t loop;
    while (sw_values_via(&values, &via) == SW_OK) {
        if (sw_owner_get(via.branch, &o))
            put(b, o.loop, &count);
        struct sw_slice list = marks_of(&via);
        while (next(&list, &loop))
            put(b, loop, &count);
    }
}

bool sw_hide_has_marks(const struct sw_via *via)
{
    return marks_of(via).n > 0;
}

bool sw_hide_marked(const struct sw_via *via, uint64_t loop)
{
    struct sw_slice list = marks_of(via);
    uint64_t mark;
    while (next(&list, &mark))
        if (mark == loop)
            return true;
    return false;
}
