/* The standard names of what handshake messages carry. */
#include "base/suite.h"
#include "tls/message.h"
#include "tls/message_read.h"

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
    return sw_suite_name(suite);
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

const char *sw_tls_extension_name(unsigned type)
{
    return FIND(extensions, type);
}

void sw_tls_word_put(struct sw_buf *b, const char *name, unsigned value)
{
    uint8_t hex[2] = {(uint8_t)(value >> 8), (uint8_t)value};
    if (name) {
        sw_buf_str(b, name);
        return;
    }
    sw_buf_lit(b, "0x");
    sw_buf_hex(b, hex, 2);
}
