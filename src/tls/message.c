#include "tls/message.h"

#include "crypto/x509.h"

struct word {
    uint16_t value;
    const char *name;
};

static const struct word handshake[] = {
    {0, "HelloRequest"},     {1, "ClientHello"},        {2, "ServerHello"},
    {4, "NewSessionTicket"}, {5, "EndOfEarlyData"},     {8, "EncryptedExtensions"},
    {11, "Certificate"},     {12, "ServerKeyExchange"}, {13, "CertificateRequest"},
    {14, "ServerHelloDone"}, {15, "CertificateVerify"}, {16, "ClientKeyExchange"},
    {20, "Finished"},        {22, "CertificateStatus"}, {24, "KeyUpdate"},
};

static const struct word alerts[] = {
    {0, "close_notify"},
    {10, "unexpected_message"},
    {20, "bad_record_mac"},
    {22, "record_overflow"},
    {40, "handshake_failure"},
    {42, "bad_certificate"},
    {43, "unsupported_certificate"},
    {44, "certificate_revoked"},
    {45, "certificate_expired"},
    {46, "certificate_unknown"},
    {47, "illegal_parameter"},
    {48, "unknown_ca"},
    {49, "access_denied"},
    {50, "decode_error"},
    {51, "decrypt_error"},
    {70, "protocol_version"},
    {71, "insufficient_security"},
    {80, "internal_error"},
    {86, "inappropriate_fallback"},
    {90, "user_canceled"},
    {100, "no_renegotiation"},
    {109, "missing_extension"},
    {110, "unsupported_extension"},
    {112, "unrecognized_name"},
    {113, "bad_certificate_status_response"},
    {115, "unknown_psk_identity"},
    {116, "certificate_required"},
    {120, "no_application_protocol"},
};

static const struct word suites[] = {
    {0x00ff, "TLS_EMPTY_RENEGOTIATION_INFO_SCSV"},
    {0x5600, "TLS_FALLBACK_SCSV"},
    {0x1301, "TLS_AES_128_GCM_SHA256"},
    {0x1302, "TLS_AES_256_GCM_SHA384"},
    {0x1303, "TLS_CHACHA20_POLY1305_SHA256"},
    {0xc02b, "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256"},
    {0xc02c, "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384"},
    {0xc02f, "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256"},
    {0xc030, "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384"},
    {0xcca8, "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256"},
    {0xcca9, "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256"},
    {0x002f, "TLS_RSA_WITH_AES_128_CBC_SHA"},
    {0x0035, "TLS_RSA_WITH_AES_256_CBC_SHA"},
    {0xc013, "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA"},
    {0xc014, "TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA"},
    {0xc009, "TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA"},
    {0xc00a, "TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA"},
    {0xc023, "TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA256"},
    {0xc024, "TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA384"},
    {0xc027, "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA256"},
    {0xc028, "TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA384"},
    {0x0033, "TLS_DHE_RSA_WITH_AES_128_CBC_SHA"},
    {0x0039, "TLS_DHE_RSA_WITH_AES_256_CBC_SHA"},
    {0x0067, "TLS_DHE_RSA_WITH_AES_128_CBC_SHA256"},
    {0x006b, "TLS_DHE_RSA_WITH_AES_256_CBC_SHA256"},
    {0x009e, "TLS_DHE_RSA_WITH_AES_128_GCM_SHA256"},
    {0x009f, "TLS_DHE_RSA_WITH_AES_256_GCM_SHA384"},
    {0xccaa, "TLS_DHE_RSA_WITH_CHACHA20_POLY1305_SHA256"},
    {0x003c, "TLS_RSA_WITH_AES_128_CBC_SHA256"},
    {0x003d, "TLS_RSA_WITH_AES_256_CBC_SHA256"},
    {0x009c, "TLS_RSA_WITH_AES_128_GCM_SHA256"},
    {0x009d, "TLS_RSA_WITH_AES_256_GCM_SHA384"},
    {0x0001, "TLS_RSA_WITH_NULL_MD5"},
    {0x0002, "TLS_RSA_WITH_NULL_SHA"},
    {0x003b, "TLS_RSA_WITH_NULL_SHA256"},
    {0x0003, "TLS_RSA_EXPORT_WITH_RC4_40_MD5"},
    {0x0008, "TLS_RSA_EXPORT_WITH_DES40_CBC_SHA"},
    {0x0004, "TLS_RSA_WITH_RC4_128_MD5"},
    {0x0005, "TLS_RSA_WITH_RC4_128_SHA"},
    {0xc011, "TLS_ECDHE_RSA_WITH_RC4_128_SHA"},
    {0x0009, "TLS_RSA_WITH_DES_CBC_SHA"},
    {0x000a, "TLS_RSA_WITH_3DES_EDE_CBC_SHA"},
    {0xc012, "TLS_ECDHE_RSA_WITH_3DES_EDE_CBC_SHA"},
    {0x0018, "TLS_DH_anon_WITH_RC4_128_MD5"},
    {0x0034, "TLS_DH_anon_WITH_AES_128_CBC_SHA"},
    {0xc018, "TLS_ECDH_anon_WITH_AES_128_CBC_SHA"},
};

static const struct word extensions[] = {
    {0, "server_name"},
    {5, "status_request"},
    {10, "supported_groups"},
    {11, "ec_point_formats"},
    {13, "signature_algorithms"},
    {16, "application_layer_protocol_negotiation"},
    {22, "encrypt_then_mac"},
    {23, "extended_master_secret"},
    {28, "record_size_limit"},
    {35, "session_ticket"},
    {42, "early_data"},
    {43, "supported_versions"},
    {45, "psk_key_exchange_modes"},
    {47, "certificate_authorities"},
    {49, "post_handshake_auth"},
    {50, "signature_algorithms_cert"},
    {51, "key_share"},
    {0xff01, "renegotiation_info"},
};

static const struct word groups[] = {
    {0x0017, "secp256r1"}, {0x0018, "secp384r1"}, {0x0019, "secp521r1"}, {0x001d, "x25519"},
    {0x001e, "x448"},      {0x0100, "ffdhe2048"}, {0x0101, "ffdhe3072"}, {0x0102, "ffdhe4096"},
    {0x0103, "ffdhe6144"}, {0x0104, "ffdhe8192"},
};

static const struct word signatures[] = {
    {0x0401, "rsa_pkcs1_sha256"},
    {0x0501, "rsa_pkcs1_sha384"},
    {0x0601, "rsa_pkcs1_sha512"},
    {0x0301, "rsa_pkcs1_sha224"},
    {0x0303, "ecdsa_sha224"},
    {0x0201, "rsa_pkcs1_sha1"},
    {0x0203, "ecdsa_sha1"},
    {0x0603, "ecdsa_secp521r1_sha512"},
    {0x0808, "ed448"},
    {0x080a, "rsa_pss_pss_sha384"},
    {0x080b, "rsa_pss_pss_sha512"},
    {0x0403, "ecdsa_secp256r1_sha256"},
    {0x0503, "ecdsa_secp384r1_sha384"},
    {0x0804, "rsa_pss_rsae_sha256"},
    {0x0805, "rsa_pss_rsae_sha384"},
    {0x0806, "rsa_pss_rsae_sha512"},
    {0x0807, "ed25519"},
    {0x0809, "rsa_pss_pss_sha256"},
};

#define FIND(table, value) find(table, sizeof(table) / sizeof((table)[0]), value)

static const char *find(const struct word *table, size_t count, unsigned value)
{
    for (size_t i = 0; i < count; i++)
        if (table[i].value == value)
            return table[i].name;
    return NULL;
}

/* ---- a reader that never runs over ---- */

struct reader {
    struct sw_slice s;
    bool bad;
};

static unsigned get(struct reader *r, unsigned bytes)
{
    unsigned v = 0;
    if (r->s.n < bytes) {
        r->bad = true;
        r->s.n = 0;
        return 0;
    }
    for (unsigned i = 0; i < bytes; i++)
        v = v << 8 | (uint8_t)r->s.p[i];
    r->s = sw_slice_from(r->s, bytes);
    return v;
}

/* A run with its length, in `bytes` bytes, before it. */
static struct reader sub(struct reader *r, unsigned bytes)
{
    unsigned n = get(r, bytes);
    struct reader x = {.bad = r->bad || n > r->s.n};
    if (x.bad) {
        r->bad = true;
        return x;
    }
    x.s = sw_slice(r->s.p, n);
    r->s = sw_slice_from(r->s, n);
    return x;
}

/* ---- words ---- */

const char *sw_tls_alert_name(unsigned alert)
{
    const char *name = FIND(alerts, alert);
    return name ? name : "unknown_alert";
}

/* A ServerHello with this random asks for another ClientHello. RFC 8446 4.1.3 */
static bool is_retry(struct sw_slice bytes)
{
    static const uint8_t random[32] = {0xcf, 0x21, 0xad, 0x74, 0xe5, 0x9a, 0x61, 0x11,
                                       0xbe, 0x1d, 0x8c, 0x02, 0x1e, 0x65, 0xb8, 0x91,
                                       0xc2, 0xa2, 0x11, 0x16, 0x7a, 0xbb, 0x8c, 0x5e,
                                       0x07, 0x9e, 0x09, 0xe2, 0xc8, 0xa8, 0x33, 0x9c};
    return bytes.n >= 6 + sizeof(random) && bytes.p[0] == 2 &&
           memcmp(bytes.p + 6, random, sizeof(random)) == 0;
}

const char *sw_tls_suite_name(unsigned suite)
{
    return FIND(suites, suite);
}

const char *sw_tls_group_name(unsigned group)
{
    return FIND(groups, group);
}

const char *sw_tls_signature_name(unsigned algorithm)
{
    return FIND(signatures, algorithm);
}

const char *sw_tls_message_name(unsigned content_type, struct sw_slice bytes)
{
    if (content_type == SW_TLS_CCS)
        return "ChangeCipherSpec";
    if (content_type == SW_TLS_ALERT)
        return "Alert";
    if (is_retry(bytes))
        return "HelloRetryRequest";
    const char *name = bytes.n ? FIND(handshake, (uint8_t)bytes.p[0]) : NULL;
    return name ? name : "unknown handshake message";
}

void sw_tls_version_put(struct sw_buf *b, unsigned version)
{
    if (version >> 8 != 3) {
        sw_buf_lit(b, "unknown version");
        return;
    }
    sw_buf_str(b, version == 0x0300 ? "SSL 3" : "TLS 1.");
    if (version > 0x0300)
        sw_buf_u64(b, (version & 255) - 1);
}

static void put_word(struct sw_buf *b, const char *name, unsigned value)
{
    uint8_t hex[2] = {(uint8_t)(value >> 8), (uint8_t)value};
    if (name) {
        sw_buf_str(b, name);
        return;
    }
    sw_buf_lit(b, "0x");
    sw_buf_hex(b, hex, 2);
}

static void put_text(struct sw_buf *b, struct sw_slice s)
{
    for (size_t i = 0; i < s.n && i < 255; i++)
        sw_buf_char(b, (uint8_t)s.p[i] > ' ' && (uint8_t)s.p[i] < 127 ? s.p[i] : '?');
}

static void put_versions(struct sw_buf *b, struct reader list)
{
    for (bool first = true; list.s.n >= 2;) {
        unsigned v = get(&list, 2);
        if (v >> 8 != 3) /* a reserved value that only keeps servers tolerant: RFC 8701 */
            continue;
        if (!first)
            sw_buf_lit(b, ", ");
        sw_tls_version_put(b, v);
        first = false;
    }
}

static void put_groups(struct sw_buf *b, struct reader ext)
{
    struct reader list = sub(&ext, 2);
    sw_buf_lit(b, "; groups ");
    for (bool first = true; list.s.n >= 2; first = false) {
        unsigned g = get(&list, 2);
        if (!first)
            sw_buf_lit(b, ", ");
        put_word(b, FIND(groups, g), g);
    }
}

enum {
    EXT_SNI = 0,
    EXT_GROUPS = 10,
    EXT_SIGNATURES = 13,
    EXT_VERSIONS = 43,
    EXT_AUTHORITIES = 47,
    EXT_KEY_SHARE = 51
};

/* One extension out of a list of them. */
static bool extension(struct reader list, unsigned wanted, struct reader *out)
{
    while (list.s.n && !list.bad) {
        unsigned type = get(&list, 2);
        struct reader body = sub(&list, 2);
        if (type == wanted && !body.bad) {
            *out = body;
            return true;
        }
    }
    return false;
}

/* Suites that are offered; the two values that only signal something are none. */
static unsigned suite_count(struct reader list)
{
    enum { RENEGOTIATION_INFO = 0x00ff, FALLBACK = 0x5600 };
    unsigned n = 0;
    while (list.s.n >= 2) {
        unsigned suite = get(&list, 2);
        n += suite != RENEGOTIATION_INFO && suite != FALLBACK;
    }
    return n;
}

static void client_hello(struct sw_buf *b, struct reader r)
{
    unsigned legacy = get(&r, 2);
    r.s = sw_slice_from(r.s, 32); /* the random */
    sub(&r, 1);
    struct reader list = sub(&r, 2), ext;
    sub(&r, 1);
    struct reader exts = sub(&r, 2);
    if (extension(exts, EXT_VERSIONS, &ext))
        put_versions(b, sub(&ext, 1));
    else
        sw_tls_version_put(b, legacy);
    sw_buf_lit(b, "; ");
    sw_buf_u64(b, suite_count(list));
    sw_buf_lit(b, " suites");
    if (extension(exts, EXT_GROUPS, &ext))
        put_groups(b, ext);
    if (extension(exts, EXT_SNI, &ext)) {
        struct reader names = sub(&ext, 2);
        get(&names, 1);
        sw_buf_lit(b, "; server_name ");
        put_text(b, sub(&names, 2).s);
    }
}

static void server_hello(struct sw_buf *b, struct reader r)
{
    unsigned version = get(&r, 2);
    r.s = sw_slice_from(r.s, 32); /* the random */
    sub(&r, 1);
    unsigned suite = get(&r, 2);
    get(&r, 1);
    struct reader exts = sub(&r, 2), ext;
    if (extension(exts, EXT_VERSIONS, &ext))
        version = get(&ext, 2);
    sw_tls_version_put(b, version);
    sw_buf_lit(b, "; ");
    put_word(b, FIND(suites, suite), suite);
    if (extension(exts, EXT_KEY_SHARE, &ext)) {
        unsigned group = get(&ext, 2);
        sw_buf_lit(b, "; key share ");
        put_word(b, FIND(groups, group), group);
    }
}

static void certificate(struct sw_buf *b, struct reader r, unsigned version)
{
    struct sw_cert_facts facts;
    unsigned count = 0;
    if (version >= 0x0304)
        sub(&r, 1);
    struct reader list = sub(&r, 3);
    if (list.s.n == 0) {
        sw_buf_lit(b, "empty: there is none to show");
        return;
    }
    while (list.s.n && !list.bad) {
        struct reader der = sub(&list, 3);
        if (version >= 0x0304)
            sub(&list, 2);
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

static void key_exchange(struct sw_buf *b, struct reader r)
{
    if (get(&r, 1) != 3)
        return;
    unsigned group = get(&r, 2);
    put_word(b, FIND(groups, group), group);
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
    struct reader r = {.s = sw_slice_from(bytes, 4)};
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
        unsigned algorithm = get(&r, 2);
        sw_buf_lit(b, "proof of the key, ");
        put_word(b, FIND(signatures, algorithm), algorithm);
        break;
    }
    case 20:
        sw_buf_lit(b, "the handshake is confirmed");
        break;
    case 4:
        sw_buf_lit(b, "a session that may be resumed, for ");
        sw_buf_u64(b, get(&r, 4));
        sw_buf_lit(b, " s");
        break;
    default:
        break;
    }
}

/* ---- lists ---- */

#define PUT_LIST(b, what, table, list)                                                             \
    put_list(b, what, table, sizeof(table) / sizeof((table)[0]), list)

/* "WHAT: A, B, C" and a line end; nothing for an empty list. */
static void put_list(struct sw_buf *b, const char *what, const struct word *table, size_t count,
                     struct reader list)
{
    for (bool first = true; list.s.n >= 2; first = false) {
        unsigned v = get(&list, 2);
        sw_buf_str(b, first ? what : ", ");
        put_word(b, find(table, count, v), v);
        if (list.s.n < 2)
            sw_buf_char(b, '\n');
    }
}

static void put_extensions(struct sw_buf *b, struct reader exts)
{
    for (bool first = true; exts.s.n && !exts.bad; first = false) {
        unsigned type = get(&exts, 2);
        sub(&exts, 2);
        if (exts.bad)
            break;
        sw_buf_str(b, first ? "extensions: " : ", ");
        put_word(b, FIND(extensions, type), type);
        if (!exts.s.n)
            sw_buf_char(b, '\n');
    }
}

static void client_hello_lists(struct sw_buf *b, struct reader r)
{
    struct reader ext;
    get(&r, 2);
    r.s = sw_slice_from(r.s, 32); /* the random */
    sub(&r, 1);
    PUT_LIST(b, "suites: ", suites, sub(&r, 2));
    sub(&r, 1);
    struct reader exts = sub(&r, 2);
    if (extension(exts, EXT_SIGNATURES, &ext))
        PUT_LIST(b, "signatures: ", signatures, sub(&ext, 2));
    put_extensions(b, exts);
}

static void put_authorities(struct sw_buf *b, struct reader list)
{
    char name[256];
    if (!list.s.n)
        sw_buf_lit(b, "acceptable CAs: none is named\n");
    while (list.s.n && !list.bad) {
        struct reader der = sub(&list, 2);
        if (der.bad || sw_name_der_text(der.s, name) != SW_OK)
            return;
        sw_buf_lit(b, "acceptable CA: ");
        sw_buf_str(b, name);
        sw_buf_char(b, '\n');
    }
}

static void certificate_request_lists(struct sw_buf *b, struct reader r, unsigned version)
{
    struct reader ext, authorities = {.bad = false};
    sub(&r, 1); /* 1.3: a context; 1.2: kinds of certificates */
    if (version >= 0x0304) {
        struct reader exts = sub(&r, 2);
        if (extension(exts, EXT_SIGNATURES, &ext))
            PUT_LIST(b, "signatures: ", signatures, sub(&ext, 2));
        if (extension(exts, EXT_AUTHORITIES, &ext))
            authorities = sub(&ext, 2);
    } else {
        if (version == 0x0303)
            PUT_LIST(b, "signatures: ", signatures, sub(&r, 2));
        authorities = sub(&r, 2);
    }
    put_authorities(b, authorities);
}

void sw_tls_message_lists(struct sw_buf *b, unsigned content_type, unsigned version,
                          struct sw_slice bytes)
{
    struct reader r = {.s = sw_slice_from(bytes, 4)};
    if (content_type != SW_TLS_HANDSHAKE || bytes.n < 4)
        return;
    switch ((uint8_t)bytes.p[0]) {
    case 1:
        client_hello_lists(b, r);
        break;
    case 8:
        put_extensions(b, sub(&r, 2));
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
    struct reader r = {.s = sw_slice_from(bytes, 4)};
    size_t n = 0;
    if (version >= 0x0304)
        sub(&r, 1); /* a context */
    struct reader list = sub(&r, 3);
    while (list.s.n && !list.bad && n < cap) {
        struct reader one = sub(&list, 3);
        if (version >= 0x0304)
            sub(&list, 2); /* its extensions */
        if (!one.bad)
            der[n++] = one.s;
    }
    return n;
}
