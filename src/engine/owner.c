#include "engine/owner.h"

#include "base/base64.h"
#include "sip/tables.h"

void sw_owner_put(struct sw_buf *b, const struct sw_owner *o)
{
    uint8_t x[SW_OWNER_BYTES];
    memcpy(x, &o->instance, 4);
    memcpy(x + 4, &o->worker, 2);
    memcpy(x + 6, &o->client.slot, 4);
    memcpy(x + 10, &o->client.generation, 4);
    for (int i = 0; i < 6; i++)
        x[14 + i] = (uint8_t)(o->loop >> 8 * i);
    sw_buf_slice(b, SW_MAGIC_COOKIE);
    sw_base64_put(b, x, sizeof(x));
}

bool sw_owner_get(struct sw_slice branch, struct sw_owner *out)
{
    uint8_t x[SW_OWNER_BYTES];
    struct sw_owner o = {0};
    if (branch.n != SW_BRANCH_LEN || !sw_slice_starts_case(branch, SW_MAGIC_COOKIE) ||
        !sw_base64_get(sw_slice_from(branch, SW_MAGIC_COOKIE.n), x, sizeof(x)))
        return false;
    memcpy(&o.instance, x, 4);
    memcpy(&o.worker, x + 4, 2);
    memcpy(&o.client.slot, x + 6, 4);
    memcpy(&o.client.generation, x + 10, 4);
    for (int i = 0; i < 6; i++)
        o.loop |= (uint64_t)x[14 + i] << 8 * i;
    *out = o;
    return true;
}

/* The length of a row with the lines folded into it, without its last LF. */
static size_t row_len(struct sw_slice s)
{
    size_t n = sw_slice_find(s, '\n');
    while (n + 1 < s.n && (s.p[n + 1] == ' ' || s.p[n + 1] == '\t'))
        n += 1 + sw_slice_find(sw_slice_from(s, n + 1), '\n');
    return n;
}

bool sw_owner_peek(struct sw_slice bytes, struct sw_owner *out)
{
    struct sw_via via;
    for (;;) {
        size_t n = row_len(bytes);
        if (n + 2 >= bytes.n || bytes.p[n + 1] == '\r')
            return false;
        bytes = sw_slice_from(bytes, n + 1);
        if (sw_ascii_lower(bytes.p[0]) != 'v')
            continue;
        struct sw_slice row = sw_slice(bytes.p, row_len(bytes));
        size_t colon = sw_slice_find(row, ':');
        if (colon == row.n || sw_hdr_find(sw_slice_trim(sw_slice(row.p, colon))) != SW_HDR_VIA)
            continue;
        struct sw_lex l = sw_lex(sw_slice_trim(sw_slice_from(row, colon + 1)));
        return sw_via_next(&l, &via) == SW_OK && sw_owner_get(via.branch, out);
    }
}
