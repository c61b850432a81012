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

/* The value of ";branch=" in one Via row. */
static bool row_branch(struct sw_slice row, struct sw_owner *out)
{
    for (;;) {
        size_t semi = sw_slice_find(row, ';');
        if (semi >= row.n)
            return false;
        row = sw_slice_from(row, semi + 1);
        if (!sw_slice_starts_case(row, SW_SLICE("branch=")))
            continue;
        struct sw_slice value = sw_slice_from(row, 7);
        return value.n >= SW_BRANCH_LEN && sw_owner_get(sw_slice(value.p, SW_BRANCH_LEN), out);
    }
}

bool sw_owner_peek(struct sw_slice bytes, struct sw_owner *out)
{
    for (;;) {
        size_t lf = sw_slice_find(bytes, '\n');
        if (lf + 2 >= bytes.n || bytes.p[lf + 1] == '\r')
            return false;
        bytes = sw_slice_from(bytes, lf + 1);
        if (sw_ascii_lower(bytes.p[0]) != 'v')
            continue;
        size_t colon = sw_slice_find(bytes, ':');
        if (colon < bytes.n && sw_hdr_find(sw_slice_trim(sw_slice(bytes.p, colon))) == SW_HDR_VIA)
            return row_branch(sw_slice(bytes.p, sw_slice_find(bytes, '\r')), out);
    }
}
