#include "support/message.h"

#include "proxy/rroute.h"

enum { TLS, UDP, TCP };

static const struct sw_slice domain = {"example.test", 12};
static struct sw_listener_conf listeners[] = {
    [TLS] = {.host = {"sip.example.test", 16},
             .port = 5061,
             .transport = SW_TLS,
             .transport_tls = true},
    [UDP] = {.host = {"192.0.2.1", 9}, .port = 5060, .transport = SW_UDP},
    [TCP] = {.host = {"[2001:db8::1]", 13}, .port = 5070, .transport = SW_TCP},
};
static struct sw_proxy_conf conf = {.uri_max = 8192,
                                    .domains = &domain,
                                    .domain_count = 1,
                                    .listeners = listeners,
                                    .listener_count = UNIT_COUNT(listeners)};
static struct message x;
static char sealed[2][SW_SEAL_LETTERS_MAX + 1]; /* of two dialogs with the same Call-ID */

/* From peer 10 over TLS to peer 20 over UDP. */
static const struct sw_seal dialog = {
    {{.flow = {.instance = 1, .worker = 2, .slot = 3, .generation = 5},
      .peer = 10,
      .listener = TLS,
      .transport = SW_TLS,
      .remote = {.ip = {198, 51, 100, 1}, .port = 7061, .family = 4}},
     {.flow = {.worker = SW_WORKER_ANY, .slot = UDP},
      .peer = 20,
      .listener = UDP,
      .transport = SW_UDP,
      .remote = {.ip = {192, 0, 2, 9}, .port = 5060, .family = 4}}}};

static void seal_into(char *text, const struct sw_seal *seal, const char *call_id)
{
    struct sw_buf b = sw_buf(text, SW_SEAL_LETTERS_MAX);
    sw_seal_put(&b, &conf.seal_key, sw_slice_str(call_id), seal);
    assert_false(b.full);
    text[b.n] = 0;
}

static int set_up(void **state)
{
    (void)state;
    struct sw_seal other = dialog;
    other.side[1].peer = 30;
    sw_hmac_key_init(&conf.seal_key, "key", 3);
    listeners[TLS].address = (struct sw_endpoint){.ip = {127, 0, 0, 1}, .port = 5061, .family = 4};
    listeners[UDP].address = (struct sw_endpoint){.ip = {192, 0, 2, 1}, .port = 5060, .family = 4};
    assert_true(sw_endpoint_parse(SW_SLICE("[2001:db8::1]:5070"), 0, &listeners[TCP].address));
    seal_into(sealed[0], &dialog, "call");
    seal_into(sealed[1], &other, "call");
    return 0;
}

/* Appends text; "X" and "Y" behind ";sw=" and a letter become the sealed values. */
static void put(struct sw_buf *b, const char *text)
{
    for (const char *s = text; *s; s++)
        if (s - text >= 5 && memcmp(s - 5, ";sw=", 4) == 0 && (*s == 'X' || *s == 'Y'))
            sw_buf_str(b, sealed[*s == 'Y']);
        else
            sw_buf_char(b, *s);
}

static struct sw_routes routes(const char *uri, const char *rows)
{
    char text[4096];
    struct sw_buf b = sw_buf(text, sizeof(text) - 1);
    struct sw_routes r;
    put(&b, "BYE ");
    put(&b, uri);
    put(&b, " SIP/2.0\r\nVia: SIP/2.0/UDP h;branch=z9hG4bKa\r\nTo: sip:b;tag=2\r\n"
            "From: sip:a;tag=1\r\nCall-ID: call\r\nCSeq: 1 BYE\r\n");
    put(&b, rows);
    put(&b, "\r\n");
    text[b.n] = 0;
    message_request(&x, text);
    sw_routes_read(&conf, &x.m, &x.v, &r);
    return r;
}

#define OURS_A "<sip:sip.example.test:5061;transport=tls;lr;sw=aX>"
#define OURS_B "<sip:192.0.2.1:5060;lr;sw=bX>"

static const struct {
    const char *rows;
    const char *left; /* the hosts of the values that remain, one letter each */
    char letter;
    bool ours, sealed, bad_seal, bad_value;
} reads[] = {
    {"", "", 0, false, false, false, false},
    {"Route: <sip:p;lr>, <sip:q;lr>\r\n", "pq", 0, false, false, false, false},
    {"Route: <sip:example.test;lr>,<sip:p;lr>\r\n", "p", 0, true, false, false, false},
    {"Route: <sip:sip.example.test;lr>\r\n", "", 0, true, false, false, false},
    {"Route: sip:192.0.2.1\r\n", "", 0, true, false, false, false},
    {"Route: <sip:192.0.2.1:5061;lr>\r\n", "1", 0, false, false, false, false},
    {"Route: <sip:u@example.test;lr>\r\n", "e", 0, false, false, false, false},
    {"Route: <tel:+1>\r\n", "+", 0, false, false, false, false},
    {"Route: <sip:p;lr>," OURS_A "\r\n", "ps", 0, false, false, false, false},
    {"Route: " OURS_A "\r\nRoute: " OURS_B ", <sip:p;lr>\r\n", "p", 'a', true, true, false, false},
    {"Route: " OURS_B "," OURS_A "\r\nRoute: <sip:p>\r\n", "p", 'b', true, true, false, false},
    {"Route: <sip:example.test;lr;sw=sX>\r\n", "", 's', true, true, false, false},
    {"Route: <sip:example.test;lr>," OURS_A ",<sip:example.test;lr>," OURS_B ",<sip:p>\r\n", "p",
     'a', true, true, false, false},
    /* a spiral: what belongs to the second passage stays for it */
    {"Route: " OURS_A "," OURS_B ",<sip:192.0.2.1;lr;sw=aY>,<sip:p;lr>\r\n", "1p", 'a', true, true,
     false, false},
    {"Route: <sip:192.0.2.1;lr;sw=sY>,<sip:192.0.2.1;lr;sw=sX>\r\n", "1", 's', true, true, false,
     false},
    {"Route: <sip:example.test;lr;sw=aZ>\r\n", "", 'a', true, false, true, false},
    {"Route: <sip:example.test;lr;sw=a>\r\n", "", 'a', true, false, true, false},
    {"Route: <sip:example.test;lr;sw>\r\n", "", 0, true, false, true, false},
    {"Route: <sip:example.test;lr;sw>,<sip:example.test;lr;sw=aX>\r\n", "", 'a', true, true, true,
     false},
    {"Route: <sip:other.test;lr;sw=aZ>\r\n", "o", 0, false, false, false, false},
    {"Route: nothing\r\n", NULL, 0, false, false, false, true},
    {"Route: <sip:p;lr> <sip:q;lr>\r\n", NULL, 0, false, false, false, true},
    {"Route: <sip:>\r\n", NULL, 0, false, false, false, true},
    {"Route: <sip:p;;lr>\r\n", NULL, 0, false, false, false, true},
    {"Route: <sip:example.test;lr>,<sip:p;lr;lr>\r\n", NULL, 0, true, false, false, true},
};

/* RFC 3261 16.4 */
static void test_rroute_values_of_ours_are_taken_off(void **state)
{
    (void)state;
    for (size_t i = 0; i < UNIT_COUNT(reads); i++) {
        struct sw_routes r = routes("sip:callee@198.51.100.7", reads[i].rows);
        if (r.ours != reads[i].ours || r.sealed != reads[i].sealed ||
            r.bad_seal != reads[i].bad_seal || r.bad_value != reads[i].bad_value)
            print_error("row %zu\n", i);
        assert_int_equal(r.ours, reads[i].ours);
        assert_int_equal(r.changed, reads[i].ours);
        assert_int_equal(r.sealed, reads[i].sealed);
        assert_int_equal(r.bad_seal, reads[i].bad_seal);
        assert_int_equal(r.bad_value, reads[i].bad_value);
        assert_null(r.uri.p);
        if (reads[i].left) {
            assert_int_equal(r.letter, reads[i].letter);
            assert_int_equal(r.count, strlen(reads[i].left));
            for (uint32_t k = 0; k < r.count; k++) {
                struct sw_addr a;
                struct sw_uri u;
                assert_int_equal(sw_addr_parse(r.value[k], &a), SW_OK);
                assert_int_equal(sw_uri_parse(a.uri, &u, NULL), SW_OK);
                char last = u.host.p[u.host.n - 1];
                assert_int_equal(reads[i].left[k] == '1' ? last : *u.host.p, reads[i].left[k]);
            }
            if (r.count)
                assert_true(r.next.text.p > r.value[0].p &&
                            r.next.text.p < r.value[0].p + r.value[0].n);
        }
        if (r.sealed && !r.bad_seal)
            assert_int_equal(r.seal.side[0].peer, 10);
        message_free(&x);
    }
}

static void test_rroute_seal_is_of_its_call(void **state)
{
    (void)state;
    char was[sizeof(sealed[0])];
    memcpy(was, sealed[0], sizeof(was));
    seal_into(sealed[0], &dialog, "another call");
    struct sw_routes r = routes("sip:b", "Route: " OURS_A "\r\n");
    memcpy(sealed[0], was, sizeof(was));
    assert_true(r.bad_seal && !r.sealed);
    message_free(&x);
}

static void test_rroute_values_have_a_limit(void **state)
{
    (void)state;
    for (int count = SW_ROUTES_MAX - 1; count <= SW_ROUTES_MAX + 1; count++) {
        char rows[1024] = "Route: <sip:p;lr>";
        for (int i = 1; i < count; i++)
            strcat(rows, ",<sip:p;lr>");
        struct sw_routes r = routes("sip:b", strcat(rows, "\r\n"));
        assert_int_equal(r.bad_value, count > SW_ROUTES_MAX);
        assert_true(r.count <= SW_ROUTES_MAX);
        message_free(&x);
    }
}

/* RFC 3261 16.4: a strict router put our value in the Request-URI, and its own last in Route */
static void test_rroute_strict_router_before_is_undone(void **state)
{
    (void)state;
    static const struct {
        const char *uri, *rows, *result;
        uint32_t count;
        bool sealed, bad_seal;
    } rows[] = {
        {"sip:192.0.2.1;lr;sw=bX", "Route: <sip:callee@h>\r\n", "sip:callee@h", 0, true, false},
        {"sip:192.0.2.1;lr;sw=bX", "Route: " OURS_A ",<sip:callee@h>\r\n", "sip:callee@h", 0, true,
         false},
        {"sip:192.0.2.1;lr;sw=bX", "Route: <sip:p;lr>\r\nRoute: \"x\" <sip:callee@h;a=1>;b\r\n",
         "sip:callee@h;a=1", 1, true, false},
        {"sip:192.0.2.1;lr;sw=bZ", "Route: <sip:callee@h>\r\n", "sip:callee@h", 0, false, true},
        {"sip:192.0.2.1;lr;sw=bX", "", NULL, 0, false, false},
        {"sip:192.0.2.1;lr", "Route: <sip:p;lr>\r\n", NULL, 1, false, false},
        {"sip:other.test;lr;sw=bX", "Route: <sip:p;lr>\r\n", NULL, 1, false, false},
        {"sip:u@192.0.2.1;lr;sw=bX", "Route: <sip:p;lr>\r\n", NULL, 1, false, false},
    };
    for (size_t i = 0; i < UNIT_COUNT(rows); i++) {
        struct sw_routes r = routes(rows[i].uri, rows[i].rows);
        assert_slice(r.uri, rows[i].result);
        assert_int_equal(r.count, rows[i].count);
        assert_int_equal(r.sealed, rows[i].sealed);
        assert_int_equal(r.bad_seal, rows[i].bad_seal);
        assert_int_equal(r.ours, rows[i].result != NULL);
        if (rows[i].result)
            assert_int_equal(r.letter, 'b');
        message_free(&x);
    }
}

/* The request with its Route rows written anew. */
static const char *edited(const struct sw_routes *r)
{
    static char out[1024], room[1024];
    struct sw_edits edits;
    struct sw_slice segs[SW_SEGS_MAX];
    struct sw_buf b = sw_buf(room, sizeof(room));
    size_t total;
    sw_edits_init(&edits);
    sw_routes_edit(&x.m, r, &b, &edits);
    assert_false(b.full);
    size_t count = sw_edits_render(&edits, sw_slice(x.m.p, x.m.n), segs, &total);
    assert_true(count > 0 && total < sizeof(out));
    sw_segs_copy(segs, count, out);
    out[total] = 0;
    return strstr(out, "CSeq: 1 BYE\r\n") + strlen("CSeq: 1 BYE\r\n");
}

static void test_rroute_rows_are_written_anew_only_if_they_changed(void **state)
{
    (void)state;
    static const struct {
        const char *rows, *result;
    } rows[] = {
        {"Route:<sip:p;lr>\r\n", "Route:<sip:p;lr>\r\n\r\n"},
        {"A: 1\r\nRoute: <sip:example.test;lr>\r\nB: 2\r\n", "A: 1\r\nB: 2\r\n\r\n"},
        {"Route: <sip:example.test;lr>, <sip:p;lr>\r\nA: 1\r\nroute: \"q\" "
         "<sip:q;lr>;x,<sip:s>\r\n",
         "Route: <sip:p;lr>\r\nRoute: \"q\" <sip:q;lr>;x\r\nRoute: <sip:s>\r\nA: 1\r\n\r\n"},
        {"Route: <sip:example.test;lr>\r\nRoute: <sip:p;lr>\r\nA: 1\r\nRoute: <sip:q>\r\n",
         "Route: <sip:p;lr>\r\nRoute: <sip:q>\r\nA: 1\r\n\r\n"},
    };
    for (size_t i = 0; i < UNIT_COUNT(rows); i++) {
        struct sw_routes r = routes("sip:b", rows[i].rows);
        assert_string_equal(edited(&r), rows[i].result);
        message_free(&x);
    }
}

/* RFC 3261 16.6 step 6 */
static void test_rroute_strict_router_behind_gets_its_form(void **state)
{
    (void)state;
    static const struct {
        const char *rows, *uri, *result;
    } rows[] = {
        {"Route: <sip:s>, <sip:q;lr>\r\n", "sip:s",
         "Route: <sip:q;lr>\r\nRoute: <sip:callee@h>\r\n\r\n"},
        {"Route: <sip:s;x=y>\r\n", "sip:s;x=y", "Route: <sip:callee@h>\r\n\r\n"},
        {"Route: <sip:example.test;lr>,<sip:s>\r\n", "sip:s", "Route: <sip:callee@h>\r\n\r\n"},
        {"Route: <sip:s;lr>\r\n", "sip:callee@h", "Route: <sip:s;lr>\r\n\r\n"},
        {"Route: <tel:+1>\r\n", "sip:callee@h", "Route: <tel:+1>\r\n\r\n"},
        {"", "sip:callee@h", "\r\n"},
    };
    for (size_t i = 0; i < UNIT_COUNT(rows); i++) {
        char text[256];
        struct sw_buf room = sw_buf(text, sizeof(text));
        struct sw_routes r = routes("sip:callee@h", rows[i].rows);
        assert_slice(sw_routes_strict(&r, sw_msg_uri(&x.m), &room), rows[i].uri);
        assert_string_equal(edited(&r), rows[i].result);
        message_free(&x);
    }
}

static void test_rroute_side_is_the_peer_that_sent(void **state)
{
    (void)state;
    struct sw_routes r = {.seal = dialog, .letter = 'a'};
    struct sw_flow f = {.transport = SW_TLS};
    int side = -7;
    static const struct {
        uint32_t peer, domain_id;
        enum sw_status status;
        int side;
    } rows[] = {
        {10, 0, SW_OK, 0},
        {20, 0, SW_OK, 1},
        {30, 0, SW_DENIED, 0},
        {SW_PEER_NOBODY, 0, SW_DENIED, 0},
        {SW_PEER_VERIFIED, 10, SW_OK, 0},
        {SW_PEER_VERIFIED, 11, SW_DENIED, 0},
    };
    for (size_t i = 0; i < UNIT_COUNT(rows); i++) {
        f.peer = rows[i].peer;
        f.domain_id = rows[i].domain_id;
        assert_int_equal(sw_routes_side(&conf, &r, &f, &side), rows[i].status);
        if (rows[i].status == SW_OK)
            assert_int_equal(side, rows[i].side);
    }
    r.seal.side[0].peer = SW_PEER_NOBODY;
    f.peer = SW_PEER_NOBODY;
    assert_int_equal(sw_routes_side(&conf, &r, &f, &side), SW_DENIED);
}

/* "If there are multiple identities": each of a certificate's names is proved, whichever stands
 * first. RFC 5922 7.1, 7.4 */
static void test_rroute_side_is_whoever_proves_the_dialogs_domain(void **state)
{
    (void)state;
    static const uint32_t believed[] = {7}, dane[] = {SW_VOUCHED_DANE_EE};
    static const uint8_t all[] = {SW_USE_ALL}, server[] = {SW_USE_SERVER | SW_USE_SIGN};
    static const struct {
        const char *names[3];
        const uint32_t *vouched;
        const uint8_t *uses;
        uint32_t peer;
        enum sw_status status;
    } rows[] = {
        {{"DNS:sip.other.test", "DNS:other.test"}, believed, all, SW_PEER_VERIFIED, SW_OK},
        {{"DNS:sip.other.test", "DNS:OTHER.test."}, believed, all, SW_PEER_VERIFIED, SW_OK},
        {{"URI:sip:x.test", "URI:sip:other.test"}, believed, all, SW_PEER_VERIFIED, SW_OK},
        {{"URI:sip:x.test", "DNS:other.test"}, believed, all, SW_PEER_VERIFIED, SW_DENIED},
        {{"DNS:x.test", "DNS:*.test"}, believed, all, SW_PEER_VERIFIED, SW_DENIED},
        {{"DNS:x.test", "DNS:y.test"}, believed, all, SW_PEER_VERIFIED, SW_DENIED},
        {{"DNS:x.test", "DNS:other.test"}, believed, all, 10, SW_DENIED}, /* a peer is itself */
        {{"DNS:x.test", "DNS:other.test"}, believed, all, SW_PEER_NOBODY, SW_DENIED},
        {{"DNS:x.test", "DNS:other.test"}, believed, server, SW_PEER_VERIFIED, SW_DENIED},
        {{"DNS:x.test", "DNS:other.test"}, dane, all, SW_PEER_VERIFIED, SW_DENIED},
    };
    struct sw_routes r = {.letter = 'a'};
    r.seal.side[0].peer = sw_proxy_domain_id(&conf, SW_SLICE("other.test"));
    r.seal.side[1].peer = 20;
    for (size_t i = 0; i < UNIT_COUNT(rows); i++) {
        struct sw_cert_name names[3];
        struct sw_ident id = {
            .names = names, .vouched = rows[i].vouched, .uses = rows[i].uses, .vouched_count = 1};
        for (; rows[i].names[id.name_count]; id.name_count++) {
            struct sw_slice text = sw_slice_str(rows[i].names[id.name_count]);
            names[id.name_count] = (struct sw_cert_name){
                .text = sw_slice_from(text, 4),
                .kind = text.p[0] == 'U' ? SW_NAME_URI : SW_NAME_DNS,
            };
        }
        struct sw_flow f = {
            .transport = SW_TLS, .peer = rows[i].peer, .domain_id = 1u << 31 | 5, .ident = &id};
        int side = -7;
        if (sw_routes_side(&conf, &r, &f, &side) != rows[i].status)
            print_error("row %zu\n", i);
        assert_int_equal(sw_routes_side(&conf, &r, &f, &side), rows[i].status);
        assert_int_equal(side, rows[i].status == SW_OK ? 0 : -7);
    }
}

static void test_rroute_side_of_one_peer_goes_by_flow_then_letter(void **state)
{
    (void)state;
    struct sw_routes r = {.seal = dialog};
    struct sw_flow tls = {.peer = 10, .transport = SW_TLS, .id = dialog.side[0].flow};
    struct sw_flow udp = {.peer = 10, .transport = SW_UDP, .remote = dialog.side[1].remote};
    r.seal.side[1].peer = 10;
    int side;
    for (int letter = 0; letter < 2; letter++) {
        r.letter = letter ? 'b' : 'a';
        assert_int_equal(sw_routes_side(&conf, &r, &tls, &side), SW_OK);
        assert_int_equal(side, 0);
        assert_int_equal(sw_routes_side(&conf, &r, &udp, &side), SW_OK);
        assert_int_equal(side, 1);
        struct sw_flow other = tls;
        other.id.generation += 2;
        assert_int_equal(sw_routes_side(&conf, &r, &other, &side), SW_OK);
        assert_int_equal(side, letter);
        other = udp;
        other.remote.port++;
        assert_int_equal(sw_routes_side(&conf, &r, &other, &side), SW_OK);
        assert_int_equal(side, letter);
    }
}

static void test_rroute_record_route_is_for_what_may_make_a_dialog(void **state)
{
    (void)state;
    for (int m = SW_INVITE; m <= SW_METHOD_OTHER; m++)
        assert_int_equal(sw_record_route_wanted((enum sw_method)m),
                         m == SW_INVITE || m == SW_SUBSCRIBE || m == SW_REFER || m == SW_NOTIFY ||
                             m == SW_METHOD_OTHER);
}

/* RFC 3261 16.6 step 4, RFC 5658 5: two rows where the sides differ, the next hop's first;
 * docs/config.md "URIs of ours"
 */
static void test_rroute_record_route_names_the_listener_of_each_side(void **state)
{
    (void)state;
    static const struct {
        uint16_t in, out;
        bool sips, transport_tls;
        const char *first, *second;
    } rows[] = {
        {TLS, UDP, false, true, "<sip:192.0.2.1:5060;lr;sw=b",
         "<sip:sip.example.test:5061;transport=tls;lr;sw=a"},
        {UDP, TLS, false, false, "<sip:sip.example.test;lr;sw=b", "<sip:192.0.2.1:5060;lr;sw=a"},
        {TLS, TLS, false, true, "<sip:sip.example.test:5061;transport=tls;lr;sw=s", NULL},
        {TLS, TLS, true, false, "<sips:sip.example.test:5061;lr;sw=s", NULL},
        {TCP, UDP, false, true, "<sip:192.0.2.1:5060;lr;sw=b",
         "<sip:[2001:db8::1]:5070;transport=tcp;lr;sw=a"},
    };
    static const uint8_t transport[] = {[TLS] = SW_TLS, [UDP] = SW_UDP, [TCP] = SW_TCP};
    for (size_t i = 0; i < UNIT_COUNT(rows); i++) {
        char text[1024];
        struct sw_buf b = sw_buf(text, sizeof(text) - 1);
        struct sw_seal s = dialog;
        s.side[0].listener = rows[i].in;
        s.side[0].transport = transport[rows[i].in];
        s.side[1].listener = rows[i].out;
        s.side[1].transport = transport[rows[i].out];
        listeners[TLS].transport_tls = rows[i].transport_tls;
        sw_record_route_put(&b, &conf, SW_SLICE("call"), &s, rows[i].sips);
        listeners[TLS].transport_tls = true;
        assert_false(b.full);
        text[b.n] = 0;
        const char *first = text + strlen("Record-Route: "), *end = strstr(first, "\r\n");
        assert_memory_equal(first, rows[i].first, strlen(rows[i].first));
        assert_int_equal(end[2] != 0, rows[i].second != NULL);
        if (rows[i].second)
            assert_memory_equal(end + 2 + strlen("Record-Route: "), rows[i].second,
                                strlen(rows[i].second));
    }
}

/* RFC 3261 12.1.1 and 12.1.2: the callee keeps the order of the rows, the caller turns it round */
static void test_rroute_what_was_recorded_is_read_from_both_ends(void **state)
{
    (void)state;
    char text[1024], rows[1024];
    struct sw_buf b = sw_buf(text, sizeof(text) - 1);
    sw_record_route_put(&b, &conf, SW_SLICE("call"), &dialog, false);
    text[b.n] = 0;
    const char *first = text + strlen("Record-"), *second = strstr(first, "Route: <sip:sip.");
    int first_n = (int)(second - first) - (int)strlen("Record-");
    for (int caller = 0; caller < 2; caller++) {
        if (caller)
            sprintf(rows, "%s%.*s", second, first_n, first);
        else
            sprintf(rows, "%.*s%s", first_n, first, second);
        struct sw_routes r = routes("sip:callee@h", rows);
        assert_true(r.sealed && !r.bad_seal && r.count == 0);
        assert_int_equal(r.letter, caller ? 'a' : 'b');
        for (int i = 0; i < 2; i++) {
            assert_int_equal(r.seal.side[i].peer, dialog.side[i].peer);
            assert_true(sw_flow_id_eq(&r.seal.side[i].flow, &dialog.side[i].flow));
        }
        message_free(&x);
    }
}

static void test_rroute_routes_move_with_their_bytes(void **state)
{
    (void)state;
    struct sw_routes r =
        routes("sip:192.0.2.1;lr;sw=bX", "Route: <sip:p;lr;transport=tcp>, <sip:callee@h>\r\n");
    struct sw_slice copy = unit_exact(x.bytes.p, x.bytes.n);
    sw_routes_move(&r, x.bytes.p, copy.p);
    message_free(&x);
    assert_slice(r.value[0], "<sip:p;lr;transport=tcp>");
    assert_slice(r.next.host, "p");
    assert_slice(r.next.transport, "tcp");
    assert_slice(r.uri, "sip:callee@h");
    unit_free(copy);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rroute_values_of_ours_are_taken_off),
        cmocka_unit_test(test_rroute_seal_is_of_its_call),
        cmocka_unit_test(test_rroute_values_have_a_limit),
        cmocka_unit_test(test_rroute_strict_router_before_is_undone),
        cmocka_unit_test(test_rroute_rows_are_written_anew_only_if_they_changed),
        cmocka_unit_test(test_rroute_strict_router_behind_gets_its_form),
        cmocka_unit_test(test_rroute_side_is_the_peer_that_sent),
        cmocka_unit_test(test_rroute_side_is_whoever_proves_the_dialogs_domain),
        cmocka_unit_test(test_rroute_side_of_one_peer_goes_by_flow_then_letter),
        cmocka_unit_test(test_rroute_record_route_is_for_what_may_make_a_dialog),
        cmocka_unit_test(test_rroute_record_route_names_the_listener_of_each_side),
        cmocka_unit_test(test_rroute_what_was_recorded_is_read_from_both_ends),
        cmocka_unit_test(test_rroute_routes_move_with_their_bytes),
    };
    return cmocka_run_group_tests(tests, set_up, NULL);
}
