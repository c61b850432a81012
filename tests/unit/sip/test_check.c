#include "support/message.h"

#define LINE "INVITE sip:bob@biloxi.com SIP/2.0\r\n"
#define VIA  "Via: SIP/2.0/UDP pc33.atlanta.com;branch=z9hG4bK776asdhds\r\n"
#define TO   "To: Bob <sip:bob@biloxi.com>\r\n"
#define FROM "From: Alice <sip:alice@atlanta.com>;tag=1928301774\r\n"
#define ID   "Call-ID: a84b4c76e66710@pc33.atlanta.com\r\n"
#define CSEQ "CSeq: 314159 INVITE\r\n"
#define MAX  "Max-Forwards: 70\r\n"
#define LEN0 "Content-Length: 0\r\n"
#define REST TO FROM ID CSEQ
#define OK   "SIP/2.0 200 OK\r\n"

static struct message x;

static enum sw_status request(const char *text, bool datagram, struct sw_verdict *verdict)
{
    assert_int_equal(message_parse(&x, text, strlen(text)), SW_OK);
    return sw_check_request(&x.m, datagram, &x.v, verdict);
}

static void test_check_request_reads_the_vitals(void **state)
{
    (void)state;
    struct sw_verdict verdict;
    assert_int_equal(request(LINE VIA MAX REST LEN0 "\r\n", false, &verdict), SW_OK);
    assert_slice(x.v.via.branch, "z9hG4bK776asdhds");
    assert_slice(x.v.uri.user, "bob");
    assert_slice(x.v.call_id, "a84b4c76e66710@pc33.atlanta.com");
    assert_slice(x.v.from_tag, "1928301774");
    assert_slice(x.v.to_tag, "");
    assert_slice(x.v.cseq_method, "INVITE");
    assert_int_equal(x.v.cseq, 314159);
    assert_int_equal(x.v.method, SW_INVITE);
    assert_int_equal(x.v.max_forwards, 70);
    assert_true(x.v.has_length);
    message_free(&x);
}

static void test_check_request_takes_what_is_unusual_but_right(void **state)
{
    (void)state;
    static const char *const texts[] = {
        LINE VIA REST "\r\n",
        LINE "v: SIP/2.0/UDP h\r\nt: sip:b@c\r\nf: sip:a@b\r\ni: 1\r\n" CSEQ "\r\n",
        LINE VIA TO FROM ID "CSeq: 2147483647\r\n INVITE\r\n\r\n",
        LINE VIA TO FROM ID "CSeq: 0 INVITE\r\n\r\n",
        LINE VIA TO FROM CSEQ "Call-ID: <>:\\\"/[]?{}@a\r\n\r\n",
        LINE VIA REST "Max-Forwards: 0\r\n\r\n",
        LINE VIA REST "Max-Forwards: 255\r\n\r\n",
        LINE VIA REST "l: 2\r\nContent-Length: 02\r\n\r\nab",
        "INVITE tel:+1 SIP/2.0\r\n" VIA REST "\r\n",
        "INVITE urn:service:sos SIP/2.0\r\n" VIA REST "\r\n",
        "INVITE sip:b sip/2.0\r\n" VIA REST "\r\n",
        "FOO sip:b SIP/2.0\r\n" VIA TO FROM ID "CSeq: 1 FOO\r\n\r\n",
        "F sip:b SIP/2.0\r\n" VIA TO FROM ID "CSeq: 1 F\r\n\r\n",
    };
    for (size_t i = 0; i < UNIT_COUNT(texts); i++) {
        struct sw_verdict verdict = {0};
        enum sw_status s = request(texts[i], true, &verdict);
        if (s != SW_OK)
            print_error("row %zu: %s\n", i, verdict.why);
        assert_int_equal(s, SW_OK);
        message_free(&x);
    }
}

static const struct {
    const char *text;
    unsigned code;
    const char *rule;
} bad[] = {
    {LINE REST "\r\n", 0, "RFC 3261 8.1.1.7"},
    {LINE "Via: x\r\n" REST "\r\n", 0, "RFC 3261 8.1.1.7"},
    {LINE "Via:\r\n" REST "\r\n", 0, "RFC 3261 8.1.1.7"},
    {LINE "Via:\r\n" VIA REST "\r\n", 0, "RFC 3261 8.1.1.7"},
    {LINE "Via: SIP/3.0/UDP h\r\n" REST "\r\n", 0, "RFC 3261 8.1.1.7"},
    {LINE VIA REST "X: a\nb: c\r\n\r\n", 400, "RFC 3261 25.1: LF without CR"},
    {LINE "Via: SIP/2.0/UDP h;branch=z9hG4bK776asdhds;branch=z9hG4bKb\r\n" REST "\r\n", 400,
     "RFC 3261 7.3.1"},
    {"INVITE sip:b SIP/7.0\r\nVia: SIP/7.0/UDP h;branch=z9hG4bK776asdhds\r\n" REST "\r\n", 505,
     "RFC 3261 21.5.6"},
    {"INVITE sip:b\r\nVia: SIP/7.0/UDP h;branch=z9hG4bK776asdhds\r\n" REST "\r\n", 0,
     "RFC 3261 8.1.1.7"},
    {"INVITE  sip:b SIP/2.0\r\n" VIA REST "\r\n", 400, "RFC 3261 7.1: Request-URI"},
    {"INVITE sip:b SIP/3.0\r\n" VIA REST "\r\n", 505, "RFC 3261 21.5.6"},
    {"INVITE sip:b SIP/2.00\r\n" VIA REST "\r\n", 505, "RFC 3261 21.5.6"},
    {"INVITE sip:b SIP/\r\n" VIA REST "\r\n", 505, "RFC 3261 21.5.6"},
    {LINE VIA TO FROM CSEQ "\r\n", 400, "RFC 3261 8.1.1.4"},
    {LINE VIA TO FROM CSEQ "Call-ID:\r\n\r\n", 400, "RFC 3261 8.1.1.4"},
    {LINE VIA TO FROM CSEQ "Call-ID: a b\r\n\r\n", 400, "RFC 3261 8.1.1.4"},
    {LINE VIA TO FROM CSEQ "Call-ID: a@\r\n\r\n", 400, "RFC 3261 8.1.1.4"},
    {LINE VIA TO FROM CSEQ "Call-ID: @a\r\n\r\n", 400, "RFC 3261 8.1.1.4"},
    {LINE VIA TO FROM CSEQ "Call-ID: a@b@c\r\n\r\n", 400, "RFC 3261 8.1.1.4"},
    {LINE VIA REST ID "\r\n", 400, "RFC 3261 8.1.1.4"},
    {LINE VIA TO FROM ID "\r\n", 400, "RFC 3261 8.1.1.5"},
    {LINE VIA REST CSEQ "\r\n", 400, "RFC 3261 8.1.1.5"},
    {LINE VIA TO FROM ID "CSeq: 2147483648 INVITE\r\n\r\n", 400, "RFC 3261 8.1.1.5"},
    {LINE VIA TO FROM ID "CSeq: 1INVITE\r\n\r\n", 400, "RFC 3261 8.1.1.5"},
    {LINE VIA TO FROM ID "CSeq: INVITE\r\n\r\n", 400, "RFC 3261 8.1.1.5"},
    {LINE VIA TO FROM ID "CSeq: 1\r\n\r\n", 400, "RFC 3261 8.1.1.5"},
    {LINE VIA TO FROM ID "CSeq: -1 INVITE\r\n\r\n", 400, "RFC 3261 8.1.1.5"},
    {LINE VIA TO FROM ID "CSeq: 1 INVITE x\r\n\r\n", 400, "RFC 3261 8.1.1.5"},
    {LINE VIA TO FROM ID "CSeq: 1 BYE\r\n\r\n", 400, "RFC 3261 8.1.1.5"},
    {LINE VIA TO FROM ID "CSeq: 1 invite\r\n\r\n", 400, "RFC 3261 8.1.1.5"},
    {LINE VIA TO ID CSEQ "\r\n", 400, "RFC 3261 8.1.1.3"},
    {LINE VIA REST FROM "\r\n", 400, "RFC 3261 8.1.1.3"},
    {LINE VIA TO ID CSEQ "From: Alice\r\n\r\n", 400, "RFC 3261 8.1.1.3"},
    {LINE VIA TO ID CSEQ "From: sip:a@b;tag=\r\n\r\n", 400, "RFC 3261 8.1.1.3"},
    {LINE VIA TO ID CSEQ "From: sip:a@b;tag\r\n\r\n", 400, "RFC 3261 8.1.1.3"},
    {LINE VIA TO ID CSEQ "From: sip:a@b;tag=\"x\"\r\n\r\n", 400, "RFC 3261 8.1.1.3"},
    {LINE VIA TO ID CSEQ "From: sip:a@b;tag=x;tag=x\r\n\r\n", 400, "RFC 3261 8.1.1.3"},
    {LINE VIA TO ID CSEQ "From: sip:a@b;tag=x;q=1;TAG\r\n\r\n", 400, "RFC 3261 8.1.1.3"},
    {LINE VIA TO ID CSEQ "From: sip:a@b, sip:c@d\r\n\r\n", 400, "RFC 3261 8.1.1.3"},
    {LINE VIA FROM ID CSEQ "\r\n", 400, "RFC 3261 8.1.1.2"},
    {LINE VIA REST TO "\r\n", 400, "RFC 3261 8.1.1.2"},
    {LINE VIA FROM ID CSEQ "To: <sip:b\r\n\r\n", 400, "RFC 3261 8.1.1.2"},
    {LINE VIA REST "l: x\r\n\r\n", 400, "RFC 3261 18.3"},
    {LINE VIA REST "l: -1\r\n\r\n", 400, "RFC 3261 18.3"},
    {LINE VIA REST "l: 5\r\n\r\nbody", 400, "RFC 3261 18.3"},
    {LINE VIA REST "l: 4294967296\r\n\r\n", 400, "RFC 3261 18.3"},
    {LINE VIA REST "l: 1\r\nl: 2\r\n\r\nab", 400, "RFC 3261 18.3"},
    {LINE VIA REST "Max-Forwards: 256\r\n\r\n", 400, "RFC 3261 20.22"},
    {LINE VIA REST "Max-Forwards:\r\n\r\n", 400, "RFC 3261 20.22"},
    {LINE VIA REST "Max-Forwards: -1\r\n\r\n", 400, "RFC 3261 20.22"},
    {LINE VIA REST MAX MAX "\r\n", 400, "RFC 3261 20.22"},
    {"INVITE <sip:b> SIP/2.0\r\n" VIA REST "\r\n", 400, "RFC 3261 7.1"},
    {"INVITE sip:b;; SIP/2.0\r\n" VIA REST "\r\n", 400, "RFC 3261 7.1"},
    {"INVITE sip:b?x=y SIP/2.0\r\n" VIA REST "\r\n", 400, "RFC 3261 19.1.1"},
};

static void test_check_request_has_a_verdict_for_each_fault(void **state)
{
    (void)state;
    for (size_t i = 0; i < UNIT_COUNT(bad); i++) {
        struct sw_verdict verdict = {0};
        enum sw_status s = request(bad[i].text, true, &verdict);
        if (s == SW_OK || verdict.code != bad[i].code || strcmp(verdict.rule, bad[i].rule) != 0)
            print_error("row %zu: %u %s\n", i, verdict.code, verdict.rule ? verdict.rule : "");
        assert_int_equal(sw_status_class(s), SW_CLASS_PEER);
        assert_int_equal(verdict.code, bad[i].code);
        assert_string_equal(verdict.rule, bad[i].rule);
        assert_null(strpbrk(verdict.why, "\r\n"));
        if (verdict.code)
            assert_slice(x.v.via.branch, "z9hG4bK776asdhds");
        message_free(&x);
    }
}

/* RFC 3261 18.3: a datagram's body is cut to its length, a stream needs one */
/* RFC 3261 18.3, 20.14 */
static void test_check_length_rules_differ_by_transport(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        bool datagram;
        enum sw_status status;
        const char *body;
    } rows[] = {
        {LINE VIA REST "l: 2\r\n\r\nbody", true, SW_OK, "bo"},
        {LINE VIA REST LEN0 "\r\nbody", true, SW_OK, ""},
        {LINE VIA REST "\r\nbody", true, SW_OK, "body"},
        {LINE VIA REST "\r\n", true, SW_OK, ""},
        {LINE VIA REST "l: 4\r\n\r\nbody", false, SW_OK, "body"},
        {LINE VIA REST "\r\n", false, SW_PEER_SYNTAX, NULL},
    };
    for (size_t i = 0; i < UNIT_COUNT(rows); i++) {
        struct sw_verdict verdict = {0};
        assert_int_equal(request(rows[i].text, rows[i].datagram, &verdict), rows[i].status);
        if (rows[i].body)
            assert_slice(sw_msg_body(&x.m), rows[i].body);
        else
            assert_int_equal(verdict.code, 400);
        message_free(&x);
    }
}

/* RFC 3261 8.1.3.3, 18.1.2, 18.3 */
static void test_check_response_good_or_dropped(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        bool ok;
    } rows[] = {
        {OK VIA REST "\r\n", true},
        {OK VIA VIA REST "\r\n", true},
        {OK VIA TO FROM ID "CSeq: 1 BYE\r\n\r\n", true},
        {OK REST "\r\n", false},
        {OK "Via: SIP/3.0/UDP h\r\n" REST "\r\n", false},
        {OK VIA TO FROM CSEQ "\r\n", false},
        {OK VIA TO FROM ID "\r\n", false},
        {OK VIA TO ID CSEQ "\r\n", false},
        {OK VIA FROM ID CSEQ "\r\n", false},
        {OK VIA REST "l: 5\r\n\r\nbody", false},
    };
    for (size_t i = 0; i < UNIT_COUNT(rows); i++) {
        struct sw_verdict verdict = {.code = 777};
        assert_int_equal(message_parse(&x, rows[i].text, strlen(rows[i].text)), SW_OK);
        enum sw_status s = sw_check_response(&x.m, true, &x.v, &verdict);
        assert_int_equal(s == SW_OK, rows[i].ok);
        if (!rows[i].ok) {
            assert_int_equal(verdict.code, 0);
            assert_non_null(verdict.rule);
        }
        message_free(&x);
    }
}

static void test_check_vitals_move_with_their_bytes(void **state)
{
    (void)state;
    struct sw_verdict verdict;
    static const char text[] =
        "BYE sip:u:p@h;transport=tcp;maddr=m SIP/2.0\r\n"
        "Via: SIP/2.0/UDP h;branch=b;received=1.2.3.4;rport=5;maddr=a;ttl=1\r\n"
        "To: sip:b@c;tag=t\r\nFrom: sip:a@b;tag=f\r\nCall-ID: i\r\nCSeq: 1 BYE\r\n\r\n";
    assert_int_equal(request(text, true, &verdict), SW_OK);
    struct sw_slice copy = unit_exact(text, sizeof(text) - 1);
    sw_vitals_move(&x.v, x.bytes.p, copy.p);
    message_free(&x);
    const struct sw_slice moved[] = {
        x.v.call_id,       x.v.from_tag,        x.v.to_tag,    x.v.cseq_method, x.v.via.host,
        x.v.via.branch,    x.v.via.received,    x.v.via.maddr, x.v.via.ttl,     x.v.via.rport.name,
        x.v.via.transport, x.v.via.rport.value, x.v.uri.user,  x.v.uri.host,    x.v.uri.transport,
        x.v.uri.maddr,     x.v.uri.userinfo};
    static const char *const texts[] = {"i",       "f", "t",   "BYE",   "h",   "b",
                                        "1.2.3.4", "a", "1",   "rport", "UDP", "5",
                                        "u",       "h", "tcp", "m",     "u:p"};
    for (size_t i = 0; i < UNIT_COUNT(moved); i++) {
        assert_slice(moved[i], texts[i]);
        assert_true(moved[i].p >= copy.p && moved[i].p < copy.p + copy.n);
    }
    assert_slice(x.v.via.received_whole, "received=1.2.3.4");
    assert_slice(x.v.via.rport.whole, "rport=5");
    unit_free(copy);
}

/* RFC 3261 25.1: quoted-pair is the one place of a head that has NUL */
static void test_check_nul_is_refused_where_answers_repeat_it(void **state)
{
    (void)state;
    static const struct {
        const char *text; /* '#' stands for NUL */
        enum sw_status status;
    } cases[] = {
        {LINE VIA "To: <sip:b#>\r\n" FROM ID CSEQ "\r\n", SW_PEER_SYNTAX},
        {LINE VIA TO "From: <sip:a;x=#>;tag=1\r\n" ID CSEQ "\r\n", SW_PEER_SYNTAX},
        {LINE VIA TO "From: \"a\\\\\" <sip:a\\#>\r\n" ID CSEQ "\r\n", SW_PEER_SYNTAX},
        {LINE VIA "Via: SIP/2.0/UDP a#\r\n" REST "\r\n", SW_PEER_SYNTAX},
        {LINE VIA REST "Timestamp: 1#\r\n\r\n", SW_PEER_SYNTAX},
        {LINE VIA TO "From: \"a\\\"\\#\" <sip:a>\r\n" ID CSEQ "\r\n", SW_OK},
        {LINE VIA REST "Subject: #\r\n\r\n#", SW_OK},
    };
    for (size_t i = 0; i < UNIT_COUNT(cases); i++) {
        char text[512];
        struct sw_verdict verdict = {0};
        size_t n = strlen(cases[i].text);
        for (size_t k = 0; k < n; k++)
            text[k] = cases[i].text[k] == '#' ? '\0' : cases[i].text[k];
        assert_int_equal(message_parse(&x, text, n), SW_OK);
        assert_int_equal(sw_check_request(&x.m, true, &x.v, &verdict), cases[i].status);
        if (cases[i].status != SW_OK) {
            assert_int_equal(verdict.code, 400);
            assert_string_equal(verdict.rule, "RFC 3261 25.1");
        }
        message_free(&x);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_check_request_reads_the_vitals),
        cmocka_unit_test(test_check_request_takes_what_is_unusual_but_right),
        cmocka_unit_test(test_check_request_has_a_verdict_for_each_fault),
        cmocka_unit_test(test_check_length_rules_differ_by_transport),
        cmocka_unit_test(test_check_response_good_or_dropped),
        cmocka_unit_test(test_check_vitals_move_with_their_bytes),
        cmocka_unit_test(test_check_nul_is_refused_where_answers_repeat_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
