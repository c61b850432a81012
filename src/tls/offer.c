#include "tls/offer.h"

#include "tls/message.h"

enum { CLIENT_HELLO = 1, SERVER_HELLO = 2 };
enum { EXT_NAME = 0, EXT_GROUPS = 10, EXT_SIGNATURES = 13, EXT_VERSIONS = 43 };

/* Values that are no offer: GREASE (RFC 8701), and those that only signal something. */
static bool is_signal(unsigned v)
{
    return ((v & 0x0f0f) == 0x0a0a && v >> 8 == (v & 255)) || v == 0x00ff || v == 0x5600;
}

static unsigned get16(struct sw_slice s, size_t at)
{
    return (unsigned)(uint8_t)s.p[at] << 8 | (uint8_t)s.p[at + 1];
}

bool sw_tls_take(struct sw_slice *s, unsigned bytes, struct sw_slice *out)
{
    size_t n = 0;
    if (s->n < bytes)
        return false;
    for (unsigned i = 0; i < bytes; i++)
        n = n << 8 | (uint8_t)s->p[i];
    if (n > s->n - bytes)
        return false;
    *out = sw_slice(s->p + bytes, n);
    *s = sw_slice_from(*s, bytes + n);
    return true;
}

static uint16_t keep(struct sw_slice list, uint16_t *to, unsigned room)
{
    unsigned count = 0;
    for (size_t at = 0; at + 2 <= list.n; at += 2) {
        unsigned v = get16(list, at);
        if (is_signal(v))
            continue;
        if (count < room)
            to[count] = (uint16_t)v;
        count++;
    }
    return (uint16_t)count;
}

static void add_version(struct sw_tls_offer *o, unsigned v)
{
    if (v >> 8 == 3 && (v & 255) < 8)
        o->versions |= (uint8_t)(1u << (v & 255));
}

/* The first name of a server_name extension, of the one type there is. RFC 6066 3 */
static void server_name(struct sw_tls_offer *o, struct sw_slice body)
{
    enum { HOST_NAME = 0 };
    struct sw_slice list, name;
    if (!sw_tls_take(&body, 2, &list) || !list.n || list.p[0] != HOST_NAME)
        return;
    list = sw_slice_from(list, 1);
    if (!sw_tls_take(&list, 2, &name) || name.n > SW_TLS_OFFER_NAME_MAX)
        return;
    memcpy(o->name, name.p, name.n);
    o->name_n = (uint8_t)name.n;
}

static void extension(struct sw_tls_offer *o, unsigned type, struct sw_slice body)
{
    struct sw_slice list;
    if (type == EXT_NAME && !o->answer) {
        server_name(o, body);
    } else if (type == EXT_VERSIONS && o->answer && body.n == 2) {
        o->versions = 0;
        add_version(o, get16(body, 0));
    } else if (type == EXT_VERSIONS && !o->answer && sw_tls_take(&body, 1, &list)) {
        o->listed = true;
        o->versions = 0;
        for (size_t at = 0; at + 2 <= list.n; at += 2)
            add_version(o, get16(list, at));
    } else if (type == EXT_GROUPS && sw_tls_take(&body, 2, &list)) {
        o->group_count = keep(list, o->groups, SW_TLS_OFFER_GROUPS);
    } else if (type == EXT_SIGNATURES && sw_tls_take(&body, 2, &list)) {
        o->signature_count = keep(list, o->signatures, SW_TLS_OFFER_SIGNATURES);
    }
}

bool sw_tls_offer_read(struct sw_slice message, struct sw_tls_offer *out)
{
    struct sw_tls_offer o = {0};
    enum { HEADER = 4, VERSION = 2, RANDOM = 32 };
    struct sw_slice s = sw_slice_from(message, HEADER), run, body;
    if (message.n < HEADER + VERSION + RANDOM ||
        ((uint8_t)message.p[0] != CLIENT_HELLO && (uint8_t)message.p[0] != SERVER_HELLO))
        return false;
    o.answer = (uint8_t)message.p[0] == SERVER_HELLO;
    add_version(&o, get16(s, 0));
    s = sw_slice_from(s, VERSION + RANDOM);
    if (!sw_tls_take(&s, 1, &run)) /* session id */
        return false;
    if (o.answer) {
        if (s.n < 3)
            return false;
        o.suite_count = keep(sw_slice(s.p, 2), o.suites, SW_TLS_OFFER_SUITES);
        s = sw_slice_from(s, 3);
    } else {
        if (!sw_tls_take(&s, 2, &run))
            return false;
        o.suite_count = keep(run, o.suites, SW_TLS_OFFER_SUITES);
        if (!sw_tls_take(&s, 1, &run)) /* compression */
            return false;
    }
    if (sw_tls_take(&s, 2, &run)) /* old hellos have no extensions */
        while (run.n > 2) {
            unsigned type = get16(run, 0);
            run = sw_slice_from(run, 2);
            if (!sw_tls_take(&run, 2, &body))
                break;
            extension(&o, type, body);
        }
    *out = o;
    return true;
}

void sw_tls_offer_put_versions(struct sw_buf *b, const struct sw_tls_offer *o)
{
    bool first = true;
    if (!o->versions)
        sw_buf_lit(b, "no known version");
    else if (!o->listed && !o->answer)
        sw_buf_lit(b, "at most ");
    for (unsigned v = 8; v-- > 0;) {
        if (!(o->versions & 1u << v))
            continue;
        sw_buf_str(b, first ? "" : ", ");
        sw_tls_version_put(b, 0x0300 + v);
        first = false;
    }
}

void sw_tls_policy_put_versions(struct sw_buf *b, const struct sw_tls_policy *p)
{
    sw_tls_version_put(b, p->min_version);
    if (p->max_version == p->min_version)
        return;
    sw_buf_lit(b, " to ");
    sw_tls_version_put(b, p->max_version);
}

/* As many names as there is room for, and how many more there are. */
static void put_names(struct sw_buf *b, const uint16_t *v, unsigned kept, unsigned count,
                      const char *name(unsigned))
{
    enum { REST_BYTES = 24 };
    unsigned i = 0;
    for (; i < count && i < kept; i++) {
        char number[8] = "0x";
        const uint8_t bytes[2] = {(uint8_t)(v[i] >> 8), (uint8_t)v[i]};
        struct sw_buf hex = sw_buf(number + 2, 4);
        sw_buf_hex(&hex, bytes, 2);
        const char *text = name(v[i]) ? name(v[i]) : number;
        if (strlen(text) + REST_BYTES > b->cap - b->n)
            break;
        sw_buf_str(b, i ? ", " : "");
        sw_buf_str(b, text);
    }
    if (count == 0)
        sw_buf_lit(b, "none");
    if (i < count) {
        sw_buf_str(b, i ? " and " : "");
        sw_buf_u64(b, count - i);
        sw_buf_str(b, i ? " more" : "");
    }
}

void sw_tls_offer_put_gap(struct sw_buf *b, const struct sw_tls_offer *o, enum sw_tls_gap gap)
{
    sw_buf_str(b, o->answer ? "the peer chose " : "the peer offers ");
    sw_tls_offer_put_versions(b, o);
    switch (gap) {
    case SW_TLS_GAP_VERSION:
    case SW_TLS_GAP_NONE:
        break;
    case SW_TLS_GAP_SUITE:
        sw_buf_lit(b, " with ");
        put_names(b, o->suites, SW_TLS_OFFER_SUITES, o->suite_count, sw_tls_suite_name);
        break;
    case SW_TLS_GAP_GROUP:
        sw_buf_lit(b, " with the groups ");
        put_names(b, o->groups, SW_TLS_OFFER_GROUPS, o->group_count, sw_tls_group_name);
        break;
    case SW_TLS_GAP_SIGNATURE:
        sw_buf_lit(b, " with the signatures ");
        put_names(b, o->signatures, SW_TLS_OFFER_SIGNATURES, o->signature_count,
                  sw_tls_signature_name);
        break;
    }
}

void sw_tls_offer_put(struct sw_buf *b, const struct sw_tls_offer *o)
{
    sw_tls_offer_put_versions(b, o);
    sw_buf_lit(b, ": ");
    put_names(b, o->suites, SW_TLS_OFFER_SUITES, o->suite_count, sw_tls_suite_name);
}
