/* Which URIs of a telephone number can be used for a request. RFC 6116 3.4.2, RFC 5630 5.3 */
#ifndef SW_PROXY_NUMBER_H
#define SW_PROXY_NUMBER_H

#include "proxy/proxy.h"
#include "sip/enum.h"

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
    SW_NUMBER_DENIES,   /* its peer has sips: deny, and the request would be sips */
    SW_NUMBER_WANTS,    /* its peer has sips: require, and the request would not be sips */
    SW_NUMBER_UNPROVED, /* its peer has verify: chain, and the request would be sips */
    SW_NUMBER_NO_TLS,   /* its domain exists, has no way over TLS, and the request would be sips */
    SW_NUMBER_LOST,     /* its host cannot be located: is nowhere */
    SW_NUMBER_SILENT,   /* name servers fail */
    SW_NUMBER_FORGED,   /* an answer was forged: DNSSEC */
};

/** The digits of a Request-URI that `to: enum` takes for a number: a tel URI, a sip URI with
 * user=phone, or one of a domain of ours whose user is a global number. False: it is none. RFC 6116
 * 3.1, RFC 3261 19.1.1, RFC 3966 5.1.4 */
bool sw_number_of(const struct sw_proxy_conf *c, const struct sw_uri *u,
                  char out[SW_ENUM_NUMBER_MAX + 1]);

/** Whether a URI that a number leads to can be used, as far as it says so itself: up to
 * SW_NUMBER_UNPROVED. */
enum sw_number_fit sw_number_fit(const struct sw_proxy_conf *c, const struct sw_uri *u,
                                 enum sw_number_as as);

/* What a request is answered with. */
struct sw_number_answer {
    const char *phrase; /* static */
    uint16_t status;
    uint16_t warning; /* SW_WARN_SIPS_...; 0: none. RFC 5630 5.3 */
};

/** What is answered if a URI does not fit; SW_NUMBER_FITS: if there is none. RFC 5630 5.3 */
struct sw_number_answer sw_number_unfit(enum sw_number_fit fit);

#endif
