/* What the tests of the location share: a zone, and the whole procedure in one call. */
#ifndef TESTS_UNIT_SIP_LOCATE_H
#define TESTS_UNIT_SIP_LOCATE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "sip/locate.h"
#include "support/zone.h"

enum { ALL = SW_LOCATE_BIT(SW_UDP) | SW_LOCATE_BIT(SW_TCP) | SW_LOCATE_BIT(SW_TLS) };

static struct zone zone;
static struct sw_locate at;
static struct sw_prng prng = {{7, 8}, 0};

static struct sw_locate_goal goal(const char *host)
{
    return (struct sw_locate_goal){
        .host = sw_slice_str(host), .have = ALL, .families = SW_LOCATE_IPV4 | SW_LOCATE_IPV6};
}

/* Asks until it is over; answers come in the order of the questions or, backwards, the last first.
 */
static enum sw_locate_end answer_all(bool backwards)
{
    uint32_t step, asked[SW_LOCATE_QUESTIONS_MAX], n;
    for (int round = 0; at.end == SW_LOCATE_GOES_ON; round++) {
        assert_true(round < SW_LOCATE_QUESTIONS_MAX);
        for (n = 0; sw_locate_next(&at, &step); n++)
            asked[n] = step;
        assert_true(n > 0); /* it never waits for nothing */
        for (uint32_t i = 0; i < n; i++) {
            uint32_t k = asked[backwards ? n - 1 - i : i];
            struct sw_dns_answer a = zone_answer(&zone, &at.step[k].question);
            sw_locate_answer(&at, k, &a, &prng);
        }
    }
    return (enum sw_locate_end)at.end;
}

static enum sw_locate_end locate(const struct sw_locate_goal *g)
{
    sw_locate_start(&at, g);
    return answer_all(false);
}

/* All places: "tls 192.0.2.1:5061, udp ..." */
static const char *places(void)
{
    static char text[2048];
    struct sw_buf b = sw_buf(text, sizeof(text) - 1);
    for (int i = 0; i < at.place_count; i++) {
        if (i)
            sw_buf_lit(&b, ", ");
        sw_buf_slice(&b, sw_transport_name((enum sw_transport)at.place[i].transport));
        sw_buf_char(&b, ' ');
        sw_endpoint_put(&b, &at.place[i].remote);
    }
    text[b.n] = 0;
    return text;
}

/* All questions: "NAPTR example.test, SRV ..." */
static const char *questions(void)
{
    static char text[8192];
    struct sw_buf b = sw_buf(text, sizeof(text) - 1);
    for (int i = 0; i < at.step_count; i++) {
        if (i)
            sw_buf_lit(&b, ", ");
        sw_buf_str(&b, sw_dns_type_name(at.step[i].question.type));
        sw_buf_char(&b, ' ');
        sw_buf_str(&b, at.step[i].question.name);
    }
    text[b.n] = 0;
    return text;
}

static const char *reason(void)
{
    static char text[8192];
    struct sw_buf b = sw_buf(text, sizeof(text) - 1);
    sw_locate_put_reason(&b, &at);
    text[b.n] = 0;
    return text;
}

static int fresh(void **state)
{
    (void)state;
    memset(&zone, 0, sizeof(zone));
    return 0;
}

#endif
