#include "tls/wire.h"

/* True if one is the beginning of the other, and something came. */
static bool begins(struct sw_slice s, const char *with)
{
    size_t n = strlen(with);
    n = n < s.n ? n : s.n;
    return n && memcmp(s.p, with, n) == 0;
}

static bool one_of(struct sw_slice s, const char *const *words, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (begins(s, words[i]))
            return true;
    return false;
}

/* A length with the highest bit, CLIENT-HELLO, the version: 2 or that of TLS. RFC 5246 E.2 */
static bool is_ssl2_hello(struct sw_slice first)
{
    const uint8_t *p = (const uint8_t *)first.p;
    enum { LENGTH = 2, CLIENT_HELLO = 1, HEAD = 5 };
    return first.n >= HEAD && p[0] & 0x80 && p[LENGTH] == CLIENT_HELLO &&
           ((p[3] == 0 && p[4] == 2) || p[3] == 3);
}

enum sw_tls_wire sw_tls_wire_of(struct sw_slice first)
{
    /* with what follows where a word is of both: OPTIONS is tried as SIP's first */
    static const char *const sip[] = {"SIP/2.0 ",   "INVITE ",   "ACK ",     "BYE ",    "CANCEL ",
                                      "OPTIONS s",  "REGISTER ", "MESSAGE ", "INFO ",   "NOTIFY ",
                                      "SUBSCRIBE ", "PUBLISH ",  "REFER ",   "UPDATE ", "PRACK "};
    static const char *const http[] = {"HTTP/",  "GET ",      "HEAD ",     "POST ",
                                       "PUT ",   "PATCH ",    "DELETE ",   "CONNECT ",
                                       "TRACE ", "OPTIONS /", "OPTIONS *", "PRI * HTTP"};
    enum { ALERT = 21, HANDSHAKE = 22, MAJOR = 3 };
    bool ping = false;
    if (first.n && (first.p[0] == HANDSHAKE || first.p[0] == ALERT) &&
        (first.n == 1 || first.p[1] == MAJOR))
        return SW_WIRE_TLS;
    if (is_ssl2_hello(first))
        return SW_WIRE_SSL2;
    while (first.n && (first.p[0] == '\r' || first.p[0] == '\n')) { /* RFC 5626 3.5.1 */
        first = sw_slice_from(first, 1);
        ping = true;
    }
    if ((ping && !first.n) || one_of(first, sip, sizeof(sip) / sizeof(sip[0])))
        return SW_WIRE_SIP;
    return one_of(first, http, sizeof(http) / sizeof(http[0])) ? SW_WIRE_HTTP : SW_WIRE_UNKNOWN;
}

size_t sw_tls_wire_hello_bytes(struct sw_slice first)
{
    enum { HANDSHAKE = 22, MAJOR = 3, CLIENT_HELLO = 1, HEADERS = 9 };
    const uint8_t *p = (const uint8_t *)first.p;
    if (first.n < HEADERS || p[0] != HANDSHAKE || p[1] != MAJOR || p[5] != CLIENT_HELLO)
        return 0;
    return (size_t)p[6] << 16 | (size_t)p[7] << 8 | p[8];
}
