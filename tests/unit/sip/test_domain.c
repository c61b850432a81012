#include "support/unit.h"

#include "sip/domain.h"

enum { NAMES_MAX = 4 };

struct certificate {
    struct {
        enum sw_cert_name_kind kind;
        const char *text;
    } names[NAMES_MAX];
};

static struct sw_cert_name names[NAMES_MAX];

static struct sw_ident ident(const struct certificate *c)
{
    struct sw_ident id = {.names = names};
    for (; id.name_count < NAMES_MAX && c->names[id.name_count].text; id.name_count++) {
        struct sw_cert_name *n = &names[id.name_count];
        *n = (struct sw_cert_name){.text = sw_slice_str(c->names[id.name_count].text),
                                   .kind = (uint8_t)c->names[id.name_count].kind};
        if (n->kind == SW_NAME_IP)
            assert_true(sw_endpoint_ip_parse(n->text, &n->ip));
    }
    return id;
}

#define URI(t)                                                                                     \
    {                                                                                              \
        SW_NAME_URI, t                                                                             \
    }
#define DNS(t)                                                                                     \
    {                                                                                              \
        SW_NAME_DNS, t                                                                             \
    }
#define CN(t)                                                                                      \
    {                                                                                              \
        SW_NAME_CN, t                                                                              \
    }
#define IP(t)                                                                                      \
    {                                                                                              \
        SW_NAME_IP, t                                                                              \
    }

/* RFC 5922 7.1 */
static void test_domain_identities_are_picked_by_the_rules(void **state)
{
    (void)state;
    static const struct {
        struct certificate c;
        const char *identity[NAMES_MAX]; /* by name; NULL: none */
    } rows[] = {
        {{{URI("sip:example.com")}}, {"example.com"}},
        {{{URI("SIP:Example.COM")}}, {"Example.COM"}},
        {{{URI("sip:example.com:5061;transport=tls")}}, {"example.com"}},
        {{{URI("sips:example.com")}}, {NULL}},
        {{{URI("https://example.com")}}, {NULL}},
        {{{URI("sip:alice@example.com")}}, {NULL}},
        {{{URI("sip:")}}, {NULL}},
        {{{URI("sip:a b")}}, {NULL}},
        {{{URI("sip:a"), URI("sip:b")}}, {"a", "b"}},
        {{{DNS("example.com")}}, {"example.com"}},
        {{{DNS("b.com"), URI("sip:a.com")}}, {NULL, "a.com"}},
        {{{URI("sip:u@a.com"), DNS("b.com")}}, {NULL, "b.com"}},
        {{{URI("sips:a.com"), DNS("b.com")}}, {NULL, "b.com"}},
        {{{DNS("a b.com"), DNS(""), DNS("c.com")}}, {NULL, NULL, "c.com"}},
        {{{IP("192.0.2.1")}}, {NULL}},
        {{{DNS("xn--bcher-kva.example")}}, {"xn--bcher-kva.example"}},
        {{{DNS("b\xc3\xbc"
               "cher.example")}},
         {NULL}}, /* RFC 5280 7.2: IDN as xn-- only */
        {{{DNS("*.example.com"), DNS("b.com")}}, {NULL, "b.com"}}, /* 7.2: no form of wildcard */
        {{{DNS("a*.example.com")}}, {NULL}},
        {{{CN("*.example.com")}}, {NULL}},
        {{{CN("example.com")}}, {"example.com"}},
        {{{CN("Example Corporation")}}, {NULL}},
    };
    for (size_t i = 0; i < UNIT_COUNT(rows); i++) {
        struct sw_ident id = ident(&rows[i].c);
        for (uint32_t k = 0; k < id.name_count; k++) {
            struct sw_slice domain = SW_SLICE("untouched");
            const char *want = rows[i].identity[k];
            assert_int_equal(sw_domain_identity(&id, k, &domain), want != NULL);
            assert_slice(domain, want ? want : "untouched");
        }
    }
}

/* A NUL inside a name is how "example.com\0.evil.test" once passed for the shorter name. */
static void test_domain_name_with_a_nul_is_none(void **state)
{
    (void)state;
    static const char text[] = "example.com\0.evil.test", uri[] = "sip:example.com\0.evil.test";
    struct sw_ident id = {.names = names, .name_count = 2};
    struct sw_endpoint any = {0};
    struct sw_slice domain;
    names[0] = (struct sw_cert_name){.text = sw_slice(text, sizeof(text) - 1), .kind = SW_NAME_DNS};
    names[1] = (struct sw_cert_name){.text = sw_slice(uri, sizeof(uri) - 1), .kind = SW_NAME_URI};
    for (uint32_t k = 0; k < 2; k++)
        assert_false(sw_domain_identity(&id, k, &domain));
    assert_false(sw_domain_proves(&id, SW_SLICE("example.com"), SW_VERIFY_DOMAIN, &any));
    char longer[300];
    memset(longer, 'a', sizeof(longer));
    names[0].text = sw_slice(longer, 253);
    assert_true(sw_domain_identity(&id, 0, &domain));
    names[0].text = sw_slice(longer, 254);
    assert_false(sw_domain_identity(&id, 0, &domain));
}

/* RFC 5922 7.2, RFC 5280 7.2: whole names, without case; an IDN by its form with xn-- */
static void test_domain_equality_is_of_whole_names(void **state)
{
    (void)state;
    static const struct {
        const char *a, *b;
        bool equal;
    } rows[] = {
        {"example.com", "EXAMPLE.com", true},
        {"example.com", "example.com.", true},
        {"xn--bcher-kva.example", "XN--BCHER-KVA.Example", true},
        {"xn--bcher-kva.example",
         "b\xc3\xbc"
         "cher.example",
         false},
        {"example.com.", "example.com.", true},
        {"foo.example.com", "example.com", false},
        {"example.com", "ample.com", false},
        {"*.example.com", "foo.example.com", false},
        {"*.example.com", "*.example.com", true},
        {".example.com", "foo.example.com", false},
        {"example.com..", "example.com", false},
        {"", "", false},
        {"", ".", false},
    };
    for (size_t i = 0; i < UNIT_COUNT(rows); i++) {
        struct sw_slice a = sw_slice_str(rows[i].a), b = sw_slice_str(rows[i].b);
        assert_int_equal(sw_domain_eq(a, b), rows[i].equal);
        assert_int_equal(sw_domain_eq(b, a), rows[i].equal);
    }
}

static void test_domain_proof_is_as_wide_as_configured(void **state)
{
    (void)state;
    static const struct {
        struct certificate c;
        const char *wanted;
        bool domain, wildcard, address; /* by rule; the peer is at 192.0.2.1 */
    } rows[] = {
        {{{URI("sip:example.com")}}, "Example.com", true, true, true},
        {{{URI("sip:x"), DNS("example.com")}}, "example.com", false, false, false},
        {{{DNS("a.com"), DNS("b.com")}}, "b.com", true, true, true},
        {{{DNS("*.example.com")}}, "a.example.com", false, true, false},
        {{{DNS("*.example.com")}}, "A.EXAMPLE.COM.", false, true, false},
        {{{DNS("*.example.com")}}, "example.com", false, false, false},
        {{{DNS("*.example.com")}}, ".example.com", false, false, false},
        {{{DNS("*.example.com")}}, "a.b.example.com", false, false, false},
        {{{DNS("*.example.com")}}, "a.badexample.com", false, false, false},
        {{{DNS("a*.example.com")}}, "ab.example.com", false, false, false},
        {{{DNS("*.com")}}, "example.com", false, false, false},
        {{{DNS("*")}}, "com", false, false, false},
        {{{DNS("*.")}}, "com.", false, false, false},
        {{{DNS("a.*.com")}}, "a.b.com", false, false, false},
        {{{CN("*.example.com")}}, "a.example.com", false, true, false},
        {{{URI("sip:x.com"), DNS("*.example.com")}}, "a.example.com", false, false, false},
        {{{IP("192.0.2.1")}}, "example.com", false, false, true},
        {{{IP("192.0.2.2")}}, "example.com", false, false, false},
        {{{IP("::ffff:192.0.2.1")}}, "example.com", false, false, false},
        {{{DNS("192.0.2.1")}}, "example.com", false, false, false},
        {{{DNS("*.0.2.1")}}, "192.0.2.1", false, false, false}, /* an address has no labels */
        {{{DNS("*.example.com"), DNS("*.net")}}, "example.net", false, false, false},
        {{{DNS("*.*.com")}}, "a.example.com", false, false, false},
        {{{DNS("*a.example.com")}}, "xa.example.com", false, false, false},
        {{{DNS("*.example.com")}}, "*.example.com", false, false, false},
        {{{DNS("*.example.com"), DNS("a.example.net")}}, "b.example.com", false, true, false},
        {{{URI("sip:x.com"), IP("192.0.2.1")}}, "example.com", false, false, true},
        {{{DNS("example.com")}}, "", false, false, false},
        {{{{0}}}, "example.com", false, false, false},
    };
    struct sw_endpoint from;
    assert_true(sw_endpoint_parse(SW_SLICE("192.0.2.1:5061"), 0, &from));
    for (size_t i = 0; i < UNIT_COUNT(rows); i++) {
        struct sw_ident id = ident(&rows[i].c);
        struct sw_slice wanted = sw_slice_str(rows[i].wanted);
        bool got[] = {sw_domain_proves(&id, wanted, SW_VERIFY_DOMAIN, &from),
                      sw_domain_proves(&id, wanted, SW_VERIFY_WILDCARD, &from),
                      sw_domain_proves(&id, wanted, SW_VERIFY_ADDRESS, &from),
                      sw_domain_proves(&id, wanted, SW_VERIFY_CHAIN, &from)};
        if (got[0] != rows[i].domain || got[1] != rows[i].wildcard || got[2] != rows[i].address)
            print_error("row %zu\n", i);
        assert_int_equal(got[0], rows[i].domain);
        assert_int_equal(got[1], rows[i].wildcard);
        assert_int_equal(got[2], rows[i].address);
        assert_int_equal(got[3], rows[i].domain);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_domain_identities_are_picked_by_the_rules),
        cmocka_unit_test(test_domain_name_with_a_nul_is_none),
        cmocka_unit_test(test_domain_equality_is_of_whole_names),
        cmocka_unit_test(test_domain_proof_is_as_wide_as_configured),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
