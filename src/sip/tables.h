/* The words of SIP in tables: methods, header names with their compact forms, reason phrases.
 *
 * Adding a header: (1) a row in the group of its length in tables.c, (2) a word in enum sw_hdr_id.
 * That is all; its kind tells the parser and the checks what to make of repeated or listed values.
 */
#ifndef SW_SIP_TABLES_H
#define SW_SIP_TABLES_H

#include "base/slice.h"

enum sw_method {
    SW_INVITE,
    SW_ACK,
    SW_BYE,
    SW_CANCEL,
    SW_OPTIONS,
    SW_REGISTER,
    SW_SUBSCRIBE,
    SW_NOTIFY,
    SW_PUBLISH,
    SW_MESSAGE,
    SW_INFO,
    SW_UPDATE,
    SW_REFER,
    SW_PRACK,
    SW_METHOD_OTHER, /* an extension: relayed like the others */
};

enum sw_hdr_id {
    SW_HDR_OTHER,
    SW_HDR_VIA,
    SW_HDR_ROUTE,
    SW_HDR_RECORD_ROUTE,
    SW_HDR_FROM,
    SW_HDR_TO,
    SW_HDR_CALL_ID,
    SW_HDR_CSEQ,
    SW_HDR_CONTACT,
    SW_HDR_MAX_FORWARDS,
    SW_HDR_CONTENT_LENGTH,
    SW_HDR_CONTENT_TYPE,
    SW_HDR_CONTENT_ENCODING,
    SW_HDR_PROXY_REQUIRE,
    SW_HDR_REQUIRE,
    SW_HDR_SUPPORTED,
    SW_HDR_UNSUPPORTED,
    SW_HDR_EXPIRES,
    SW_HDR_RETRY_AFTER,
    SW_HDR_TIMESTAMP,
    SW_HDR_AUTHORIZATION,
    SW_HDR_PROXY_AUTHORIZATION,
    SW_HDR_WWW_AUTHENTICATE,
    SW_HDR_PROXY_AUTHENTICATE,
    SW_HDR_MAX_BREADTH,
    SW_HDR_PATH,
    SW_HDR_SERVICE_ROUTE,
    SW_HDR_EVENT,
    SW_HDR_ALLOW_EVENTS,
    SW_HDR_REFER_TO,
    SW_HDR_REFERRED_BY,
    SW_HDR_SUBJECT,
    SW_HDR_SESSION_EXPIRES,
    SW_HDR_ACCEPT_CONTACT,
    SW_HDR_REJECT_CONTACT,
    SW_HDR_REQUEST_DISPOSITION,
    SW_HDR_IDENTITY,
    SW_HDR_WARNING,
    SW_HDR_DATE,
    SW_HDR_MIN_EXPIRES,
    SW_HDR_P_ASSERTED_IDENTITY,
    SW_HDR_P_PREFERRED_IDENTITY,
    SW_HDR_PRIVACY,
    SW_HDR_SECURITY_CLIENT,
    SW_HDR_SECURITY_SERVER,
    SW_HDR_SECURITY_VERIFY,
    SW_HDR_COUNT,
};

enum sw_hdr_kind {
    SW_KIND_ONE,  /* at most once, one value */
    SW_KIND_LIST, /* comma-separated values, any number of rows */
    SW_KIND_MANY, /* any number of rows, a comma belongs to the value */
};

/** The method with this name; names are case-sensitive. RFC 3261 7.1 */
enum sw_method sw_method_find(struct sw_slice name);

/** The name of a known method, empty for SW_METHOD_OTHER. */
struct sw_slice sw_method_name(enum sw_method m);

/** The header with this name or compact form, in any case. RFC 3261 7.3.1, 7.3.3 */
enum sw_hdr_id sw_hdr_find(struct sw_slice name);

enum sw_hdr_kind sw_hdr_kind(enum sw_hdr_id id);

/** The usual reason phrase of a status code, or one for its class. RFC 3261 21 */
const char *sw_reason(unsigned code);

#endif
