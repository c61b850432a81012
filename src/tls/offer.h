/* What a peer offers in its ClientHello, or chose in its ServerHello, for the reason of a refusal.
 * Pure. */
#ifndef SW_TLS_OFFER_H
#define SW_TLS_OFFER_H

#include "base/buf.h"
#include "tls/policy.h"

/* What is kept of each list: of suites what the longest hello of real software has, of the others
 * enough for one line of the log. */
enum { SW_TLS_OFFER_SUITES = 192, SW_TLS_OFFER_GROUPS = 12, SW_TLS_OFFER_SIGNATURES = 16 };

/* The longest server name. RFC 1035 2.3.4 */
enum { SW_TLS_OFFER_NAME_MAX = 255 };

struct sw_tls_offer {
    bool answer;      /* of a server: one version, one suite */
    bool listed;      /* the versions are a list; else the highest one was named */
    uint8_t versions; /* bit n: 0x0300 + n */
    uint16_t suite_count, group_count, signature_count; /* that were in the hello */
    uint16_t suites[SW_TLS_OFFER_SUITES];
    uint16_t groups[SW_TLS_OFFER_GROUPS];
    uint16_t signatures[SW_TLS_OFFER_SIGNATURES];
    uint8_t name_n; /* of the server name that was asked for; 0: none. RFC 6066 3 */
    char name[SW_TLS_OFFER_NAME_MAX];
};

/** Takes a run off `s` whose length stands before it in `bytes` bytes; false: it is not all there.
 */
bool sw_tls_take(struct sw_slice *s, unsigned bytes, struct sw_slice *out);

/** Reads a ClientHello or ServerHello with its header. False: it is neither, or it is broken. */
bool sw_tls_offer_read(struct sw_slice message, struct sw_tls_offer *out);

/** Appends the versions, such as "TLS 1.3, TLS 1.2", or "at most TLS 1.1". */
void sw_tls_offer_put_versions(struct sw_buf *b, const struct sw_tls_offer *o);

/* What the two sides have not in common. */
enum sw_tls_gap {
    SW_TLS_GAP_VERSION,
    SW_TLS_GAP_SUITE,
    SW_TLS_GAP_GROUP,
    SW_TLS_GAP_SIGNATURE,
    SW_TLS_GAP_NONE, /* it failed for something else */
};

/** Appends what the peer offers of the kind that is not in common, as far as there is room. */
void sw_tls_offer_put_gap(struct sw_buf *b, const struct sw_tls_offer *o, enum sw_tls_gap gap);

/** Appends versions and suites, such as "TLS 1.3, TLS 1.2: TLS_AES_128_GCM_SHA256", as far as there
 * is room. */
void sw_tls_offer_put(struct sw_buf *b, const struct sw_tls_offer *o);

/** Appends the versions of a policy, such as "TLS 1.2 to TLS 1.3". */
void sw_tls_policy_put_versions(struct sw_buf *b, const struct sw_tls_policy *p);

#endif
