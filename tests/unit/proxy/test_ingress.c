#include "support/unit.h"

#include "proxy/ingress.h"

enum { OUTSIDE, INSIDE, OPEN, LISTENERS }; /* OPEN: TLS without client certificate */
enum { NAMES_MAX = 4, PIN = 0xaa };

/* The peers in the order of the file; ids are indices + 100. */
enum { PEERS = 17 };
static struct sw_peer_conf peers[PEERS];
static struct sw_slice domains[PEERS][2];
static struct sw_endpoint addresses[PEERS];
static struct sw_cidr sources[PEERS];
static const struct sw_pin pins[] = {{{1}, false, "old"}, {{PIN}, false, "new"}};
static const struct sw_slice own[] = {SW_SLICE("own.test")};
static struct sw_proxy_conf conf = {.peers = peers, .domains = own, .domain_count = 1};

static struct sw_peer_conf *add(const char *name, uint16_t listener, bool udp, bool tcp)
{
    uint32_t i = conf.peer_count++;
    peers[i] = (struct sw_peer_conf){.name = sw_slice_str(name),
                                     .id = 100 + i,
                                     .listener = listener,
                                     .udp = udp,
                                     .tcp = tcp,
                                     .domains = domains[i]};
    return &peers[i];
}

static struct sw_peer_conf *add_tls(const char *name, uint32_t trust, enum sw_verify verify,
                                    const char *first, const char *second)
{
    struct sw_peer_conf *p = add(name, OUTSIDE, false, false);
    p->tls = true;
    p->trust = trust;
    p->verify = (uint8_t)verify;
    p->domain_count = 1 + (second != NULL);
    domains[p - peers][0] = sw_slice_str(first);
    domains[p - peers][1] = sw_slice_str(second);
    return p;
}

static void add_source(struct sw_peer_conf *p, const char *source, const char *address)
{
    assert_true(sw_cidr_parse(sw_slice_str(source), &sources[p - peers]));
    p->sources = &sources[p - peers];
    p->source_count = 1;
    if (!address)
        return;
    assert_true(sw_endpoint_parse(sw_slice_str(address), 0, &addresses[p - peers]));
    p->addresses = &addresses[p - peers];
    p->address_count = 1;
}

static int set_up(void **state)
{
    (void)state;
    add_tls("carrier", 1, SW_VERIFY_DOMAIN, "peer.test", "peer2.test");
    add_tls("again", 1, SW_VERIFY_DOMAIN, "peer.test", "again.test");
    add_tls("twin", 2, SW_VERIFY_DOMAIN, "peer.test", NULL);
    add_tls("wild", 1, SW_VERIFY_WILDCARD, "gw.wild.test", NULL);
    add_tls("address", 1, SW_VERIFY_ADDRESS, "address.test", NULL);
    add_tls("chain", 2, SW_VERIFY_CHAIN, "chain.test", NULL);
    struct sw_peer_conf *p = add_tls("branch", 0, SW_VERIFY_DOMAIN, "branch.test", NULL);
    p->pins = pins;
    p->pin_count = UNIT_COUNT(pins);
    add_source(add("pbx", INSIDE, true, false), "192.0.2.0/24", NULL);
    add_source(add("single", INSIDE, true, true), "192.0.2.7", NULL);
    add_source(add("host-a", INSIDE, true, false), "198.51.100.1", "198.51.100.1:6060");
    add_source(add("host-b", INSIDE, true, false), "198.51.100.1", "198.51.100.1:7070");
    p = add_tls("bare", 1, SW_VERIFY_DOMAIN, "bare.test", NULL);
    p->listener = OPEN;
    p->without_certificate = true;
    add_source(p, "203.0.113.5", NULL);
    p = add_tls("strict", 1, SW_VERIFY_DOMAIN, "strict.test", NULL);
    p->listener = OPEN;
    add_source(p, "203.0.113.6", NULL);
    add_tls("lenient", 1, SW_VERIFY_DOMAIN, "lenient.test", NULL)->purposes =
        SW_PURPOSES_SERVER_IS_ENOUGH;
    add_tls("any", 1, SW_VERIFY_DOMAIN, "any.test", NULL)->purposes = SW_PURPOSES_ANY;
    add_tls("any-chain", 1, SW_VERIFY_CHAIN, "any-chain.test", NULL)->purposes = SW_PURPOSES_ANY;
    add_tls("again-any", 1, SW_VERIFY_DOMAIN, "peer2.test", NULL)->purposes = SW_PURPOSES_ANY;
    return sw_proxy_conf_index(&conf) == SW_OK ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    sw_proxy_conf_fini(&conf);
    return 0;
}

static const char *name_of(uint32_t id)
{
    const struct sw_peer_conf *p = sw_proxy_peer(&conf, id);
    return p ? p->name.p : id == SW_PEER_VERIFIED ? "verified" : "nobody";
}

static const struct sw_peer_conf *peer(const char *name)
{
    for (size_t i = 0; i < UNIT_COUNT(peers); i++)
        if (sw_slice_eq(peers[i].name, sw_slice_str(name)))
            return &peers[i];
    fail();
    return NULL;
}

struct shown {
    const char *names[NAMES_MAX]; /* "sip:..." is a URI, "ip:..." an address, all else a DNS name */
    uint32_t trust;               /* the entry that vouches; 0: none */
    uint8_t fingerprint;
};

/* Of the certificate that was made last. */
static uint8_t g_uses;

static struct sw_ident ident(const struct shown *s)
{
    static struct sw_cert_name names[NAMES_MAX];
    static uint32_t vouched;
    struct sw_ident id = {
        .names = names, .vouched = &vouched, .uses = &g_uses, .vouched_count = s->trust != 0};
    vouched = s->trust;
    g_uses = SW_USE_ALL;
    id.fingerprint[0] = s->fingerprint;
    for (; id.name_count < NAMES_MAX && s->names[id.name_count]; id.name_count++) {
        struct sw_slice text = sw_slice_str(s->names[id.name_count]);
        struct sw_cert_name *n = &names[id.name_count];
        *n = (struct sw_cert_name){.text = text, .kind = SW_NAME_DNS};
        if (sw_slice_find(text, ':') == 3)
            n->kind = SW_NAME_URI;
        if (sw_slice_starts_case(text, SW_SLICE("ip:"))) {
            n->kind = SW_NAME_IP;
            n->text = sw_slice_from(text, 3);
            assert_true(sw_endpoint_ip_parse(n->text, &n->ip));
        }
    }
    return id;
}

static struct sw_flow flow_from(const char *remote, enum sw_transport transport, uint16_t listener)
{
    struct sw_flow f = {.transport = (uint8_t)transport, .listener = listener};
    assert_true(sw_endpoint_parse(sw_slice_str(remote), 5060, &f.remote));
    return f;
}

/* RFC 5922 7.4; docs/config.md "Who is it" */
static void test_ingress_certificate_decides_whose_a_connection_is(void **state)
{
    (void)state;
    static const struct {
        struct shown shown;
        const char *peer, *got;
    } rows[] = {
        {{{"sip:peer.test"}, 1, 0}, "carrier", "peer.test"},
        {{{"SIP:Peer.TEST:5061"}, 1, 0}, "carrier", "Peer.TEST"},
        {{{"peer2.test."}, 1, 0}, "carrier", "peer2.test."},
        {{{"sip:x.test", "sip:peer2.test"}, 1, 0}, "carrier", "peer2.test"},
        {{{"sip:again.test"}, 1, 0}, "again", "again.test"},
        {{{"sip:again.test", "sip:peer.test"}, 1, 0}, "carrier", "peer.test"},
        {{{"sip:peer.test"}, 2, 0}, "twin", "peer.test"}, /* its own trust, not another's */
        {{{"sip:peer.test"}, 3, 0}, "nobody", "peer.test"},
        {{{"sip:peer.test"}, 0, 0}, "nobody", "peer.test"},
        {{{"sip:other.test"}, 3, 0}, "verified", "other.test"},
        {{{"sip:peer.test", "sip:other.test"}, 3, 0}, "verified", "other.test"},
        {{{"sip:other.test"}, 0, 0}, "nobody", "other.test"},
        {{{"sips:peer.test"}, 1, 0}, "nobody", ""},
        {{{"sip:alice@peer.test"}, 1, 0}, "nobody", ""},
        {{{NULL}, 1, 0}, "nobody", ""},
        {{{"sub.peer.test"}, 1, 0}, "verified", "sub.peer.test"},
        {{{"*.test"}, 1, 0}, "nobody", ""}, /* a wildcard is no identity: RFC 5922 7.2 */
        {{{"*.wild.test"}, 1, 0}, "wild", "*.wild.test"},
        {{{"*.wild.test"}, 2, 0}, "nobody", ""},
        {{{"*.peer.test"}, 1, 0}, "nobody", ""},
        {{{"*.peer.test", "other.test"}, 1, 0}, "verified", "other.test"},
        {{{"own.test"}, 1, 0}, "nobody", ""}, /* a domain of ours is no other domain */
        {{{"sip:Own.Test", "sip:other.test"}, 1, 0}, "verified", "other.test"},
        {{{"ip:203.0.113.9"}, 1, 0}, "address", ""},
        {{{"ip:203.0.113.8"}, 1, 0}, "nobody", ""},
        {{{"ip:203.0.113.9"}, 2, 0}, "nobody", ""},
        {{{"address.test"}, 1, 0}, "address", "address.test"},
        {{{"sip:chain.test"}, 2, 0}, "chain", "chain.test"},
        {{{"sip:other.test"}, 2, 0}, "verified", "other.test"}, /* chain widens nothing here */
        {{{NULL}, 0, PIN}, "branch", ""},
        {{{"sip:peer2.test"}, 1, PIN}, "carrier", "peer2.test"},
        {{{"sip:branch.test"}, 1, 0}, "nobody", "branch.test"},
        {{{"sip:other.test"}, 1, PIN + 1}, "verified", "other.test"},
    };
    for (size_t i = 0; i < UNIT_COUNT(rows); i++)
        for (uint16_t listener = 0; listener < LISTENERS; listener++) {
            struct sw_ident id = ident(&rows[i].shown);
            struct sw_flow f = flow_from("203.0.113.9:40000", SW_TLS, listener);
            f.ident = &id;
            struct sw_ingress in = sw_ingress_inbound(&conf, &f);
            if (strcmp(name_of(in.peer), rows[i].peer) != 0)
                print_error("row %zu\n", i);
            assert_string_equal(name_of(in.peer), rows[i].peer);
            assert_true(sw_slice_eq(in.got, sw_slice_str(rows[i].got)));
            assert_non_null(in.why);
        }
}

/* RFC 5922 7.2: the line of the log says what is wrong, and what would help */
static void test_ingress_says_why_a_name_is_nobodys(void **state)
{
    (void)state;
    static const struct {
        struct shown shown;
        const char *why, *help;
    } rows[] = {
        {{{"*.gate.test"}, 1, 0}, "RFC 5922 7.2", "its domain itself"},
        {{{"*.test"}, 1, 0}, "RFC 5922 7.2", "its domain itself"},
        {{{"x*.wild.test"}, 1, 0}, "RFC 5922 7.2", "its domain itself"},
        {{{"*.wild.test"}, 2, 0}, "RFC 5922 7.2", "verify: wildcard on the peer"},
        {{{"own.test"}, 1, 0}, "a domain of ours", "make it a peer"},
    };
    for (size_t i = 0; i < UNIT_COUNT(rows); i++) {
        struct sw_ident id = ident(&rows[i].shown);
        struct sw_flow f = flow_from("203.0.113.9:40000", SW_TLS, OUTSIDE);
        f.ident = &id;
        struct sw_ingress in = sw_ingress_inbound(&conf, &f);
        assert_int_equal(in.peer, SW_PEER_NOBODY);
        assert_int_equal(in.status, SW_OK);
        assert_non_null(strstr(in.why, rows[i].why));
        assert_non_null(strstr(in.help, rows[i].help));
    }
}

/* RFC 5922 7.1: a certificate for a peer's domain that is not what the peer is known by is refused,
 * and the peer named; one that proves another domain as well is that one's. */
static void test_ingress_claim_of_a_peers_domain_is_refused(void **state)
{
    (void)state;
    static const struct {
        struct shown shown;
        const char *claimed, *why;
    } rows[] = {
        {{{"sip:peer.test"}, 3, 0}, "carrier", "trust entry does not vouch"},
        {{{"sip:peer.test"}, 0, 0}, "carrier", "trust entry does not vouch"},
        {{{"sip:own.test", "sip:again.test"}, 3, 0}, "again", "trust entry does not vouch"},
        {{{"sip:branch.test"}, 1, 0}, "branch", "not the pinned one"},
        {{{"sip:peer.test", "sip:other.test"}, 3, 0}, NULL, "no peer's"},
        {{{"sip:other.test"}, 0, 0}, NULL, "proves no SIP domain"},
    };
    for (size_t i = 0; i < UNIT_COUNT(rows); i++) {
        struct sw_ident id = ident(&rows[i].shown);
        struct sw_flow f = flow_from("203.0.113.9:40000", SW_TLS, OUTSIDE);
        f.ident = &id;
        struct sw_ingress in = sw_ingress_inbound(&conf, &f);
        assert_int_equal(in.status, rows[i].claimed ? SW_DENIED_IDENTITY : SW_OK);
        assert_int_equal(in.claimed, rows[i].claimed ? peer(rows[i].claimed)->id : 0);
        assert_non_null(strstr(in.why, rows[i].why));
        assert_true(!rows[i].claimed || (in.peer == SW_PEER_NOBODY && in.help));
    }
}

static void test_ingress_endless_names_are_no_peers(void **state)
{
    (void)state;
    for (size_t n = 250; n < 270; n++) {
        char text[300] = "sip:";
        memset(text + 4, 'a', n);
        const struct shown shown = {{text}, 1, 0};
        struct sw_ident id = ident(&shown);
        struct sw_flow f = flow_from("203.0.113.9:40000", SW_TLS, OUTSIDE);
        f.ident = &id;
        assert_int_equal(sw_ingress_inbound(&conf, &f).peer, SW_PEER_VERIFIED);
    }
}

static void test_ingress_source_counts_on_its_listener_and_transport(void **state)
{
    (void)state;
    static const struct {
        const char *remote;
        enum sw_transport transport;
        uint16_t listener;
        const char *peer;
    } rows[] = {
        {"192.0.2.9:5060", SW_UDP, INSIDE, "pbx"},
        {"192.0.2.255:1", SW_UDP, INSIDE, "pbx"},
        {"192.0.3.0:5060", SW_UDP, INSIDE, "nobody"},
        {"192.0.1.255:5060", SW_UDP, INSIDE, "nobody"},
        {"[::ffff:192.0.2.9]:5060", SW_UDP, INSIDE, "nobody"},
        {"192.0.2.9:5060", SW_TCP, INSIDE, "nobody"},
        {"192.0.2.9:5060", SW_TLS, INSIDE, "nobody"},
        {"192.0.2.9:5060", SW_UDP, OUTSIDE, "nobody"},
        {"192.0.2.7:5060", SW_UDP, INSIDE, "pbx"}, /* both match: the first in the file */
        {"192.0.2.7:5060", SW_TCP, INSIDE, "single"},
        {"198.51.100.1:6060", SW_UDP, INSIDE, "host-a"},
        {"198.51.100.1:7070", SW_UDP, INSIDE, "host-b"},
        {"198.51.100.1:9999", SW_UDP, INSIDE, "host-a"},
        {"203.0.113.5:1", SW_TLS, OPEN, "bare"},
        {"203.0.113.5:1", SW_TLS, OUTSIDE, "nobody"},
        {"203.0.113.5:1", SW_TCP, OPEN, "nobody"},
        {"203.0.113.6:1", SW_TLS, OPEN, "nobody"},
    };
    for (size_t i = 0; i < UNIT_COUNT(rows); i++) {
        struct sw_flow f = flow_from(rows[i].remote, rows[i].transport, rows[i].listener);
        struct sw_ingress in = sw_ingress_inbound(&conf, &f);
        if (strcmp(name_of(in.peer), rows[i].peer) != 0)
            print_error("row %zu\n", i);
        assert_string_equal(name_of(in.peer), rows[i].peer);
        assert_non_null(in.why);
    }
}

/* docs/config.md: `source` counts never for a connection that presented a certificate */
static void test_ingress_shown_certificate_outweighs_the_source(void **state)
{
    (void)state;
    static const struct shown strange = {{"sip:other.test"}, 0, 0};
    struct sw_flow f = flow_from("203.0.113.5:1", SW_TLS, OPEN);
    assert_string_equal(name_of(sw_ingress_inbound(&conf, &f).peer), "bare");
    struct sw_ident id = ident(&strange);
    f.ident = &id;
    assert_string_equal(name_of(sw_ingress_inbound(&conf, &f).peer), "nobody");
}

/* RFC 5922 7.3 */
static void test_ingress_server_must_be_the_peer_that_was_wanted(void **state)
{
    (void)state;
    static const struct {
        const char *peer;
        struct shown shown;
        bool ok;
    } rows[] = {
        {"carrier", {{"sip:peer.test"}, 1, 0}, true},
        {"carrier", {{"peer2.test"}, 1, 0}, true},
        {"carrier", {{"sip:peer.test"}, 2, 0}, false},
        {"carrier", {{"sip:other.test"}, 1, 0}, false},
        {"carrier", {{"*.test"}, 1, 0}, false},
        {"carrier", {{NULL}, 1, 0}, false},
        {"again", {{"sip:peer.test"}, 1, 0}, true}, /* not only the first in the file */
        {"wild", {{"*.wild.test"}, 1, 0}, true},
        {"address", {{"ip:203.0.113.9"}, 1, 0}, true},
        {"address", {{"ip:203.0.113.8"}, 1, 0}, false},
        {"chain", {{"sip:other.test"}, 2, 0}, true},
        {"chain", {{NULL}, 2, 0}, true},
        {"chain", {{"sip:chain.test"}, 1, 0}, false},
        {"branch", {{NULL}, 0, PIN}, true},
        {"branch", {{"sip:branch.test"}, 1, 0}, false},
    };
    for (size_t i = 0; i < UNIT_COUNT(rows); i++) {
        struct sw_ident id = ident(&rows[i].shown);
        struct sw_flow f = flow_from("203.0.113.9:5061", SW_TLS, OUTSIDE);
        struct sw_ingress in = {0};
        f.ident = &id;
        f.outbound = true;
        enum sw_status s = sw_ingress_outbound(&conf, peer(rows[i].peer), &f, &in);
        if (s != (rows[i].ok ? SW_OK : SW_DENIED_IDENTITY))
            print_error("row %zu\n", i);
        assert_int_equal(s, rows[i].ok ? SW_OK : SW_DENIED_IDENTITY);
        assert_int_equal(in.peer, peer(rows[i].peer)->id);
        assert_non_null(in.why);
    }
}

/* What is left of the uses of a certificate, and what a peer with each rule says to it. `word` is
 * in the reason of a refusal by `strict`. RFC 5280 4.2.1.12, RFC 5924 5 */
static const struct {
    uint8_t uses;
    bool strict_in, strict_out, lenient_in, lenient_out, any;
    const char *word_in, *word_out;
} purpose_rows[] = {
    {SW_USE_ALL, true, true, true, true, true, NULL, NULL},
    {SW_USE_SERVER | SW_USE_SIGN, false, true, true, true, true, "server-is-enough", NULL},
    {SW_USE_CLIENT | SW_USE_SIGN, true, false, true, false, true, NULL, "purposes: any"},
    {SW_USE_SIP | SW_USE_SIGN, true, true, true, true, true, NULL, NULL},
    {SW_USE_SIGN, false, false, false, false, true, "purposes: any", "purposes: any"},
    {SW_USE_ALL & ~SW_USE_SIGN, false, false, false, false, false, "keyUsage", "keyUsage"},
    {SW_USE_PURPOSES, false, false, false, false, false, "keyUsage", "keyUsage"},
    {0, false, false, false, false, false, "keyUsage", "keyUsage"},
};

static void assert_in(const char *name, uint8_t uses, const char *peer_name, bool ok,
                      const char *word)
{
    const struct shown shown = {{name}, 1, 0};
    struct sw_ident id = ident(&shown);
    struct sw_flow f = flow_from("203.0.113.9:40000", SW_TLS, OUTSIDE);
    g_uses = uses;
    f.ident = &id;
    struct sw_ingress in = sw_ingress_inbound(&conf, &f);
    assert_int_equal(in.status, ok ? SW_OK : SW_DENIED_PURPOSE);
    assert_string_equal(name_of(in.peer), ok ? peer_name : "nobody");
    if (!ok && word)
        assert_non_null(strstr(in.why, word));
}

static void assert_out(const char *name, uint8_t uses, const char *peer_name, bool ok,
                       const char *word)
{
    const struct shown shown = {{name}, 1, 0};
    struct sw_ident id = ident(&shown);
    struct sw_flow f = flow_from("203.0.113.9:5061", SW_TLS, OUTSIDE);
    struct sw_ingress in;
    g_uses = uses;
    f.ident = &id;
    f.outbound = true;
    assert_int_equal(sw_ingress_outbound(&conf, peer(peer_name), &f, &in),
                     ok ? SW_OK : SW_DENIED_PURPOSE);
    if (!ok && word)
        assert_non_null(strstr(in.why, word));
}

/* RFC 5922 7.1, RFC 5924 5, RFC 5280 4.2.1.12 */
static void test_ingress_purposes_are_judged_by_direction_and_rule(void **state)
{
    (void)state;
    for (size_t i = 0; i < UNIT_COUNT(purpose_rows); i++) {
        uint8_t uses = purpose_rows[i].uses;
        print_message("uses %#x\n", uses);
        assert_in("sip:again.test", uses, "again", purpose_rows[i].strict_in,
                  purpose_rows[i].word_in);
        assert_in("sip:lenient.test", uses, "lenient", purpose_rows[i].lenient_in, NULL);
        assert_in("sip:any.test", uses, "any", purpose_rows[i].any, NULL);
        assert_in("*.wild.test", uses, "wild", purpose_rows[i].strict_in, purpose_rows[i].word_in);
        assert_in("sip:stranger.test", uses, "verified", purpose_rows[i].strict_in,
                  purpose_rows[i].word_in);
        assert_in("sips:no.identity.test", uses, "nobody", purpose_rows[i].strict_in,
                  purpose_rows[i].word_in);
        assert_out("sip:again.test", uses, "again", purpose_rows[i].strict_out,
                   purpose_rows[i].word_out);
        assert_out("sip:lenient.test", uses, "lenient", purpose_rows[i].lenient_out, NULL);
        assert_out("sip:any.test", uses, "any", purpose_rows[i].any, NULL);
        assert_out("sip:x.test", uses, "any-chain", purpose_rows[i].any, NULL);
    }
}

/* A peer that minds the purpose does not stand in the way of one that does not. */
static void test_ingress_next_peer_of_a_name_may_accept_the_purpose(void **state)
{
    (void)state;
    assert_in("sip:peer2.test", SW_USE_ALL, "carrier", true, NULL);
    assert_in("sip:peer2.test", SW_USE_SIGN | SW_USE_SERVER, "again-any", true, NULL);
}

/* RFC 5922 7.2; docs/trust.md: the name is looked at first, so a purpose tells nothing of others */
static void test_ingress_purpose_is_no_matter_without_the_name(void **state)
{
    static const struct shown other = {{"sip:other.test"}, 1, 0};
    struct sw_ident id = ident(&other);
    struct sw_flow f = flow_from("203.0.113.9:5061", SW_TLS, OUTSIDE);
    struct sw_ingress in;
    (void)state;
    g_uses = SW_USE_KEY;
    f.ident = &id;
    f.outbound = true;
    assert_int_equal(sw_ingress_outbound(&conf, peer("carrier"), &f, &in), SW_DENIED_IDENTITY);
}

/* docs/trust.md: a pin stands for the purpose too */
static void test_ingress_pin_stands_for_the_purpose(void **state)
{
    static const struct shown bare = {{NULL}, 0, PIN};
    struct sw_ident id = ident(&bare);
    struct sw_flow f = flow_from("203.0.113.9:5061", SW_TLS, OUTSIDE);
    struct sw_ingress in;
    (void)state;
    g_uses = 0;
    f.ident = &id;
    assert_string_equal(name_of(sw_ingress_inbound(&conf, &f).peer), "branch");
    id.fingerprint[0] = 1; /* its other pin: two at once for a roll-over */
    assert_string_equal(name_of(sw_ingress_inbound(&conf, &f).peer), "branch");
    f.outbound = true;
    assert_int_equal(sw_ingress_outbound(&conf, peer("branch"), &f, &in), SW_OK);
}

static void test_ingress_server_without_certificate_is_nobody(void **state)
{
    (void)state;
    struct sw_flow f = flow_from("203.0.113.5:5061", SW_TLS, OPEN);
    struct sw_ingress in;
    static const char *const names[] = {"carrier", "chain", "branch", "bare"};
    for (size_t i = 0; i < UNIT_COUNT(names); i++)
        assert_int_equal(sw_ingress_outbound(&conf, peer(names[i]), &f, &in), SW_DENIED_IDENTITY);
    f.transport = SW_TCP;
    assert_int_equal(sw_ingress_outbound(&conf, peer("single"), &f, &in), SW_OK);
}

/* The sorted tables must find what a walk over all peers finds. */
static void test_ingress_many_peers_are_searched_as_by_a_walk(void **state)
{
    (void)state;
    enum { N = 30 };
    const struct sw_slice all[] = {SW_SLICE("a.test"),   SW_SLICE("b.test"), SW_SLICE("x.a.test"),
                                   SW_SLICE("y.a.test"), SW_SLICE("c.test"), SW_SLICE("d.test"),
                                   SW_SLICE("x.b.test")};
    static const char *const shown[] = {"sip:a.test", "b.test",   "*.a.test",
                                        "sip:c.test", "D.test.",  "ip:203.0.113.9",
                                        "x.b.test",   "*.b.test", "z.test"};
    static struct sw_peer_conf many[N];
    struct rng r = rng_start(__func__);
    for (int round = 0; round < 2000; round++) {
        struct sw_proxy_conf c = {.peers = many, .peer_count = (uint32_t)rng_below(&r, N + 1)};
        for (uint32_t i = 0; i < c.peer_count; i++)
            many[i] = (struct sw_peer_conf){.id = 100 + i,
                                            .tls = rng_below(&r, 8) != 0,
                                            .trust = 1 + (uint32_t)rng_below(&r, 3),
                                            .verify = (uint8_t)rng_below(&r, 4),
                                            .domains = &all[rng_below(&r, 6)],
                                            .domain_count = 1 + (uint32_t)rng_below(&r, 2)};
        assert_int_equal(sw_proxy_conf_index(&c), SW_OK);
        struct shown s = {.trust = (uint32_t)rng_below(&r, 4)};
        for (uint64_t k = rng_below(&r, 3); k > 0; k--)
            s.names[k - 1] = shown[rng_below(&r, UNIT_COUNT(shown))];
        struct sw_ident id = ident(&s);
        struct sw_flow f = flow_from("203.0.113.9:1", SW_TLS, OUTSIDE);
        f.ident = &id;
        uint32_t want = 0;
        for (uint32_t i = 0; i < c.peer_count && !want; i++)
            for (uint32_t k = 0; k < many[i].domain_count; k++)
                if (many[i].tls && sw_ident_vouched(&id, many[i].trust) &&
                    sw_domain_proves(&id, many[i].domains[k], many[i].verify, &f.remote))
                    want = many[i].id;
        uint32_t got = sw_ingress_inbound(&c, &f).peer;
        assert_int_equal(got > SW_PEER_VERIFIED ? got : 0, want);
        sw_proxy_conf_fini(&c);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ingress_certificate_decides_whose_a_connection_is),
        cmocka_unit_test(test_ingress_says_why_a_name_is_nobodys),
        cmocka_unit_test(test_ingress_claim_of_a_peers_domain_is_refused),
        cmocka_unit_test(test_ingress_endless_names_are_no_peers),
        cmocka_unit_test(test_ingress_source_counts_on_its_listener_and_transport),
        cmocka_unit_test(test_ingress_shown_certificate_outweighs_the_source),
        cmocka_unit_test(test_ingress_server_must_be_the_peer_that_was_wanted),
        cmocka_unit_test(test_ingress_purposes_are_judged_by_direction_and_rule),
        cmocka_unit_test(test_ingress_next_peer_of_a_name_may_accept_the_purpose),
        cmocka_unit_test(test_ingress_purpose_is_no_matter_without_the_name),
        cmocka_unit_test(test_ingress_pin_stands_for_the_purpose),
        cmocka_unit_test(test_ingress_server_without_certificate_is_nobody),
        cmocka_unit_test(test_ingress_many_peers_are_searched_as_by_a_walk),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
