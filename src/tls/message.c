#include "tls/message.h"

#include "crypto/x509.h"
#include "tls/message_read.h"

static void put_text(struct sw_buf *b, struct sw_slice s)
{
    for (size_t i = 0; i < s.n && i < 255; i++)
        sw_buf_char(b, (uint8_t)s.p[i] > ' ' && (uint8_t)s.p[i] < 127 ? s.p[i] : '?');
}

static void put_versions(struct sw_buf *b, struct sw_tls_reader list)
{
    for (bool first = true; list.s.n >= 2;) {
        unsigned v = sw_tls_reader_get(&list, 2);
        if (v >> 8 != 3) /* a reserved value that only keeps servers tolerant: RFC 8701 */
            continue;
        if (!first)
            sw_buf_lit(b, ", ");
        sw_tls_version_put(b, v);
        first = false;
    }
}

static void put_groups(struct sw_buf *b, struct sw_tls_reader ext)
{
    struct sw_tls_reader list = sw_tls_reader_sub(&ext, 2);
    sw_buf_lit(b, "; groups ");
    for (bool first = true; list.s.n >= 2; first = false) {
        unsigned g = sw_tls_reader_get(&list, 2);
        if (!first)
            sw_buf_lit(b, ", ");
        sw_tls_word_put(b, sw_tls_group_name(g), g);
    }
}

/* Suites that are offered; the two values that only signal something are none. */
static unsigned suite_count(struct sw_tls_reader list)
{
    enum { RENEGOTIATION_INFO = 0x00ff, FALLBACK = 0x5600 };
    unsigned n = 0;
    while (list.s.n >= 2) {
        unsigned suite = sw_tls_reader_get(&list, 2);
        n += suite != RENEGOTIATION_INFO && suite != FALLBACK;
    }
    return n;
}

static void client_hello(struct sw_buf *b, struct sw_tls_reader r)
{
    unsigned legacy = sw_tls_reader_get(&r, 2);
    r.s = sw_slice_from(r.s, 32); /* the random */
    sw_tls_reader_sub(&r, 1);
    struct sw_tls_reader list = sw_tls_reader_sub(&r, 2), ext;
    sw_tls_reader_sub(&r, 1);
    struct sw_tls_reader exts = sw_tls_reader_sub(&r, 2);
    if (sw_tls_reader_extension(exts, SW_TLS_EXT_VERSIONS, &ext))
        put_versions(b, sw_tls_reader_sub(&ext, 1));
    else
        sw_tls_version_put(b, legacy);
    sw_buf_lit(b, "; ");
    sw_buf_u64(b, suite_count(list));
    sw_buf_lit(b, " suites");
    if (sw_tls_reader_extension(exts, SW_TLS_EXT_GROUPS, &ext))
        put_groups(b, ext);
    if (sw_tls_reader_extension(exts, SW_TLS_EXT_SNI, &ext)) {
        struct sw_tls_reader names = sw_tls_reader_sub(&ext, 2);
        sw_tls_reader_get(&names, 1);
        sw_buf_lit(b, "; server_name ");
        put_text(b, sw_tls_reader_sub(&names, 2).s);
    }
}

static void server_hello(struct sw_buf *b, struct sw_tls_reader r)
{
    unsigned version = sw_tls_reader_get(&r, 2);
    r.s = sw_slice_from(r.s, 32); /* the random */
    sw_tls_reader_sub(&r, 1);
    unsigned suite = sw_tls_reader_get(&r, 2);
    sw_tls_reader_get(&r, 1);
    struct sw_tls_reader exts = sw_tls_reader_sub(&r, 2), ext;
    if (sw_tls_reader_extension(exts, SW_TLS_EXT_VERSIONS, &ext))
        version = sw_tls_reader_get(&ext, 2);
    sw_tls_version_put(b, version);
    sw_buf_lit(b, "; ");
    sw_tls_word_put(b, sw_tls_suite_name(suite), suite);
    if (sw_tls_reader_extension(exts, SW_TLS_EXT_KEY_SHARE, &ext)) {
        unsigned group = sw_tls_reader_get(&ext, 2);
        sw_buf_lit(b, "; key share ");
        sw_tls_word_put(b, sw_tls_group_name(group), group);
    }
}

static void certificate(struct sw_buf *b, struct sw_tls_reader r, unsigned version)
{
    struct sw_cert_facts facts;
    unsigned count = 0;
    if (version >= 0x0304)
        sw_tls_reader_sub(&r, 1);
    struct sw_tls_reader list = sw_tls_reader_sub(&r, 3);
    if (list.s.n == 0) {
        sw_buf_lit(b, "empty: there is none to show");
        return;
    }
    while (list.s.n && !list.bad) {
        struct sw_tls_reader der = sw_tls_reader_sub(&list, 3);
        if (version >= 0x0304)
            sw_tls_reader_sub(&list, 2);
        if (count++ == 0 && !der.bad && sw_cert_der_facts(der.s, &facts) == SW_OK) {
            sw_buf_str(b, facts.subject);
            sw_buf_lit(b, "; issuer ");
            sw_buf_str(b, facts.issuer);
            sw_buf_lit(b, "; ");
            sw_buf_str(b, facts.key);
        }
    }
    if (count > 1) {
        sw_buf_lit(b, "; ");
        sw_buf_u64(b, count - 1);
        sw_buf_lit(b, " more of its chain");
    }
}

static void key_exchange(struct sw_buf *b, struct sw_tls_reader r)
{
    if (sw_tls_reader_get(&r, 1) != 3)
        return;
    unsigned group = sw_tls_reader_get(&r, 2);
    sw_tls_word_put(b, sw_tls_group_name(group), group);
}

static void alert(struct sw_buf *b, struct sw_slice bytes)
{
    if (bytes.n < 2)
        return;
    sw_buf_str(b, bytes.p[0] == 2 ? "fatal " : "");
    sw_buf_str(b, sw_tls_alert_name((uint8_t)bytes.p[1]));
}

void sw_tls_message_describe(struct sw_buf *b, unsigned content_type, unsigned version,
                             struct sw_slice bytes)
{
    struct sw_tls_reader r = {.s = sw_slice_from(bytes, 4)};
    if (content_type == SW_TLS_ALERT)
        alert(b, bytes);
    if (content_type != SW_TLS_HANDSHAKE || bytes.n < 4)
        return;
    switch ((uint8_t)bytes.p[0]) {
    case 1:
        client_hello(b, r);
        break;
    case 2:
        server_hello(b, r);
        break;
    case 8:
        sw_buf_lit(b, "encrypted from here on");
        break;
    case 11:
        certificate(b, r, version);
        break;
    case 12:
        key_exchange(b, r);
        break;
    case 13:
        sw_buf_lit(b, "a certificate is asked for");
        break;
    case 15: {
        unsigned algorithm = sw_tls_reader_get(&r, 2);
        sw_buf_lit(b, "proof of the key, ");
        sw_tls_word_put(b, sw_tls_signature_name(algorithm), algorithm);
        break;
    }
    case 20:
        sw_buf_lit(b, "the handshake is confirmed");
        break;
    case 4:
        sw_buf_lit(b, "a session that may be resumed, for ");
        sw_buf_u64(b, sw_tls_reader_get(&r, 4));
        sw_buf_lit(b, " s");
        break;
    default:
        break;
    }
}
