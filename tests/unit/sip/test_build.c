#include "support/message.h"

#include "sip/build.h"

static struct message x, y;

static struct sw_endpoint endpoint(const char *text)
{
    struct sw_endpoint e;
    assert_true(sw_endpoint_parse(sw_slice_str(text), 5060, &e));
    return e;
}

static struct sw_via via_of(struct sw_slice text)
{
    struct sw_lex l = sw_lex(text);
    struct sw_via via;
    assert_int_equal(sw_via_next(&l, &via), SW_OK);
    return via;
}

/* RFC 3261 18.2.1; RFC 3581 4: with rport, received stands even if it says nothing new */
static void test_build_via_is_stamped_as_its_source_demands(void **state)
{
    (void)state;
    static const struct {
        const char *via, *source, *result;
    } rows[] = {
        {"SIP/2.0/UDP bobspc.biloxi.com:5060", "192.0.2.4:5060",
         "SIP/2.0/UDP bobspc.biloxi.com:5060;received=192.0.2.4"},
        {"SIP/2.0/UDP 192.0.2.4;branch=b", "192.0.2.4:9", "SIP/2.0/UDP 192.0.2.4;branch=b"},
        {"SIP/2.0/UDP 192.0.2.5;branch=b", "192.0.2.4:9",
         "SIP/2.0/UDP 192.0.2.5;branch=b;received=192.0.2.4"},
        {"SIP/2.0/UDP 10.1.1.1:4540;rport;branch=z9hG4bKkjshdyff", "192.0.2.1:9988",
         "SIP/2.0/UDP 10.1.1.1:4540;branch=z9hG4bKkjshdyff;received=192.0.2.1;rport=9988"},
        {"SIP/2.0/UDP 192.0.2.1;branch=b;rport", "192.0.2.1:5060",
         "SIP/2.0/UDP 192.0.2.1;branch=b;received=192.0.2.1;rport=5060"},
        {"SIP/2.0/TCP h;rport=1;x", "192.0.2.1:2", "SIP/2.0/TCP h;x;received=192.0.2.1;rport=2"},
        {"SIP/2.0/UDP h;received=1.2.3.4;branch=b", "192.0.2.1:1",
         "SIP/2.0/UDP h;branch=b;received=192.0.2.1"},
        {"SIP/2.0/UDP 192.0.2.1;received=1.2.3.4", "192.0.2.1:1",
         "SIP/2.0/UDP 192.0.2.1;received=192.0.2.1"},
        {"SIP/2.0/UDP h;received=1.2.3.4;a;rport;b", "192.0.2.1:1",
         "SIP/2.0/UDP h;a;b;received=192.0.2.1;rport=1"},
        {"SIP/2.0/UDP h;rport;received=1.2.3.4", "192.0.2.1:1",
         "SIP/2.0/UDP h;received=192.0.2.1;rport=1"},
        {"SIP/2.0/UDP 192.0.2.1;received;branch=b", "192.0.2.1:1",
         "SIP/2.0/UDP 192.0.2.1;branch=b"},
        {"SIP/2.0/TLS [2001:DB8:0::1];branch=b", "[2001:db8::1]:1",
         "SIP/2.0/TLS [2001:DB8:0::1];branch=b"},
        {"SIP/2.0/TLS h;branch=b;rport", "[2001:db8::1]:1",
         "SIP/2.0/TLS h;branch=b;received=2001:db8::1;rport=1"},
    };
    for (size_t i = 0; i < UNIT_COUNT(rows); i++) {
        char text[256];
        struct sw_buf b = sw_buf(text, sizeof(text));
        struct sw_via via = via_of(sw_slice_str(rows[i].via));
        struct sw_endpoint source = endpoint(rows[i].source);
        sw_build_via_stamped(&b, &via, &source);
        assert_false(b.full);
        assert_slice(sw_buf_view(&b), rows[i].result);
    }
}

static void test_build_stamping_keeps_the_rest_and_is_stable(void **state)
{
    (void)state;
    struct rng r = rng_start(__func__);
    static const char *const params[] = {";rport",     ";rport=7",     " ; received = 9.9.9.9",
                                         ";branch=b",  ";ttl=1",       ";\r\n maddr=m",
                                         ";x=\"a;b\"", ";received=::1"};
    struct sw_endpoint source = endpoint("192.0.2.1:4000");
    for (int round = 0; round < 5000; round++) {
        char text[256] = "SIP/2.0/UDP h:99", first[256], second[256];
        unsigned used = 0;
        for (uint64_t k = rng_below(&r, 6); k > 0; k--) {
            size_t i = rng_below(&r, UNIT_COUNT(params)), twin = i < 2 ? !i : i == 2 ? 7 : 2;
            if (used >> i & 1 || ((i < 3 || i == 7) && used >> twin & 1))
                continue;
            used |= 1u << i;
            strcat(text, params[i]);
        }
        struct sw_via via = via_of(sw_slice_str(text));
        struct sw_buf b = sw_buf(first, sizeof(first)), c = sw_buf(second, sizeof(second));
        sw_build_via_stamped(&b, &via, &source);
        struct sw_via again = via_of(sw_buf_view(&b));
        assert_true(sw_slice_eq(again.branch, via.branch) && sw_slice_eq(again.ttl, via.ttl));
        assert_true(sw_slice_eq(again.maddr, via.maddr) && again.port == 99);
        assert_slice(again.received, "192.0.2.1");
        assert_int_equal(again.rport.name.p != NULL, via.rport.name.p != NULL);
        if (again.rport.name.p)
            assert_slice(again.rport.value, "4000");
        sw_build_via_stamped(&c, &again, &source);
        assert_true(sw_slice_eq(sw_buf_view(&b), sw_buf_view(&c)));
    }
}

#define REQUEST                                                                                    \
    "INVITE sip:b@c SIP/2.0\r\nv: SIP/2.0/UDP a ;branch=z9hG4bKa, SIP/2.0/TCP b\r\n"               \
    "X: 1\r\nt : Bob <sip:b@c>\r\nVia: SIP/2.0/TLS c\r\nFrom: sip:a@b;tag=1\r\ni: 2\r\n"           \
    "Timestamp: 54\r\nCSeq: 3\r\n INVITE\r\n\r\n"

static void response(const struct sw_response *want, const char *result)
{
    char text[1024];
    struct sw_buf b = sw_buf(text, sizeof(text));
    struct sw_endpoint source = endpoint("192.0.2.1:1");
    sw_build_response(&b, &x.m, &x.v.via, &source, want);
    assert_false(b.full);
    assert_slice(sw_buf_view(&b), result);
    assert_int_equal(message_parse(&y, text, b.n), SW_OK);
    message_free(&y);
}

/* RFC 3261 8.2.6.2 */
static void test_build_response_takes_over_what_identifies_the_request(void **state)
{
    (void)state;
    message_request(&x, REQUEST);
    response(&(struct sw_response){.code = 486,
                                   .to_tag = SW_SLICE("t"),
                                   .extra = SW_SLICE("Retry-After: 5\r\n")},
             "SIP/2.0 486 Busy Here\r\n"
             "Via: SIP/2.0/UDP a ;branch=z9hG4bKa;received=192.0.2.1, SIP/2.0/TCP b\r\n"
             "Via: SIP/2.0/TLS c\r\nFrom: sip:a@b;tag=1\r\nTo: Bob <sip:b@c>;tag=t\r\ni: 2\r\n"
             "CSeq: 3\r\n INVITE\r\nRetry-After: 5\r\nContent-Length: 0\r\n\r\n");
    message_free(&x);
}

/* RFC 3261 8.2.6.1 and 8.2.6.2 */
static void test_build_response_100_copies_timestamp_and_needs_no_tag(void **state)
{
    (void)state;
    message_request(&x, REQUEST);
    response(&(struct sw_response){.code = 100},
             "SIP/2.0 100 Trying\r\n"
             "Via: SIP/2.0/UDP a ;branch=z9hG4bKa;received=192.0.2.1, SIP/2.0/TCP b\r\n"
             "Via: SIP/2.0/TLS c\r\nFrom: sip:a@b;tag=1\r\nTo: Bob <sip:b@c>\r\ni: 2\r\n"
             "CSeq: 3\r\n INVITE\r\nTimestamp: 54\r\nContent-Length: 0\r\n\r\n");
    message_free(&x);
}

static void test_build_response_keeps_a_to_tag_and_takes_a_reason(void **state)
{
    (void)state;
    message_request(&x, "BYE sip:b SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.1\r\nTo: sip:b;TAG=2\r\n"
                        "From: sip:a\r\nCall-ID: i\r\nCSeq: 1 BYE\r\n\r\n");
    response(&(struct sw_response){.code = 481, .reason = "Gone", .to_tag = SW_SLICE("t")},
             "SIP/2.0 481 Gone\r\nVia: SIP/2.0/UDP 192.0.2.1\r\nFrom: sip:a\r\nTo: sip:b;TAG=2\r\n"
             "Call-ID: i\r\nCSeq: 1 BYE\r\nContent-Length: 0\r\n\r\n");
    message_free(&x);
}

static void test_build_response_does_without_what_a_broken_request_lacks(void **state)
{
    (void)state;
    struct sw_verdict verdict;
    static const char text[] =
        "BYE sip:b SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.1\r\nTo: <sip:b\r\nCall-ID: i\r\n\r\n";
    assert_int_equal(message_parse(&x, text, sizeof(text) - 1), SW_OK);
    assert_int_equal(sw_check_request(&x.m, true, &x.v, &verdict), SW_PEER_SYNTAX);
    response(&(struct sw_response){.code = 400, .to_tag = SW_SLICE("t")},
             "SIP/2.0 400 Bad Request\r\nVia: SIP/2.0/UDP 192.0.2.1\r\nTo: <sip:b\r\n"
             "Call-ID: i\r\nContent-Length: 0\r\n\r\n");
    message_free(&x);
}

/* A line end that is one only for some receivers must not come back as one. */
static void test_build_response_gives_back_no_stray_line_ends(void **state)
{
    (void)state;
    struct sw_verdict verdict;
    static const char text[] = "BYE sip:b SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.1\r\n"
                               "To: <sip:b\r\nCall-ID: i\rX-Evil: 1\nX: \0y\r\n\r\n";
    assert_int_equal(message_parse(&x, text, sizeof(text) - 1), SW_OK);
    assert_int_equal(sw_check_request(&x.m, true, &x.v, &verdict), SW_PEER_SYNTAX);
    response(&(struct sw_response){.code = 400, .to_tag = SW_SLICE("t")},
             "SIP/2.0 400 Bad Request\r\nVia: SIP/2.0/UDP 192.0.2.1\r\nTo: <sip:b\r\n"
             "Call-ID: i X-Evil: 1\r\nContent-Length: 0\r\n\r\n");
    message_free(&x);
}

static void test_build_too_little_room_is_remembered(void **state)
{
    (void)state;
    message_request(&x, REQUEST);
    struct sw_endpoint source = endpoint("192.0.2.1:1");
    const struct sw_response r = {.code = 486, .to_tag = SW_SLICE("t")};
    struct sw_buf all = sw_buf((char[1024]){0}, 1024);
    sw_build_response(&all, &x.m, &x.v.via, &source, &r);
    for (size_t cap = 0; cap <= all.n; cap++) {
        struct sw_slice room = unit_exact(all.p, cap);
        struct sw_buf b = sw_buf((char *)(uintptr_t)room.p, cap);
        sw_build_response(&b, &x.m, &x.v.via, &source, &r);
        assert_int_equal(b.full, cap < all.n);
        unit_free(room);
    }
    message_free(&x);
}

#define INVITE                                                                                     \
    "INVITE sip:bob@biloxi.com SIP/2.0\r\n"                                                        \
    "Via: SIP/2.0/UDP pc33.atlanta.com;branch=z9hG4bKkjshdyff, SIP/2.0/UDP x;branch=y\r\n"         \
    "Via: SIP/2.0/TCP z\r\nTo: Bob <sip:bob@biloxi.com>\r\n"                                       \
    "Route: <sip:p1;lr>, <sip:p2;lr>\r\nFrom: Alice <sip:alice@atlanta.com>;tag=88sja8x\r\n"       \
    "Max-Forwards: 12\r\nRequire: 100rel\r\nProxy-Require: foo\r\nRoute: <sip:p3;lr>\r\n"          \
    "Call-ID: 987asjd97y7atg\r\nCSeq: 986759 INVITE\r\nContent-Length: 4\r\n\r\nbody"

/* RFC 3261 17.1.1.3 */
static void test_build_ack_repeats_the_invite_with_the_responses_to(void **state)
{
    (void)state;
    char text[1024];
    struct sw_buf b = sw_buf(text, sizeof(text));
    message(&x, INVITE);
    message(&y, "SIP/2.0 486 Busy Here\r\nVia: SIP/2.0/UDP other\r\n"
                "t: Bob <sip:bob@biloxi.com>;tag=99sa0xk\r\nFrom: other\r\nCall-ID: other\r\n"
                "CSeq: 1 INVITE\r\n\r\n");
    sw_build_ack(&b, &x.m, &y.m);
    assert_false(b.full);
    assert_slice(sw_buf_view(&b),
                 "ACK sip:bob@biloxi.com SIP/2.0\r\n"
                 "Via: SIP/2.0/UDP pc33.atlanta.com;branch=z9hG4bKkjshdyff\r\n"
                 "Max-Forwards: 70\r\nRoute: <sip:p1;lr>, <sip:p2;lr>\r\nRoute: <sip:p3;lr>\r\n"
                 "From: Alice <sip:alice@atlanta.com>;tag=88sja8x\r\n"
                 "t: Bob <sip:bob@biloxi.com>;tag=99sa0xk\r\nCall-ID: 987asjd97y7atg\r\n"
                 "CSeq: 986759 ACK\r\nContent-Length: 0\r\n\r\n");
    message_free(&x);
    message_free(&y);
}

/* RFC 3261 9.1: the same To, no Require, no Proxy-Require */
static void test_build_cancel_repeats_the_request(void **state)
{
    (void)state;
    char text[1024];
    struct sw_buf b = sw_buf(text, sizeof(text));
    message(&x, INVITE);
    sw_build_cancel(&b, &x.m);
    assert_false(b.full);
    assert_slice(sw_buf_view(&b),
                 "CANCEL sip:bob@biloxi.com SIP/2.0\r\n"
                 "Via: SIP/2.0/UDP pc33.atlanta.com;branch=z9hG4bKkjshdyff\r\n"
                 "Max-Forwards: 70\r\nRoute: <sip:p1;lr>, <sip:p2;lr>\r\nRoute: <sip:p3;lr>\r\n"
                 "From: Alice <sip:alice@atlanta.com>;tag=88sja8x\r\n"
                 "To: Bob <sip:bob@biloxi.com>\r\nCall-ID: 987asjd97y7atg\r\n"
                 "CSeq: 986759 CANCEL\r\nContent-Length: 0\r\n\r\n");
    message_free(&x);
}

/* RFC 3261 8.1.1, 11.1 */
static void test_build_own_request_has_all_that_a_request_must_have(void **state)
{
    (void)state;
    char text[1024];
    struct sw_buf b = sw_buf(text, sizeof(text));
    const struct sw_own_request r = {
        .method = SW_SLICE("OPTIONS"),
        .uri = SW_SLICE("sips:b.test"),
        .transport = SW_SLICE("TLS"),
        .sent_by = SW_SLICE("192.0.2.1:5061"),
        .branch = SW_SLICE("z9hG4bKx"),
        .from_tag = SW_SLICE("t"),
        .call_id = SW_SLICE("c"),
        .from = SW_SLICE("sips:a.test"),
        .to = SW_SLICE("sips:b.test"),
        .contact = SW_SLICE("sips:a@192.0.2.1"),
        .extra = SW_SLICE("Accept: application/sdp\r\n"),
    };
    sw_build_request(&b, &r);
    text[b.n] = 0;
    message(&x, text);
    struct sw_vitals v;
    struct sw_verdict verdict;
    assert_int_equal(sw_check_request(&x.m, false, &v, &verdict), SW_OK);
    assert_slice(v.call_id, "c");
    assert_slice(v.via.branch, "z9hG4bKx");
    assert_slice(sw_msg_value(&x.m, SW_HDR_CONTACT), "<sips:a@192.0.2.1>");
    assert_true(v.has_length && v.via.rport.name.p && v.max_forwards == 70);
    message_free(&x);
}

static void test_build_cancel_of_a_request_without_via_is_not_to_be_sent(void **state)
{
    (void)state;
    char text[1024];
    struct sw_buf b = sw_buf(text, sizeof(text));
    message(&x, "INVITE sip:b SIP/2.0\r\nCSeq: 1 INVITE\r\n\r\n");
    sw_build_cancel(&b, &x.m);
    assert_true(b.full);
    message_free(&x);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_build_via_is_stamped_as_its_source_demands),
        cmocka_unit_test(test_build_stamping_keeps_the_rest_and_is_stable),
        cmocka_unit_test(test_build_response_takes_over_what_identifies_the_request),
        cmocka_unit_test(test_build_response_100_copies_timestamp_and_needs_no_tag),
        cmocka_unit_test(test_build_response_keeps_a_to_tag_and_takes_a_reason),
        cmocka_unit_test(test_build_response_does_without_what_a_broken_request_lacks),
        cmocka_unit_test(test_build_response_gives_back_no_stray_line_ends),
        cmocka_unit_test(test_build_too_little_room_is_remembered),
        cmocka_unit_test(test_build_ack_repeats_the_invite_with_the_responses_to),
        cmocka_unit_test(test_build_cancel_repeats_the_request),
        cmocka_unit_test(test_build_own_request_has_all_that_a_request_must_have),
        cmocka_unit_test(test_build_cancel_of_a_request_without_via_is_not_to_be_sent),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
