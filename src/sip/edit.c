#include "sip/edit.h"

void sw_edit_add(struct sw_edits *x, size_t at, size_t n, struct sw_slice text)
{
    if (x->count == SW_EDITS_MAX) {
        x->full = true;
        return;
    }
    uint32_t i = x->count++;
    for (; i > 0 && x->e[i - 1].at > at; i--)
        x->e[i] = x->e[i - 1];
    x->e[i] = (struct sw_edit){.at = (uint32_t)at, .n = (uint32_t)n, .text = text};
    bool overlaps_before = i > 0 && x->e[i - 1].at + x->e[i - 1].n > at;
    bool overlaps_after = i + 1 < x->count && at + n > x->e[i + 1].at;
    if (overlaps_before || overlaps_after)
        x->full = true;
}

size_t sw_edits_render(const struct sw_edits *x, struct sw_slice original, struct sw_slice *segs,
                       size_t *total)
{
    size_t count = 0, at = 0;
    if (x->full)
        return 0;
    for (uint32_t i = 0; i < x->count; i++) {
        const struct sw_edit *e = &x->e[i];
        if (e->at > original.n || e->n > original.n - e->at)
            return 0;
        if (e->at > at)
            segs[count++] = sw_slice(original.p + at, e->at - at);
        if (e->text.n)
            segs[count++] = e->text;
        at = e->at + e->n;
    }
    if (at < original.n)
        segs[count++] = sw_slice(original.p + at, original.n - at);
    *total = sw_segs_total(segs, count);
    return count;
}
