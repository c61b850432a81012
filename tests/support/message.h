/* A parsed message for tests, its bytes in memory of exactly their size. */
#ifndef TESTS_SUPPORT_MESSAGE_H
#define TESTS_SUPPORT_MESSAGE_H

#include "sip/check.h"
#include "support/unit.h"

struct message {
    struct sw_slice bytes;
    struct sw_hdr hdrs[SW_HDRS_MAX];
    struct sw_msg m;
    struct sw_vitals v;
};

static inline enum sw_status message_parse(struct message *x, const char *p, size_t n)
{
    x->bytes = unit_exact(p, n);
    return sw_msg_parse(x->bytes.p, n, x->hdrs, SW_HDRS_MAX, &x->m);
}

/** Parses what must be parsable. */
static inline void message(struct message *x, const char *text)
{
    enum sw_status s = message_parse(x, text, strlen(text));
    if (s != SW_OK || x->m.bad.rule)
        print_error("%s: %s\n", x->m.bad.rule ? x->m.bad.rule : "status", text);
    assert_int_equal(s, SW_OK);
    assert_null(x->m.bad.rule);
}

/** Parses and checks a request that must be good. */
static inline void message_request(struct message *x, const char *text)
{
    struct sw_verdict verdict = {0};
    message(x, text);
    enum sw_status s = sw_check_request(&x->m, true, &x->v, &verdict);
    if (s != SW_OK)
        print_error("%s: %s\n", verdict.rule, text);
    assert_int_equal(s, SW_OK);
}

static inline void message_free(struct message *x)
{
    unit_free(x->bytes);
}

#endif
