/* What is hidden and opened again: bytes that nobody sealed never open, what was sealed opens as it
 * was, and a message that brings back any text at all, sealed by us, is edited within its bounds.
 * The first byte says which kind, the rest is the text. */
#include "proxy/hide.h"

#include <stdio.h>
#include <stdlib.h>

enum { TEXT_MAX = 8192 };

static const struct sw_slice domain = {"example.test", 12};
static struct sw_listener_conf listener = {
    .host = {"sip.example.test", 16}, .port = 5061, .transport = SW_TLS};
static struct sw_peer_conf peer = {.name = {"p", 1}, .id = 7}; /* it may see what is opened */
static struct sw_proxy_conf conf = {.peers = &peer,
                                    .peer_count = 1,
                                    .domains = &domain,
                                    .domain_count = 1,
                                    .listeners = &listener,
                                    .listener_count = 1,
                                    .uri_max = 8192};

static void must(bool holds)
{
    if (!holds)
        abort();
}

static void round_trip(enum sw_hide_kind kind, struct sw_slice text, char *letters, size_t cap)
{
    char bytes[SW_HIDE_TEXT_MAX];
    struct sw_slice out;
    struct sw_buf b = sw_buf(letters, cap - 1);
    must(sw_hide_get(&conf, kind, SW_SLICE("b"), text, bytes, &out) != SW_OK);
    sw_hide_put(&b, &conf, kind, SW_SLICE("b"), text);
    must(b.full == (text.n > SW_HIDE_TEXT_MAX));
    letters[b.n] = 0;
    if (b.full)
        return;
    must(sw_hide_get(&conf, kind, SW_SLICE("b"), sw_buf_view(&b), bytes, &out) == SW_OK);
    must(sw_slice_eq(out, text));
}

static void seal(struct sw_buf *b, enum sw_hide_kind kind, struct sw_slice context,
                 struct sw_slice text)
{
    sw_hide_put(b, &conf, kind, context, text);
}

static void render(const struct sw_msg *m, const struct sw_edits *edits)
{
    static char out[1 << 16];
    struct sw_slice segs[SW_SEGS_MAX];
    size_t total, n = sw_edits_render(edits, sw_slice(m->p, m->n), segs, &total);
    must(!n || total < sizeof(out));
    if (n)
        sw_segs_copy(segs, n, out);
}

/* A response as from a peer that copied what we sent: Via, Contact and Path hide the text. */
static void response(struct sw_slice text)
{
    static char bytes[1 << 15], room_bytes[1 << 15];
    static struct sw_hdr hdrs[SW_HDRS_MAX];
    struct sw_buf b = sw_buf(bytes, sizeof(bytes)), room = sw_buf(room_bytes, sizeof(room_bytes));
    struct sw_msg m;
    struct sw_vitals v;
    struct sw_verdict verdict;
    struct sw_edits edits;
    const char *why;
    sw_buf_lit(&b, "SIP/2.0 200 OK\r\nVia: SIP/2.0/TLS sip.example.test;branch=z9hG4bKa;sv=");
    seal(&b, SW_HIDE_VIA, SW_SLICE("z9hG4bKa"), text);
    sw_buf_lit(&b, ";x=0123456789012345678901234567890123456789\r\nContact: <sip:example.test;sc=");
    seal(&b, SW_HIDE_CONTACT, SW_SLICE(""), text);
    sw_buf_lit(&b, ">\r\nRecord-Route: <sip:example.test;lr;sw=B");
    seal(&b, SW_HIDE_ROUTE, SW_SLICE("c"), text);
    sw_buf_lit(&b, ">\r\nPath: <sip:example.test;lr;sw=P");
    seal(&b, SW_HIDE_PATH, SW_SLICE(""), text);
    sw_buf_lit(&b, ">\r\nFrom: <sip:a@a>;tag=1\r\nTo: <sip:b@b>;tag=2\r\nCall-ID: c\r\n"
                   "CSeq: 1 INVITE\r\n\r\n");
    if (b.full)
        return;
    must(sw_msg_parse(b.p, b.n, hdrs, SW_HDRS_MAX, &m) == SW_OK);
    must(sw_check_response(&m, true, &v, &verdict) == SW_OK);
    sw_edits_init(&edits);
    enum sw_status s = sw_unhide_response(&conf, 7, &m, &v, &room, &edits, &why);
    must(s == SW_OK || s == SW_DENIED_SEAL); /* the seal in it is none of ours */
    if (s == SW_OK && !room.full)
        render(&m, &edits);
    room.n = 0;
    sw_edits_init(&edits);
    sw_unhide_contacts(&conf, &m, peer.id, &room, &edits);
    must(edits.count == 1 || text.n < SW_HIDE_OWNER_BYTES + sizeof("sip:a"));
    render(&m, &edits);
}

/* A request to a Contact that hides the text, by a Path that hides it too. */
static void request(struct sw_slice text)
{
    static char bytes[1 << 15], room_bytes[1 << 15];
    static struct sw_hdr hdrs[SW_HDRS_MAX];
    struct sw_buf b = sw_buf(bytes, sizeof(bytes)), room = sw_buf(room_bytes, sizeof(room_bytes));
    const struct sw_flow flow = {.peer = 7};
    struct sw_msg m;
    struct sw_vitals v;
    struct sw_routes r;
    struct sw_verdict verdict;
    struct sw_edits edits;
    struct sw_request q = {.flow = &flow, .m = &m, .v = &v, .r = &r, .side = -1};
    struct sw_refusal refusal;
    sw_buf_lit(&b, "MESSAGE sip:example.test;sc=");
    seal(&b, SW_HIDE_CONTACT, SW_SLICE(""), text);
    sw_buf_lit(
        &b, " SIP/2.0\r\nVia: SIP/2.0/TLS b;branch=z9hG4bKa\r\nRoute: <sip:example.test;lr;sw=P");
    seal(&b, SW_HIDE_PATH, SW_SLICE(""), text);
    sw_buf_lit(&b, ">\r\nRefer-To: <sip:example.test;method=X;sc=");
    seal(&b, SW_HIDE_CONTACT, SW_SLICE(""), text);
    sw_buf_lit(&b, "?Replaces=a>\r\nFrom: <sip:a@a>;tag=1\r\nTo: <sip:b@b>\r\nCall-ID: c\r\n"
                   "CSeq: 1 MESSAGE\r\n\r\n");
    if (b.full)
        return;
    must(sw_msg_parse(b.p, b.n, hdrs, SW_HDRS_MAX, &m) == SW_OK);
    must(sw_check_request(&m, true, &v, &verdict) == SW_OK);
    sw_routes_read(&conf, &m, &v, &r);
    sw_edits_init(&edits);
    enum sw_status s = sw_unhide_request(&conf, &q, &room, &edits, &refusal);
    must(s == SW_OK || s == SW_DENIED_SEAL);
    if (s == SW_OK && !room.full)
        render(&m, &edits);
    room.n = 0;
    sw_edits_init(&edits);
    sw_unhide_refer_to(&conf, &m, peer.id, &room, &edits);
    must(edits.count == 1 || text.n < SW_HIDE_OWNER_BYTES + sizeof("sip:a"));
    render(&m, &edits);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char kinds[] = {SW_HIDE_VIA, SW_HIDE_ROUTE, SW_HIDE_CONTACT, SW_HIDE_PATH};
    static char letters[2 * TEXT_MAX];
    static bool ready;
    if (!ready) {
        sw_hmac_key_init(&conf.seal_key, "fuzz", 4);
        must(sw_proxy_conf_index(&conf) == SW_OK);
        ready = true;
    }
    char *copy = malloc(size + 1);
    if (!copy || size == 0 || size > TEXT_MAX)
        goto out;
    memcpy(copy, data, size);
    const struct sw_slice text = sw_slice(copy + 1, size - 1);
    round_trip((enum sw_hide_kind)kinds[data[0] & 3], text, letters, sizeof(letters));
    if (text.n <= SW_HIDE_TEXT_MAX) {
        response(text);
        request(text);
    }
out:
    free(copy);
    return 0;
}
