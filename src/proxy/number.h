/* Which URIs of a telephone number can be used for a request. RFC 6116 3.4.2, RFC 5630 5.3 */
#ifndef SW_PROXY_NUMBER_H
#define SW_PROXY_NUMBER_H

#include "proxy/proxy.h"

/* URIs of one number whose hosts are looked for, one after the other. */
enum { SW_NUMBER_LOCATED_MAX = 4 };

/* As what the request leaves. */
enum sw_number_as {
    SW_NUMBER_AS_FOUND,
    SW_NUMBER_AS_SIP,  /* a sips URI is written as sip */
    SW_NUMBER_AS_SIPS, /* a sip URI cannot be used */
};

enum sw_number_fit {
    SW_NUMBER_FITS,
    SW_NUMBER_NOT_SIPS,
    SW_NUMBER_IS_OURS,
    SW_NUMBER_IS_ADDRESS,
    SW_NUMBER_DENIED, /* its peer's `sips` or `verify` forbid it */
    SW_NUMBER_LOST,   /* its host cannot be located: is nowhere */
    SW_NUMBER_SILENT, /* name servers fail */
    SW_NUMBER_FORGED, /* an answer was forged: DNSSEC */
};

/** Whether a URI that a number leads to can be used, as far as it says so itself: up to
 * SW_NUMBER_DENIED. */
enum sw_number_fit sw_number_fit(const struct sw_proxy_conf *c, const struct sw_uri *u,
                                 enum sw_number_as as);

/** The reason phrase and (`status`) the response for a URI that does not fit; static. */
const char *sw_number_unfit(enum sw_number_fit fit, unsigned *status);

#endif
