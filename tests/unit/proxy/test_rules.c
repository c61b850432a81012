/* What routes ask and set, and which rows leave: docs/rules.md */
#include "unit/proxy/target.h"

#include "proxy/forward.h"
#include "proxy/rows.h"
#include "proxy/rules.h"

#include <stdlib.h>

static struct sw_rule_match match;
static struct sw_rule_set set;
static struct sw_pattern_error pattern_error;

/* The one route from the carrier to the PBX, with rules. */
static void rule_route(const char *regex)
{
    memset(&match, 0, sizeof(match));
    memset(&set, 0, sizeof(set));
    static const uint16_t to[] = {PBX};
    conf.route_count = 1;
    routes[0] = (struct sw_route_conf){.from = SW_FROM_PEER,
                                       .from_peer = CARRIER,
                                       .to = to,
                                       .to_count = 1,
                                       .match = &match,
                                       .set = &set};
    if (regex)
        assert_int_equal(sw_pattern_compile(sw_slice_str(regex), false, &engine.scratch,
                                            &match.user, &pattern_error),
                         SW_OK);
}

/* RFC 3261 19.1.4: an escaped character that needs none says the same; RFC 3966 4: visual
 * separators say nothing */
static void test_rules_see_a_user_part_without_needless_escapes(void **state)
{
    static const struct {
        const char *uri, *user;
    } rows[] = {
        {"sip:+4930@h", "+4930"},
        {"sip:%34%39@h", "49"},
        {"sip:%2b49@h", "%2B49"}, /* reserved: it is not the same as + */
        {"sip:a%20b%7e@h", "a%20b~"},
        {"sip:%00@h", "%00"},
        {"sip:a:pass@h", "a"},
        {"sip:h", NULL},
        {"tel:+49-30(12).3", "+4930123"},
        {"tel:+49;phone-context=x", "+49"},
        {"sip:+49-(900).1@b;user=phone", "+499001"},
        {"sip:+49-900-1;phone-context=a-b.c@b;User=Phone", "+499001"}, /* as a tel URI's */
        {"sip:%2b49-%39;x=%2B@b;user=phone", "+499"}, /* RFC 3966 3: not to be escaped */
        {"sip:4%2b9@b;user=phone", "4%2B9"},
        {"sip:+49-900%3B1;ext=2@b;User=Phone", "+49900%3B1"},
        {"sip:;ext=2@b;user=phone", ""},
        {"sip:+49-900-1;ext=2@b", "+49-900-1;ext=2"}, /* all of it is the user: RFC 3261 19.1.1 */
        {"sips:+49%2d9001@b;user=phone", "+499001"},
        {"sip:a-b.c@b;user=ip", "a-b.c"},
        {"sip:a-b.c@b?user=phone", "a-b.c"},
    };
    (void)state;
    for (size_t i = 0; i < UNIT_COUNT(rows); i++) {
        struct sw_uri u;
        char room[64];
        assert_int_equal(sw_uri_parse(sw_slice_str(rows[i].uri), &u, NULL), SW_OK);
        assert_slice(sw_rules_user(&u, room, sizeof(room)), rows[i].user);
        if (rows[i].user) /* without room as it stands */
            assert_true(sw_rules_user(&u, room, 2).p != room);
    }
}

static unsigned from_carrier(const char *uri, const char *more)
{
    request(100 + CARRIER, "INVITE", uri, more);
    a.flow.remote = endpoint("192.0.2.77:5061");
    unsigned code = ask();
    message_free(&a.x);
    return code;
}

static void test_rules_match_number_header_and_source(void **state)
{
    struct sw_header_match headers[] = {{{{"X-Tenant", 8}, SW_HDR_OTHER}, {"gold*", 5}},
                                        {{{"Subject", 7}, SW_HDR_SUBJECT}, {NULL, 0}}};
    struct sw_cidr net;
    (void)state;
    assert_true(sw_cidr_parse(SW_SLICE("192.0.2.64/27"), &net));
    rule_route("^\\+49(30[0-9]+)$");
    assert_int_equal(from_carrier("sip:+4930123@b", ""), 0);
    assert_int_equal(from_carrier("sip:+%34930123@b", ""), 0);
    assert_int_equal(from_carrier("tel:+49-30-123", ""), 0);
    assert_target(0, PBX, "192.0.2.1:5060");
    assert_int_equal(from_carrier("sip:+4940123@b", ""), 480);
    assert_int_equal(from_carrier("sip:b", ""), 480);
    match.headers = headers;
    match.header_count = 1;
    assert_int_equal(from_carrier("sip:+4930123@b", ""), 480);
    assert_int_equal(from_carrier("sip:+4930123@b", "X-TENANT: Golden\r\n"), 0);
    assert_int_equal(from_carrier("sip:+4930123@b", "X-Tenant: tin\r\nx-tenant : gold\r\n"), 0);
    match.header_count = 2; /* RFC 3261 7.3.3: compact names are the same header */
    assert_int_equal(from_carrier("sip:+4930123@b", "X-Tenant: gold\r\n"), 480);
    assert_int_equal(from_carrier("sip:+4930123@b", "X-Tenant: gold\r\ns: x\r\n"), 0);
    /* RFC 3261 7.3.1: folded or not, white space is one space, and rows of a list are one list */
    headers[0].value = SW_SLICE("*gold inc*");
    headers[1].header = (struct sw_header_name){{"Supported", 9}, SW_HDR_SUPPORTED};
    headers[1].value = SW_SLICE("timer");
    match.header_count = 1;
    assert_int_equal(from_carrier("sip:+4930123@b", "X-Tenant: gold\r\n \t Inc\r\n"), 0);
    assert_int_equal(from_carrier("sip:+4930123@b", "X-Tenant: a gold\tinc\r\n  b\r\n"), 0);
    assert_int_equal(from_carrier("sip:+4930123@b", "X-Tenant: goldinc\r\n"), 480);
    assert_int_equal(from_carrier("sip:+4930123@b", "X-Tenant: gold\r\nX-Tenant: inc\r\n"), 480);
    match.headers = headers + 1;
    assert_int_equal(from_carrier("sip:+4930123@b", "Supported: 100rel ,\r\n timer\r\n"), 0);
    assert_int_equal(from_carrier("sip:+4930123@b", "k: TIMER,path\r\n"), 0);
    assert_int_equal(from_carrier("sip:+4930123@b", "k: a\r\nSupported: b, timer\r\n"), 0);
    assert_int_equal(from_carrier("sip:+4930123@b", "k: timers,\r\n"), 480);
    assert_int_equal(from_carrier("sip:+4930123@b", "X-Supported: timer\r\n"), 480);
    headers[1].header = (struct sw_header_name){{"Warning", 7}, SW_HDR_WARNING};
    assert_int_equal(from_carrier("sip:+4930123@b", "Warning: 399 a \"x, timer, y\"\r\n"), 480);
    assert_int_equal(from_carrier("sip:+4930123@b", "Warning: 399 a \"\\\", timer\"\r\n"), 480);
    assert_int_equal(from_carrier("sip:+4930123@b", "Warning: 399 a \"\\\\\", timer\r\n"), 0);
    match.header_count = 0;
    match.sources = &net;
    match.source_count = 1;
    assert_int_equal(from_carrier("sip:+4930123@b", ""), 0);
    assert_true(sw_cidr_parse(SW_SLICE("192.0.2.128/25"), &net));
    assert_int_equal(from_carrier("sip:+4930123@b", ""), 480);
}

/* The Request-URI that would leave for the PBX; "" if the request is refused. */
static const char *changed(const char *uri)
{
    static char text[9000];
    struct sw_buf b = sw_buf(text, sizeof(text) - 1);
    text[0] = 0;
    request(100 + CARRIER, "INVITE", uri, "");
    if (ask() == 0)
        sw_rewrite_uri(&b, &a.x.v.uri, a.targets.rewrite,
                       a.targets.rewrite ? a.targets.rewrite->host : (struct sw_slice){NULL, 0});
    text[b.n] = 0;
    message_free(&a.x);
    return text;
}

struct set_row {
    const char *uri, *user;
    unsigned strip;
    const char *prefix, *host;
    const char *want; /* "" and a code: refused */
    unsigned code;
};

static void assert_set(const struct set_row *row)
{
    set = (struct sw_rule_set){.user = sw_slice_str(row->user),
                               .strip = row->strip,
                               .prefix = sw_slice_str(row->prefix),
                               .host = sw_slice_str(row->host)};
    const char *got = changed(row->uri);
    if (strcmp(got, row->want) != 0)
        print_error("%s: \"%s\" is not \"%s\"\n", row->uri, got, row->want);
    assert_string_equal(got, row->want);
    assert_int_equal(a.refusal.code, row->code);
}

/* docs/rules.md: user, strip, prefix, host in this order; RFC 3261 19.1.1 what a user part may
 * hold, 19.1.6 tel as sip; 21.4.22 484 */
static void test_rules_set_user_and_host(void **state)
{
    static const struct set_row rows[] = {
        {"sip:+4930123@b.test", NULL, 3, "0", NULL, "sip:030123@b.test", 0},
        {"sip:+4930123@b.test", "\\1", 0, NULL, NULL, "sip:30123@b.test", 0},
        {"sip:+4930123@b.test", "0\\1x\\0", 2, "9", NULL, "sip:90123x+4930123@b.test", 0},
        {"sip:+4930123:secret@b.test:5070;user=phone;lr", NULL, 1, NULL, NULL,
         "sip:4930123:secret@b.test:5070;user=phone;lr", 0},
        {"sip:+4930123@b.test;transport=tcp;user=phone", NULL, 0, NULL, "pbx.test:5099",
         "sip:+4930123@pbx.test:5099;user=phone", 0},
        {"sip:+4930123@b.test", NULL, 0, "#31#", NULL, "sip:%2331%23+4930123@b.test", 0},
        {"sip:+4930123@b.test", "\\2", 0, NULL, NULL, "", 484},
        {"sip:+4930123@b.test", NULL, 64, NULL, NULL, "", 484},
        {"sip:+4930123@b.test", NULL, 64, "1", NULL, "sip:1@b.test", 0},
        {"tel:+49-30-123;ext=7", NULL, 3, "0", NULL, "tel:030123;ext=7", 0},
        {"sip:+49-30-123;ext=7-1:pw@b.test;user=phone", NULL, 3, "0", NULL,
         "sip:030123;ext=7-1:pw@b.test;user=phone", 0},
        {"sip:+49-30-123;ext=7@b.test;user=phone", "+1", 0, NULL, NULL,
         "sip:+1;ext=7@b.test;user=phone", 0},
        {"sip:+49301;ext=7@b.test;user=phone", NULL, 6, NULL, NULL, "", 484},
        {"tel:+49-30-123;phone-context=x.test", NULL, 0, NULL, "pbx.test",
         "sip:+49-30-123;phone-context=x.test@pbx.test;user=phone", 0},
        {"tel:+4930123", NULL, 0, "x", NULL, "", 500},
        {"tel:+4930123", NULL, 8, NULL, NULL, "", 484},
        {"sip:+493%30123@b.test", NULL, 0, NULL, "c.test", "sip:+493%30123@c.test", 0},
        {"sip:+493%30123@b.test", NULL, 1, NULL, NULL, "sip:4930123@b.test", 0},
    };
    (void)state;
    rule_route("^\\+49(30[0-9]+)(x?)$");
    for (size_t i = 0; i < UNIT_COUNT(rows); i++)
        assert_set(&rows[i]);
}

static void test_rules_leave_a_uri_without_user_part_without_one(void **state)
{
    static const struct set_row rows[] = {
        {"sip:b.test;lr", NULL, 3, "0", NULL, "sip:b.test;lr", 0},
        {"sip:b.test:5070", "front-desk", 5, "d", NULL, "sip:d-desk@b.test:5070", 0},
        {"sip:[2001:db8::1]:5070;x=1", NULL, 3, NULL, "[2001:db8::2]", "sip:[2001:db8::2];x=1", 0},
        {"sip:%23%2a1@b.test", NULL, 2, NULL, NULL, "sip:1@b.test", 0}, /* an escape is one */
    };
    (void)state;
    rule_route(NULL);
    for (size_t i = 0; i < UNIT_COUNT(rows); i++)
        assert_set(&rows[i]);
}

/* What is too long to be looked at, or gets too long, is no other route's either. */
static void test_rules_refuse_what_is_too_long(void **state)
{
    char uri[1000];
    (void)state;
    rule_route("^1+$");
    set.user = SW_SLICE("\\0\\0\\0\\0\\0\\0\\0\\0");
    memset(uri, '1', sizeof(uri));
    memcpy(uri, "sip:", 4);
    strcpy(uri + 4 + SW_PATTERN_INPUT_MAX, "@b.test");
    conf.uri_max = 8192;
    assert_int_equal(strlen(changed(uri)), 8 * SW_PATTERN_INPUT_MAX + 11);
    conf.uri_max = 1024;
    changed(uri);
    assert_int_equal(a.refusal.code, 414);
    conf.uri_max = 8192;
    strcpy(uri + 4 + SW_PATTERN_INPUT_MAX, "1@b.test");
    changed(uri);
    assert_int_equal(a.refusal.code, 414);
    routes[0].set = NULL;
    changed(uri);
    assert_int_equal(a.refusal.code, 414);
}

/* A number that is too much work for the expression does not get to the next route either. */
static void test_rules_refuse_what_is_too_much_work(void **state)
{
    struct sw_slice g[SW_PATTERN_GROUPS];
    (void)state;
    rule_route("^(1|11)+$");
    routes[1] = routes[0];
    routes[1].match = NULL;
    routes[1].set = NULL;
    conf.route_count = 2;
    assert_string_equal(changed("sip:111@b.test"), "sip:111@b.test");
    assert_string_equal(changed("sip:11x@b.test"), "sip:11x@b.test"); /* by the second route */
    const char hard[] = "1111111111111111111111111111111111111111111111x";
    char uri[80];
    snprintf(uri, sizeof(uri), "sip:%s@b.test", hard);
    assert_int_equal(sw_pattern_search(&match.user, SW_SLICE(hard), g), SW_LIMIT);
    assert_int_equal(sw_pattern_search(&match.user, SW_SLICE("1x"), g), SW_PEER_MISSING);
    assert_int_equal(sw_pattern_search(&match.user, SW_SLICE("11"), g), SW_OK);
    assert_string_equal(changed(uri), "");
    assert_int_equal(a.refusal.code, 500);
    routes[0].set = NULL;
    routes[0].reject = 604; /* nor past a route that rejects */
    assert_string_equal(changed(uri), "");
    assert_int_equal(a.refusal.code, 604);
}

/* RFC 5393 4.2.1: what rules look at tells a spiral from a loop */
static void test_rules_put_what_they_match_into_the_loop_hash(void **state)
{
    static const char *const more[] = {"", "X-Tenant: a\r\n", "X-Tenant: b\r\n"};
    struct sw_header_match header = {{{"x-tenant", 8}, SW_HDR_OTHER}, {NULL, 0}};
    uint64_t hash[3];
    (void)state;
    for (int with = 0; with < 2; with++) {
        rule_route(NULL);
        match.headers = &header;
        match.header_count = (uint32_t)with;
        sw_proxy_conf_fini(&conf);
        assert_int_equal(sw_proxy_conf_index(&conf), SW_OK);
        for (int i = 0; i < 3; i++) {
            request(100 + CARRIER, "INVITE", "sip:a@b", more[i]);
            hash[i] = sw_policy_loop_hash(&proxy, &a.q);
            message_free(&a.x);
        }
        assert_int_equal(hash[0] == hash[1], !with);
        assert_int_equal(hash[1] == hash[2], !with);
    }
    assert_int_not_equal(hash[0], hash[2]);
}

/* What is left of a request's rows between two peers. */
static const char *left(uint32_t from, uint32_t to, const char *rows, const struct sw_rewrite *w)
{
    static char text[2048];
    struct sw_edits edits;
    struct sw_slice segs[SW_SEGS_MAX];
    size_t total;
    request(from, "INVITE", "sip:a@b", rows);
    sw_edits_init(&edits);
    sw_rows_drop(&conf, &a.x.m, w, from, to, &edits);
    size_t n = sw_edits_render(&edits, sw_slice(a.x.m.p, a.x.m.n), segs, &total);
    assert_true(n > 0 && total < sizeof(text));
    sw_segs_copy(segs, n, text);
    text[total] = 0;
    message_free(&a.x);
    char *end = strstr(text, "CSeq: 1 INVITE\r\n");
    assert_non_null(end);
    return end + strlen("CSeq: 1 INVITE\r\n");
}

#define PAI "P-Asserted-Identity: <sip:a@b>\r\nP-Asserted-Identity: tel:+1\r\n"
#define PPI "P-Preferred-Identity: <sip:a@b>\r\n"

/* RFC 3325 5: from whom; 6: P-Preferred-Identity; 7 and 9.3: to whom */
static void test_asserted_identity_goes_where_trust_lets_it(void **state)
{
    static const struct {
        enum sw_asserted from, to;
        const char *privacy;
        bool asserted, preferred; /* they are kept */
    } rows[] = {
        {SW_ASSERTED_TRUST, SW_ASSERTED_TRUST, "", true, true},
        {SW_ASSERTED_TRUST, SW_ASSERTED_TRUST, "Privacy: id\r\n", true, true},
        {SW_ASSERTED_TRUST, SW_ASSERTED_DISTRUST, "", true, false},
        {SW_ASSERTED_TRUST, SW_ASSERTED_DISTRUST, "Privacy: id\r\n", false, false},
        {SW_ASSERTED_TRUST, SW_ASSERTED_DISTRUST, "privacy: header; ID;critical\r\n", false, false},
        {SW_ASSERTED_TRUST, SW_ASSERTED_DISTRUST, "Privacy: user\r\nPrivacy:\r\n id\r\n", false,
         false},
        {SW_ASSERTED_TRUST, SW_ASSERTED_DISTRUST, "Privacy: none,id\r\n", false, false},
        {SW_ASSERTED_TRUST, SW_ASSERTED_DISTRUST, "Privacy: user;identity\r\n", true, false},
        {SW_ASSERTED_TRUST, SW_ASSERTED_DISTRUST, "Privacy: none\r\n", true, false},
        {SW_ASSERTED_TRUST, SW_ASSERTED_WITHHOLD, "", false, false},
        {SW_ASSERTED_TRUST, SW_ASSERTED_WITHHOLD, "Privacy: none\r\n", true, false},
        {SW_ASSERTED_TRUST, SW_ASSERTED_WITHHOLD, "Privacy: id\r\n", false, false},
        {SW_ASSERTED_DISTRUST, SW_ASSERTED_TRUST, "", false, false},
        {SW_ASSERTED_DISTRUST, SW_ASSERTED_TRUST, "Privacy: none\r\n", false, false},
        {SW_ASSERTED_DISTRUST, SW_ASSERTED_DISTRUST, "Privacy: none\r\n", false, false},
        {SW_ASSERTED_WITHHOLD, SW_ASSERTED_TRUST, "", false, false},
    };
    (void)state;
    for (size_t i = 0; i < UNIT_COUNT(rows); i++) {
        char in[512], out[512];
        peers[CARRIER].asserted_identity = (uint8_t)rows[i].from;
        peers[PBX].asserted_identity = (uint8_t)rows[i].to;
        snprintf(in, sizeof(in), "X: 1\r\n" PAI "%s" PPI "Y: 2\r\n", rows[i].privacy);
        snprintf(out, sizeof(out), "X: 1\r\n%s%s%sY: 2\r\n\r\n", rows[i].asserted ? PAI : "",
                 rows[i].privacy, rows[i].preferred ? PPI : "");
        assert_string_equal(left(100 + CARRIER, 100 + PBX, in, NULL), out);
    }
    /* a proved domain that is no peer's is outside */
    peers[CARRIER].asserted_identity = peers[PBX].asserted_identity = SW_ASSERTED_TRUST;
    assert_string_equal(left(SW_PEER_VERIFIED, 100 + PBX, PAI, NULL), "\r\n");
    assert_string_equal(left(100 + CARRIER, sw_proxy_domain_id(&conf, SW_SLICE("x.test")),
                             PAI "Privacy: id\r\n", NULL),
                        "Privacy: id\r\n\r\n");
}

/* RFC 5876 4.5: what receivers must ignore is not forwarded; RFC 3325 9.1: one SIP or SIPS URI and
 * one tel URI */
static void test_asserted_identity_passes_without_what_is_to_be_ignored(void **state)
{
    static const struct {
        const char *in, *out;
    } rows[] = {
        {"<sip:a@b>, tel:+1", "<sip:a@b>, tel:+1"},
        {"\"A, B\" <sip:a@b>", "\"A, B\" <sip:a@b>"},
        {"<sip:a@b>,\r\n <sip:c@d>", "<sip:a@b>"},
        {"<sip:a@b>, <sips:c@d>, tel:+1", "<sip:a@b>, tel:+1"},
        {"mailto:x@y , tel:+1", "tel:+1"},
        {"mailto:x@y , tel:+1,<tel:+2> , <sips:a@b>;x=1 , <sip:c@d>", "tel:+1, <sips:a@b>;x=1"},
        {"<sip:a@b> nonsense", "<sip:a@b>"},
        {"http:x", NULL},
        {"<sip:@>", NULL},
        {"\"", NULL},
    };
    (void)state;
    peers[CARRIER].asserted_identity = peers[PBX].asserted_identity = SW_ASSERTED_TRUST;
    for (size_t i = 0; i < UNIT_COUNT(rows); i++)
        for (int k = 0; k < 2; k++) {
            static const char *const names[] = {"P-Asserted-Identity", "P-Preferred-Identity"};
            char in[256], out[256] = "A: 1\r\nB: 2\r\n\r\n";
            snprintf(in, sizeof(in), "A: 1\r\n%s: %s\r\nB: 2\r\n", names[k], rows[i].in);
            if (rows[i].out)
                snprintf(out, sizeof(out), "A: 1\r\n%s: %s\r\nB: 2\r\n\r\n", names[k], rows[i].out);
            assert_string_equal(left(100 + CARRIER, 100 + PBX, in, NULL), out);
        }
    assert_string_equal(left(100 + CARRIER, 100 + PBX,
                             PAI "P-Asserted-Identity: <sip:c@d>\r\nP-Asserted-Identity:\r\n",
                             NULL),
                        PAI "P-Asserted-Identity:\r\n\r\n");
}

static void test_rows_of_route_and_peer_go_together(void **state)
{
    static const struct sw_header_name names[] = {{{"x-internal", 10}, SW_HDR_OTHER},
                                                  {{"Subject", 7}, SW_HDR_SUBJECT}};
    /* of the request: Via To From Call-ID CSeq, then these */
    static const uint16_t gone[] = {5, 6, 9};
    const struct sw_rewrite w = {.rows = gone, .row_count = 3};
    (void)state;
    peers[PBX].remove = names;
    peers[PBX].remove_count = 2;
    assert_string_equal(left(100 + CARRIER, 100 + PBX,
                             "X-Internal: 1\r\nA: 1\r\ns: x\r\nB: 2\r\n b\r\nC: 3\r\n" PAI, &w),
                        "B: 2\r\n b\r\n\r\n");
    assert_string_equal(left(100 + PBX, 100 + CARRIER, "X-Internal: 1\r\n", NULL),
                        "X-Internal: 1\r\n\r\n");
}

/* More scattered rows than there may be edits: it must not leave with some of them. */
static void test_rows_that_are_too_many_stop_the_message(void **state)
{
    char rows[4096];
    struct sw_buf b = sw_buf(rows, sizeof(rows) - 1);
    struct sw_edits edits;
    (void)state;
    for (int i = 0; i < SW_EDITS_MAX + 1; i++)
        sw_buf_str(&b, "P-Asserted-Identity: <sip:a@b>\r\nX: 1\r\n");
    rows[b.n] = 0;
    static char text[sizeof(rows) + 512];
    snprintf(text, sizeof(text),
             "INVITE sip:a@b SIP/2.0\r\nVia: SIP/2.0/UDP h;branch=z9hG4bKa\r\nTo: sip:b\r\n"
             "From: sip:a;tag=1\r\nCall-ID: call\r\nCSeq: 1 INVITE\r\n%s\r\n",
             rows);
    message_request(&a.x, text);
    sw_edits_init(&edits);
    sw_rows_drop(&conf, &a.x.m, NULL, 100 + CARRIER, 100 + PBX, &edits);
    assert_true(edits.full);
    message_free(&a.x);
}

static void test_rewrite_is_kept_whole(void **state)
{
    static const uint16_t rows[] = {3, 7};
    const struct sw_rewrite w = {SW_SLICE("u"), SW_SLICE("h"), SW_SLICE("A: 1\r\n"), rows, 2};
    struct sw_arena arena;
    (void)state;
    sw_arena_init(&arena, &slab);
    const struct sw_rewrite *k = sw_rewrite_keep(&w, &arena);
    assert_non_null(k);
    assert_true(k->user.p != w.user.p && k->host.p != w.host.p && k->rows != rows);
    assert_slice(k->user, "u");
    assert_slice(k->host, "h");
    assert_slice(k->add, "A: 1\r\n");
    assert_memory_equal(k->rows, rows, sizeof(rows));
    k = sw_rewrite_keep(&(struct sw_rewrite){.add = {"", 0}}, &arena);
    assert_non_null(k);
    assert_true(!k->user.p && !k->host.p && k->add.n == 0 && k->row_count == 0);
    sw_arena_release(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_rules_see_a_user_part_without_needless_escapes),
        TEST(test_rules_match_number_header_and_source),
        TEST(test_rules_set_user_and_host),
        TEST(test_rules_leave_a_uri_without_user_part_without_one),
        TEST(test_rules_refuse_what_is_too_long),
        TEST(test_rules_refuse_what_is_too_much_work),
        TEST(test_rules_put_what_they_match_into_the_loop_hash),
        TEST(test_asserted_identity_goes_where_trust_lets_it),
        TEST(test_asserted_identity_passes_without_what_is_to_be_ignored),
        TEST(test_rows_of_route_and_peer_go_together),
        TEST(test_rows_that_are_too_many_stop_the_message),
        TEST(test_rewrite_is_kept_whole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
