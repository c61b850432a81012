#include "proxy/hide.h"

#include "base/base64.h"

/* Before the text: version, kind. */
enum { VERSION = 2, HEAD_BYTES = 2, LENGTH_BYTES = 2 };
enum { PLAIN_MAX = HEAD_BYTES + SW_HIDE_TEXT_MAX, SEALED_MAX = SW_SIV_TAG_BYTES + PLAIN_MAX };

void sw_hide_list_init(struct sw_hide_list *x)
{
    x->b = sw_buf(x->bytes, sizeof(x->bytes));
    x->count = 0;
}

void sw_hide_list_add(struct sw_hide_list *x, struct sw_slice item)
{
    if (item.n > UINT16_MAX || x->count == SW_HIDE_ITEMS_MAX) {
        x->b.full = true;
        return;
    }
    sw_buf_char(&x->b, (char)(item.n >> 8));
    sw_buf_char(&x->b, (char)(item.n & 255));
    sw_buf_slice(&x->b, item);
    x->count++;
}

bool sw_hide_list_next(struct sw_slice *rest, struct sw_slice *item)
{
    if (rest->n < LENGTH_BYTES)
        return false;
    size_t n = (size_t)(uint8_t)rest->p[0] << 8 | (uint8_t)rest->p[1];
    if (n > rest->n - LENGTH_BYTES)
        return false;
    *item = sw_slice(rest->p + LENGTH_BYTES, n);
    *rest = sw_slice_from(*rest, LENGTH_BYTES + n);
    return true;
}

bool sw_hide_owner(struct sw_slice *rest, uint32_t *peer)
{
    if (rest->n < SW_HIDE_OWNER_BYTES)
        return false;
    *peer = 0;
    for (int i = 0; i < SW_HIDE_OWNER_BYTES; i++)
        *peer |= (uint32_t)(uint8_t)rest->p[i] << 8 * i;
    *rest = sw_slice_from(*rest, SW_HIDE_OWNER_BYTES);
    return true;
}

void sw_hide_put(struct sw_buf *b, const struct sw_proxy_conf *c, enum sw_hide_kind kind,
                 struct sw_slice context, struct sw_slice text)
{
    char plain[PLAIN_MAX];
    uint8_t sealed[SEALED_MAX];
    struct sw_buf x = sw_buf(plain, sizeof(plain));
    sw_buf_char(&x, VERSION);
    sw_buf_char(&x, (char)kind);
    sw_buf_slice(&x, text);
    if (x.full) {
        b->full = true;
        return;
    }
    sw_siv_seal(&c->hide_key[0], context, sw_buf_view(&x), sealed);
    sw_base64_put(b, sealed, SW_SIV_TAG_BYTES + x.n);
}

enum sw_status sw_hide_get(const struct sw_proxy_conf *c, enum sw_hide_kind kind,
                           struct sw_slice context, struct sw_slice text,
                           char bytes[SW_HIDE_TEXT_MAX], struct sw_slice *out)
{
    uint8_t sealed[SEALED_MAX], plain[PLAIN_MAX];
    size_t n = sw_base64_bytes(text.n);
    if (n < SW_SIV_TAG_BYTES + HEAD_BYTES || n > sizeof(sealed) || !sw_base64_get(text, sealed, n))
        return SW_DENIED_SEAL;
    const struct sw_slice all = sw_slice((const char *)sealed, n);
    bool open = false;
    for (uint32_t i = 0; !open && i <= c->seal_older_count; i++)
        open = sw_siv_open(&c->hide_key[i], context, all, plain);
    if (!open || plain[0] != VERSION || plain[1] != (uint8_t)kind)
        return SW_DENIED_SEAL;
    *out = sw_slice(bytes, n - SW_SIV_TAG_BYTES - HEAD_BYTES);
    memcpy(bytes, plain + HEAD_BYTES, out->n);
    return SW_OK;
}

enum sw_status sw_hide_route_open(const struct sw_proxy_conf *c, struct sw_slice call_id,
                                  struct sw_slice text, char bytes[SW_HIDE_TEXT_MAX],
                                  struct sw_buf *letters, struct sw_slice *items)
{
    struct sw_slice seal;
    enum sw_status s = sw_hide_get(c, SW_HIDE_ROUTE, call_id, text, bytes, items);
    if (s != SW_OK)
        return s;
    if (!sw_hide_list_next(items, &seal))
        return SW_DENIED_SEAL;
    sw_base64_put(letters, seal.p, seal.n);
    return letters->full ? SW_DENIED_SEAL : SW_OK;
}
