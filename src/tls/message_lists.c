/* What a handshake message carries in lists: suites, signatures, CAs, certificates. */
#include "tls/message.h"

#include "crypto/x509.h"
#include "tls/message_read.h"

/* "WHAT: A, B, C" and a line end; nothing for an empty list. */
static void put_list(struct sw_buf *b, const char *what, const char *(*name)(unsigned),
                     struct sw_tls_reader list)
{
    for (bool first = true; list.s.n >= 2; first = false) {
        unsigned v = sw_tls_reader_get(&list, 2);
        sw_buf_str(b, first ? what : ", ");
        sw_tls_word_put(b, name(v), v);
        if (list.s.n < 2)
            sw_buf_char(b, '\n');
    }
}

static void put_extensions(struct sw_buf *b, struct sw_tls_reader exts)
{
    for (bool first = true; exts.s.n && !exts.bad; first = false) {
        unsigned type = sw_tls_reader_get(&exts, 2);
        sw_tls_reader_sub(&exts, 2);
        if (exts.bad)
            break;
        sw_buf_str(b, first ? "extensions: " : ", ");
        sw_tls_word_put(b, sw_tls_extension_name(type), type);
        if (!exts.s.n)
            sw_buf_char(b, '\n');
    }
}

static void client_hello_lists(struct sw_buf *b, struct sw_tls_reader r)
{
    struct sw_tls_reader ext;
    sw_tls_reader_get(&r, 2);
    r.s = sw_slice_from(r.s, 32); /* the random */
    sw_tls_reader_sub(&r, 1);
    put_list(b, "suites: ", sw_tls_suite_name, sw_tls_reader_sub(&r, 2));
    sw_tls_reader_sub(&r, 1);
    struct sw_tls_reader exts = sw_tls_reader_sub(&r, 2);
    if (sw_tls_reader_extension(exts, SW_TLS_EXT_SIGNATURES, &ext))
        put_list(b, "signatures: ", sw_tls_signature_name, sw_tls_reader_sub(&ext, 2));
    put_extensions(b, exts);
}

static void put_authorities(struct sw_buf *b, struct sw_tls_reader list)
{
    char name[256];
    if (!list.s.n)
        sw_buf_lit(b, "acceptable CAs: none is named\n");
    while (list.s.n && !list.bad) {
        struct sw_tls_reader der = sw_tls_reader_sub(&list, 2);
        if (der.bad || sw_name_der_text(der.s, name) != SW_OK)
            return;
        sw_buf_lit(b, "acceptable CA: ");
        sw_buf_str(b, name);
        sw_buf_char(b, '\n');
    }
}

static void certificate_request_lists(struct sw_buf *b, struct sw_tls_reader r, unsigned version)
{
    struct sw_tls_reader ext, authorities = {.bad = false};
    sw_tls_reader_sub(&r, 1); /* 1.3: a context; 1.2: kinds of certificates */
    if (version >= 0x0304) {
        struct sw_tls_reader exts = sw_tls_reader_sub(&r, 2);
        if (sw_tls_reader_extension(exts, SW_TLS_EXT_SIGNATURES, &ext))
            put_list(b, "signatures: ", sw_tls_signature_name, sw_tls_reader_sub(&ext, 2));
        if (sw_tls_reader_extension(exts, SW_TLS_EXT_AUTHORITIES, &ext))
            authorities = sw_tls_reader_sub(&ext, 2);
    } else {
        if (version == 0x0303)
            put_list(b, "signatures: ", sw_tls_signature_name, sw_tls_reader_sub(&r, 2));
        authorities = sw_tls_reader_sub(&r, 2);
    }
    put_authorities(b, authorities);
}

void sw_tls_message_lists(struct sw_buf *b, unsigned content_type, unsigned version,
                          struct sw_slice bytes)
{
    struct sw_tls_reader r = {.s = sw_slice_from(bytes, 4)};
    if (content_type != SW_TLS_HANDSHAKE || bytes.n < 4)
        return;
    switch ((uint8_t)bytes.p[0]) {
    case 1:
        client_hello_lists(b, r);
        break;
    case 8:
        put_extensions(b, sw_tls_reader_sub(&r, 2));
        break;
    case 13:
        certificate_request_lists(b, r, version);
        break;
    default:
        break;
    }
}

size_t sw_tls_message_certificates(unsigned version, struct sw_slice bytes, struct sw_slice *der,
                                   size_t cap)
{
    struct sw_tls_reader r = {.s = sw_slice_from(bytes, 4)};
    size_t n = 0;
    if (version >= 0x0304)
        sw_tls_reader_sub(&r, 1); /* a context */
    struct sw_tls_reader list = sw_tls_reader_sub(&r, 3);
    while (list.s.n && !list.bad && n < cap) {
        struct sw_tls_reader one = sw_tls_reader_sub(&list, 3);
        if (version >= 0x0304)
            sw_tls_reader_sub(&list, 2); /* its extensions */
        if (!one.bad)
            der[n++] = one.s;
    }
    return n;
}
