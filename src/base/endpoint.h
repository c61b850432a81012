/* An IP address with a port, and a range of addresses, without any system structure. */
#ifndef SW_BASE_ENDPOINT_H
#define SW_BASE_ENDPOINT_H

#include "base/buf.h"

struct sw_endpoint {
    uint8_t ip[16]; /* an IPv4 address uses the first four */
    uint16_t port;  /* host order; 0: not given */
    uint8_t family; /* 4, 6, or 0: none */
    uint32_t scope; /* IPv6 zone index, 0: none */
};

struct sw_cidr {
    struct sw_endpoint base;
    uint8_t bits;
};

/* "[" 39 letters "]:65535" and a zone */
enum { SW_ENDPOINT_TEXT_MAX = 64 };

/** Reads an IPv4 address or an IPv6 one, the latter with or without brackets. The port becomes 0.
 */
bool sw_endpoint_ip_parse(struct sw_slice s, struct sw_endpoint *out);

/** Reads "IP", "IP:PORT", "[IPv6]" or "[IPv6]:PORT"; without port it becomes `default_port`. */
bool sw_endpoint_parse(struct sw_slice s, uint16_t default_port, struct sw_endpoint *out);

/** Reads "IP" or "IP/BITS". False too if bits are set behind the prefix length. */
bool sw_cidr_parse(struct sw_slice s, struct sw_cidr *out);

/** Appends the address, IPv6 with brackets if `brackets`. RFC 5952 */
void sw_endpoint_ip_put(struct sw_buf *b, const struct sw_endpoint *e, bool brackets);

/** Appends "IP:PORT" or "[IPv6]:PORT". */
void sw_endpoint_put(struct sw_buf *b, const struct sw_endpoint *e);

/** The text of sw_endpoint_put, closed with NUL, in `text` of SW_ENDPOINT_TEXT_MAX. */
const char *sw_endpoint_text(const struct sw_endpoint *e, char *text);

bool sw_endpoint_ip_eq(const struct sw_endpoint *a, const struct sw_endpoint *b);
bool sw_endpoint_eq(const struct sw_endpoint *a, const struct sw_endpoint *b);

/** True for 0.0.0.0 and ::. */
bool sw_endpoint_is_wildcard(const struct sw_endpoint *e);

bool sw_cidr_has(const struct sw_cidr *c, const struct sw_endpoint *e);

#endif
