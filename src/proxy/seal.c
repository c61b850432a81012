#include "proxy/seal.h"

#include "base/base64.h"

enum { VERSION = 2, MAC_BYTES = 12, SEAL_BYTES_MAX = 105 };

static void put_u(struct sw_buf *b, uint64_t v, int bytes)
{
    while (bytes--) {
        sw_buf_char(b, (char)(v & 255));
        v >>= 8;
    }
}

static void put_side(struct sw_buf *b, const struct sw_side *s)
{
    put_u(b, (unsigned)(s->transport | (s->remote.family == 6 ? 8 : 0) | (s->outbound ? 16 : 0)),
          1);
    put_u(b, s->peer, 4);
    put_u(b, s->listener, 2);
    sw_buf_put(b, s->remote.ip, s->remote.family == 6 ? 16 : 4);
    put_u(b, s->remote.port, 2);
    if (s->transport == SW_UDP)
        return;
    put_u(b, s->flow.instance, 4);
    put_u(b, s->flow.worker, 2);
    put_u(b, s->flow.slot, 4);
    put_u(b, s->flow.generation, 4);
    if (s->transport == SW_TLS)
        put_u(b, s->local_id, 4);
}

static void mac(const struct sw_hmac_key *key, struct sw_slice call_id, struct sw_slice body,
                uint8_t out[SW_SHA256_BYTES])
{
    const struct sw_slice parts[] = {SW_SLICE("sipward route\0"), body, call_id};
    sw_hmac(key, parts, 3, out);
}

void sw_seal_put(struct sw_buf *b, const struct sw_hmac_key *key, struct sw_slice call_id,
                 const struct sw_seal *seal)
{
    char bytes[SEAL_BYTES_MAX];
    uint8_t digest[SW_SHA256_BYTES];
    struct sw_buf x = sw_buf(bytes, sizeof(bytes));
    put_u(&x, VERSION, 1);
    put_u(&x, seal->side[0].flow.node, 2);
    put_side(&x, &seal->side[0]);
    put_side(&x, &seal->side[1]);
    mac(key, call_id, sw_buf_view(&x), digest);
    sw_buf_put(&x, digest, MAC_BYTES);
    sw_base64_put(b, x.p, x.n);
}

struct reader {
    const uint8_t *p, *end;
    bool bad;
};

static uint32_t get_u(struct reader *r, int bytes)
{
    uint32_t v = 0;
    if (r->end - r->p < bytes) {
        r->bad = true;
        return 0;
    }
    for (int i = 0; i < bytes; i++)
        v |= (uint32_t)*r->p++ << 8 * i;
    return v;
}

static void get_side(struct reader *r, uint16_t node, struct sw_side *s)
{
    unsigned kind = get_u(r, 1);
    s->transport = kind & 7;
    s->outbound = kind & 16;
    s->peer = get_u(r, 4);
    s->listener = (uint16_t)get_u(r, 2);
    s->remote.family = kind & 8 ? 6 : 4;
    for (int i = 0; i < (kind & 8 ? 16 : 4); i++)
        s->remote.ip[i] = (uint8_t)get_u(r, 1);
    s->remote.port = (uint16_t)get_u(r, 2);
    if (s->transport >= SW_TRANSPORTS)
        r->bad = true;
    s->flow = (struct sw_flow_id){.node = node, .worker = SW_WORKER_ANY, .slot = s->listener};
    if (s->transport == SW_UDP)
        return;
    s->flow.instance = get_u(r, 4);
    s->flow.worker = (uint16_t)get_u(r, 2);
    s->flow.slot = get_u(r, 4);
    s->flow.generation = get_u(r, 4);
    if (s->transport == SW_TLS)
        s->local_id = get_u(r, 4);
}

enum sw_status sw_seal_get(const struct sw_hmac_key *key, struct sw_slice call_id,
                           struct sw_slice text, struct sw_seal *out)
{
    uint8_t bytes[SEAL_BYTES_MAX], digest[SW_SHA256_BYTES];
    size_t n = sw_base64_bytes(text.n);
    struct sw_seal seal = {0};
    if (n <= MAC_BYTES || n > sizeof(bytes) || !sw_base64_get(text, bytes, n))
        return SW_DENIED_SEAL;
    size_t body = n - MAC_BYTES;
    mac(key, call_id, sw_slice((const char *)bytes, body), digest);
    if (!sw_equal_const(digest, bytes + body, MAC_BYTES))
        return SW_DENIED_SEAL;
    struct reader r = {bytes, bytes + body, false};
    if (get_u(&r, 1) != VERSION)
        return SW_DENIED_SEAL;
    uint16_t node = (uint16_t)get_u(&r, 2);
    get_side(&r, node, &seal.side[0]);
    get_side(&r, node, &seal.side[1]);
    if (r.bad || r.p != r.end)
        return SW_DENIED_SEAL;
    *out = seal;
    return SW_OK;
}

enum sw_status sw_seal_open(const struct sw_proxy_conf *c, struct sw_slice call_id,
                            struct sw_slice text, struct sw_seal *out)
{
    enum sw_status s = sw_seal_get(&c->seal_key, call_id, text, out);
    for (uint32_t i = 0; s != SW_OK && i < c->seal_older_count; i++)
        s = sw_seal_get(&c->seal_older[i], call_id, text, out);
    return s;
}
