/* SIP, SIPS and tel URIs; others are kept as text. */
#ifndef SW_SIP_URI_H
#define SW_SIP_URI_H

#include "base/flow.h"
#include "sip/params.h"

enum sw_scheme {
    SW_SCHEME_SIP,
    SW_SCHEME_SIPS,
    SW_SCHEME_TEL,
    SW_SCHEME_OTHER,
};

/* Parameters, and headers, of one URI: real ones have a handful, and each is compared with the
 * others. */
enum { SW_URI_PARTS_MAX = 64 };

struct sw_uri {
    struct sw_slice text;      /* all of it */
    struct sw_slice user;      /* without password, escapes untouched; .p NULL: no user part */
    struct sw_slice userinfo;  /* user and password; .p NULL: none */
    struct sw_slice host;      /* IPv6 with brackets; for tel the number */
    struct sw_slice params;    /* ";a=b;c" with its first semicolon, or empty */
    struct sw_slice headers;   /* behind "?", or empty */
    struct sw_slice transport; /* value of that parameter, or empty */
    struct sw_slice maddr;     /* value of that parameter, or empty */
    uint16_t port;             /* 0: none */
    uint8_t scheme;            /* enum sw_scheme */
    bool lr;
};

/**
 * Reads all of `s` as one URI. SW_PEER_SYNTAX with `err` set (NULL: not wanted) on anything else; a
 * parameter that stands twice, and more than SW_URI_PARTS_MAX of them, are such. RFC 3261 19.1.1
 * and 25.1, RFC 3966
 */
SW_MUST_USE enum sw_status sw_uri_parse(struct sw_slice s, struct sw_uri *out,
                                        struct sw_parse_error *err);

static inline bool sw_uri_is_sip(const struct sw_uri *u)
{
    return u->scheme == SW_SCHEME_SIP || u->scheme == SW_SCHEME_SIPS;
}

/** Looks for a URI parameter, without regard to case. */
bool sw_uri_param_find(const struct sw_uri *u, struct sw_slice name, struct sw_param *out);

/** The port it stands for: its own, or the default of its scheme and transport. RFC 3261 19.1.2 */
uint16_t sw_uri_port(const struct sw_uri *u);

/** Equality of SIP and SIPS URIs as a target set needs it. RFC 3261 19.1.4 */
bool sw_uri_eq(const struct sw_uri *a, const struct sw_uri *b);

/** Points everything that was read from the bytes at `from` into their copy at `to`. */
void sw_uri_move(struct sw_uri *u, const char *from, const char *to);

/** The transport a value of the transport parameter names; false for an unknown one. */
bool sw_transport_parse(struct sw_slice s, enum sw_transport *out);

#endif
