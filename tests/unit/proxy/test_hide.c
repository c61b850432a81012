#include "support/message.h"

#include "proxy/hide.h"

static const struct sw_slice domain = {"example.test", 12};
static struct sw_listener_conf listeners[] = {
    {.host = {"sip.example.test", 16}, .port = 5061, .transport = SW_TLS},
    {.host = {"10.1.0.1", 8}, .port = 5060, .transport = SW_UDP},
};
static struct sw_proxy_conf conf;
static const struct sw_slice call = {"call", 4};

static void configure(struct sw_proxy_conf *c, const char *first, const char *second)
{
    *c = (struct sw_proxy_conf){.uri_max = 8192,
                                .domains = &domain,
                                .domain_count = 1,
                                .listeners = listeners,
                                .listener_count = UNIT_COUNT(listeners)};
    sw_hmac_key_init(&c->seal_key, first, strlen(first));
    if (second)
        sw_hmac_key_init(&c->seal_older[c->seal_older_count++], second, strlen(second));
    assert_int_equal(sw_proxy_conf_index(c), SW_OK);
}

static int set_up(void **state)
{
    (void)state;
    configure(&conf, "one", NULL);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    sw_proxy_conf_fini(&conf);
    return 0;
}

static struct sw_slice sealed(const struct sw_proxy_conf *c, enum sw_hide_kind kind,
                              struct sw_slice text)
{
    static char letters[SW_HIDE_TEXT_MAX * 2];
    struct sw_buf b = sw_buf(letters, sizeof(letters));
    sw_hide_put(&b, c, kind, call, text);
    assert_false(b.full);
    return sw_buf_view(&b);
}

static enum sw_status open_as(const struct sw_proxy_conf *c, enum sw_hide_kind kind,
                              struct sw_slice context, struct sw_slice letters)
{
    char bytes[SW_HIDE_TEXT_MAX];
    struct sw_slice out;
    struct sw_slice exact = unit_exact(letters.p, letters.n);
    enum sw_status s = sw_hide_get(c, kind, context, exact, bytes, &out);
    unit_free(exact);
    if (s == SW_OK)
        assert_slice(out, "sip:a@10.1.0.9");
    return s;
}

static void test_text_opens_with_its_kind_and_context_only(void **state)
{
    (void)state;
    const struct sw_slice s = sealed(&conf, SW_HIDE_ROUTE, SW_SLICE("sip:a@10.1.0.9"));
    assert_int_equal(open_as(&conf, SW_HIDE_ROUTE, call, s), SW_OK);
    assert_int_equal(open_as(&conf, SW_HIDE_VIA, call, s), SW_DENIED_SEAL);
    assert_int_equal(open_as(&conf, SW_HIDE_ROUTE, SW_SLICE("calm"), s), SW_DENIED_SEAL);
}

static void test_forged_and_truncated_text_is_refused(void **state)
{
    (void)state;
    const struct sw_slice s = sealed(&conf, SW_HIDE_CONTACT, SW_SLICE("sip:a@10.1.0.9"));
    char copy[256];
    for (size_t i = 0; i < s.n; i++) {
        memcpy(copy, s.p, s.n);
        copy[i] = copy[i] == 'A' ? 'B' : 'A';
        assert_int_equal(open_as(&conf, SW_HIDE_CONTACT, call, sw_slice(copy, s.n)),
                         SW_DENIED_SEAL);
        assert_int_equal(open_as(&conf, SW_HIDE_CONTACT, call, sw_slice(s.p, i)), SW_DENIED_SEAL);
    }
    memset(copy, 'A', sizeof(copy));
    assert_int_equal(open_as(&conf, SW_HIDE_CONTACT, call, sw_slice(copy, 64)), SW_DENIED_SEAL);
    char *longest = calloc(1, SW_HIDE_TEXT_MAX * 2);
    assert_non_null(longest);
    memset(longest, 'A', SW_HIDE_TEXT_MAX * 2);
    assert_int_equal(open_as(&conf, SW_HIDE_CONTACT, call, sw_slice(longest, SW_HIDE_TEXT_MAX * 2)),
                     SW_DENIED_SEAL);
    free(longest);
}

/* What was sealed before a change of keys opens as long as its key is among the older ones. */
static void test_older_key_opens_and_unknown_key_does_not(void **state)
{
    (void)state;
    struct sw_proxy_conf rotated, foreign;
    configure(&rotated, "two", "one");
    configure(&foreign, "two", NULL);
    const struct sw_slice s = sealed(&conf, SW_HIDE_CONTACT, SW_SLICE("sip:a@10.1.0.9"));
    assert_int_equal(open_as(&rotated, SW_HIDE_CONTACT, call, s), SW_OK);
    assert_int_equal(open_as(&foreign, SW_HIDE_CONTACT, call, s), SW_DENIED_SEAL);
    const struct sw_slice by_new = sealed(&rotated, SW_HIDE_CONTACT, SW_SLICE("sip:a@10.1.0.9"));
    assert_int_equal(open_as(&foreign, SW_HIDE_CONTACT, call, by_new), SW_OK);
    assert_int_equal(open_as(&conf, SW_HIDE_CONTACT, call, by_new), SW_DENIED_SEAL);
    sw_proxy_conf_fini(&rotated);
    sw_proxy_conf_fini(&foreign);
}

static void test_text_above_the_limit_does_not_leave(void **state)
{
    (void)state;
    static char text[SW_HIDE_TEXT_MAX + 1], letters[SW_HIDE_TEXT_MAX * 2], bytes[SW_HIDE_TEXT_MAX];
    struct sw_slice out;
    memset(text, 'x', sizeof(text));
    struct sw_buf b = sw_buf(letters, sizeof(letters));
    sw_hide_put(&b, &conf, SW_HIDE_VIA, call, sw_slice(text, SW_HIDE_TEXT_MAX));
    assert_false(b.full);
    assert_int_equal(sw_hide_get(&conf, SW_HIDE_VIA, call, sw_buf_view(&b), bytes, &out), SW_OK);
    assert_int_equal(out.n, SW_HIDE_TEXT_MAX);
    b.n = 0;
    sw_hide_put(&b, &conf, SW_HIDE_VIA, call, sw_slice(text, sizeof(text)));
    assert_true(b.full);
}

static void test_list_gives_back_its_items_and_stops_at_a_cut(void **state)
{
    (void)state;
    struct sw_hide_list x;
    struct sw_slice item, rest;
    sw_hide_list_init(&x);
    sw_hide_list_add(&x, SW_SLICE("a"));
    sw_hide_list_add(&x, SW_SLICE(""));
    sw_hide_list_add(&x, SW_SLICE("long"));
    assert_int_equal(x.count, 3);
    rest = sw_buf_view(&x.b);
    assert_true(sw_hide_list_next(&rest, &item));
    assert_slice(item, "a");
    assert_true(sw_hide_list_next(&rest, &item));
    assert_int_equal(item.n, 0);
    assert_true(sw_hide_list_next(&rest, &item));
    assert_slice(item, "long");
    assert_false(sw_hide_list_next(&rest, &item));
    for (size_t cut = 0; cut < x.b.n; cut++) {
        struct sw_slice part = unit_exact(x.b.p, cut), at = part;
        unsigned n = 0;
        while (sw_hide_list_next(&at, &item))
            n++;
        assert_true(n < 3);
        unit_free(part);
    }
    while (!x.b.full)
        sw_hide_list_add(&x, SW_SLICE("z"));
    assert_int_equal(x.count, SW_HIDE_ITEMS_MAX);
}

#define HEAD                                                                                       \
    "SIP/2.0 200 OK\r\nVia: SIP/2.0/TLS a;branch=z9hG4bKa\r\nFrom: <sip:a@a>;tag=1\r\n"            \
    "To: <sip:b@b>;tag=2\r\nCall-ID: call\r\nCSeq: 1 INVITE\r\n"

/* What a response looks like to a peer outside; NULL: it does not leave. */
static const char *shown(const char *text)
{
    static char room_bytes[1 << 16], out[1 << 16];
    static struct message x;
    struct sw_verdict verdict;
    struct sw_edits edits;
    struct sw_slice segs[SW_SEGS_MAX];
    const struct sw_flow in = {.peer = 7, .listener = 0, .transport = SW_TLS};
    struct sw_buf room = sw_buf(room_bytes, sizeof(room_bytes));
    message(&x, text);
    assert_int_equal(sw_check_response(&x.m, true, &x.v, &verdict), SW_OK);
    sw_edits_init(&edits);
    enum sw_status s = sw_hide_response(&conf, &x.m, &x.v, &in, 9, &room, &edits);
    size_t total = 0, count = sw_edits_render(&edits, sw_slice(x.m.p, x.m.n), segs, &total);
    assert_true(total < sizeof(out));
    sw_segs_copy(segs, count, out);
    out[total] = 0;
    message_free(&x);
    return s == SW_OK ? out : NULL;
}

/* RFC 3261 20.10, RFC 5630 5.1: the scheme stays, and what the header says of the URI */
static void test_contact_keeps_scheme_and_header_parameters(void **state)
{
    (void)state;
    const char *s = shown(HEAD "Contact: \"A\" <sips:a@10.1.0.9;x>;expires=3;ob\r\n\r\n");
    assert_non_null(strstr(s, "Contact: \"A\" <sips:sip.example.test:5061;sc="));
    assert_non_null(strstr(s, ">;expires=3;ob\r\n"));
    s = shown(HEAD "Contact: sip:a@10.1.0.9;q=0.3, tel:+1\r\n\r\n");
    /* docs/sips.md: no transport=tls unless the listener has it */
    assert_non_null(strstr(s, "Contact: <sip:sip.example.test;sc="));
    assert_non_null(strstr(s, ">;q=0.3, tel:+1\r\n"));
    s = shown(HEAD "Contact: *\r\n\r\n");
    assert_non_null(strstr(s, "Contact: *\r\n"));
}

static void test_what_cannot_be_read_or_is_too_long_does_not_leave(void **state)
{
    (void)state;
    static char text[2 * SW_HIDE_TEXT_MAX + 1024];
    assert_null(shown(HEAD "Contact: <sip:a@10.1.0.9\r\n\r\n"));
    assert_null(shown(HEAD "Contact: <sip:a@10.1.0.9>, , x\r\n\r\n"));
    snprintf(text, sizeof(text), HEAD "Contact: <sip:%0*d@10.1.0.9>\r\n\r\n", SW_HIDE_TEXT_MAX, 1);
    assert_null(shown(text));
}

/* A response that makes no dialog has no use for the values; RFC 3261 16.6 step 4 */
static void test_record_route_without_a_value_of_ours_goes(void **state)
{
    (void)state;
    const char *s = shown(HEAD "Record-Route: <sip:10.1.0.9;lr>\r\nServer: x\r\n"
                               "Record-Route: <sip:10.1.0.8;lr;sw=aAAAA>\r\n\r\n");
    assert_null(strstr(s, "Record-Route"));
    assert_non_null(strstr(s, "Server: x\r\n"));
}

/* All values may stand in one row: RFC 3261 7.3.1 */
static void test_record_route_in_one_row_keeps_what_is_the_peers(void **state)
{
    (void)state;
    const struct sw_seal seal = {{{.peer = 7,
                                   .listener = 0,
                                   .transport = SW_TLS,
                                   .remote = {.family = 4, .ip = {192, 0, 2, 9}, .port = 5061}},
                                  {.peer = 8,
                                   .listener = 1,
                                   .transport = SW_UDP,
                                   .remote = {.family = 4, .ip = {10, 1, 0, 9}, .port = 5060}}}};
    char rows[1024], text[4096];
    struct sw_buf b = sw_buf(rows, sizeof(rows) - 1);
    sw_record_route_put(&b, &conf, call, &seal, false);
    assert_false(b.full);
    rows[b.n] = 0;
    const char *to_inside = strchr(rows, '<'), *to_peer = strchr(to_inside + 1, '<');
    snprintf(text, sizeof(text),
             HEAD "Record-Route: <sip:10.1.0.9;lr>,%.*s, %.*s ,<sip:192.0.2.5;lr>;x\r\n"
                  "Record-Route: <sip:192.0.2.6;lr>\r\n\r\n",
             (int)strcspn(to_inside, "\r"), to_inside, (int)strcspn(to_peer, "\r"), to_peer);
    const char *s = shown(text), *row = strstr(s, "Record-Route: ");
    assert_non_null(row);
    assert_int_equal(strncmp(row, "Record-Route: <sip:sip.example.test;lr;sw=A", 43), 0);
    assert_non_null(
        strstr(row, "> ,<sip:192.0.2.5;lr>;x\r\nRecord-Route: <sip:192.0.2.6;lr>\r\n\r\n"));
    assert_null(strstr(s, "10.1.0."));
}

/* Commas cost the sender one byte each. More Contacts than changes are no reason to work on all. */
static void test_room_for_contacts_is_limited_however_many_are_listed(void **state)
{
    (void)state;
    enum { CONTACTS = 3000 };
    char *text = calloc(1, CONTACTS * 8 + 1024);
    assert_non_null(text);
    size_t n = (size_t)sprintf(text, HEAD "Contact: sip:a");
    for (int i = 0; i < CONTACTS; i++)
        n += (size_t)sprintf(text + n, ",sip:a");
    memcpy(text + n, "\r\n\r\n", 5);
    struct message x;
    message(&x, text);
    assert_in_range(sw_hide_room(&x.m), 1, 65536 + 2 * x.m.body_at);
    message_free(&x);
    assert_null(shown(text));
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_room_for_contacts_is_limited_however_many_are_listed),
        cmocka_unit_test(test_text_opens_with_its_kind_and_context_only),
        cmocka_unit_test(test_forged_and_truncated_text_is_refused),
        cmocka_unit_test(test_older_key_opens_and_unknown_key_does_not),
        cmocka_unit_test(test_text_above_the_limit_does_not_leave),
        cmocka_unit_test(test_list_gives_back_its_items_and_stops_at_a_cut),
        cmocka_unit_test(test_contact_keeps_scheme_and_header_parameters),
        cmocka_unit_test(test_what_cannot_be_read_or_is_too_long_does_not_leave),
        cmocka_unit_test(test_record_route_in_one_row_keeps_what_is_the_peers),
        cmocka_unit_test(test_record_route_without_a_value_of_ours_goes),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
