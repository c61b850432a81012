/* Memory runs out while a configuration is read: whichever request fails, the loader says so and
 * returns, or what it gives is whole. FAULT_MAX: requests per layer that fail, spread over all. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "daemon/proof.h"
#include "proxy/rules.h"
#include "support/fault.h"
#include "support/pki.h"

enum { LISTENERS = 2, PEERS = 2, ROUTES = 2 };

/* What a configuration is made of, in numbers. */
struct sum {
    size_t identities, trusts, listeners, peers, routes, policies, domains;
    size_t chain, anchors, pins, crls, to, sources, addresses, peer_domains, uses;
    unsigned warnings;
    bool sni, believes, indexed, rules;
};

static int make_configuration(void **state)
{
    if (pki_start(state) != 0)
        return -1;
    pki_make(&(struct pki_cert){.name = "ca", .subject = "/CN=CA", .options = PKI_CA, .days = 400});
    pki_make(&(struct pki_cert){.name = "leaf",
                                .issuer = "ca",
                                .subject = "/CN=leaf",
                                .days = 300,
                                .options = "-addext subjectAltName=URI:sip:example.test"});
    pki_make(&(struct pki_cert){.name = "other",
                                .issuer = "ca",
                                .subject = "/CN=other",
                                .days = 300,
                                .options = "-addext subjectAltName=DNS:other.test"});
    pki_make(&(struct pki_cert){.name = "self", .subject = "/CN=self", .days = 300});
    pki_crl("ca", NULL, "ca.crl");
    pki_sh("cat leaf.pem ca.pem >chain.pem; chmod 600 *.key");
    FILE *f = fopen("conf.yaml", "w");
    if (!f)
        return -1;
    fputs(
        "domains: [Example.test, other.test]\n"
        "identities:\n"
        "  - {name: main, certificate: chain.pem, key: leaf.key}\n"
        "  - {name: other, certificate: other.pem, key: other.key}\n"
        "trust:\n  - {name: partners, ca: ca.pem, crl: ca.crl}\n"
        "  - {name: branch, pinned: self.pem}\n"
        "tls_policies: [{name: own, min_version: \"1.2\"}]\n"
        "listen:\n"
        "  - {name: outside, address: \"127.0.0.1:5061\", transport: tls, identity: main, "
        "sni: [other], trust: [partners, branch], policy: own, advertise: example.test}\n"
        "  - {name: inside, address: \"127.0.0.1:5060\", transport: udp}\n"
        "peers:\n"
        "  - {name: carrier, domain: [peer.test, b.test], address: \"127.0.0.1:5071\", "
        "transport: tls, trust: partners}\n"
        "  - {name: pbx, address: [\"127.0.0.1:6061\", \"127.0.0.1:6062\"], transport: udp, "
        "asserted_identity: trust, remove: [X-Internal]}\n"
        "routes:\n  - {from: carrier, to: [pbx], user_regex: \"^(0[0-9]{1,9})$\", "
        "header: [\"X-Tenant: g*\"], source: 192.0.2.0/24, set: {user: \"1\", strip: 1, prefix: 2, "
        "host: h.test, add: [\"X-A: 1\"], remove: [Y]}}\n  - {from: pbx, to: [carrier, "
        "\"pbx;q=0.5\"]}\n",
        f);
    return fclose(f);
}

static void count_use(void *user, const struct sw_use_of *u)
{
    size_t *uses = user;
    *uses += u->identity || u->trust;
}

static struct sum sum_of(const struct sw_config *c, const struct sw_diags *diags)
{
    const struct sw_proxy_conf *p = &c->proxy;
    struct sum s;
    memset(&s, 0, sizeof(s)); /* compared as bytes */
    s.identities = c->identity_count;
    s.trusts = c->trust_count;
    s.listeners = p->listener_count;
    s.peers = p->peer_count;
    s.routes = p->route_count;
    s.policies = c->policy_count;
    s.domains = p->domain_count;
    s.warnings = diags->warnings;
    for (size_t i = 0; i < s.identities; i++)
        s.chain += c->identities[i].chain.count + (c->identities[i].key != NULL);
    for (size_t i = 0; i < s.trusts; i++) {
        s.anchors += c->trusts[i].anchors.count + c->trusts[i].pinned.count;
        s.pins += c->trusts[i].pin_count;
        s.crls += c->trusts[i].crls.count;
    }
    for (size_t i = 0; i < s.peers; i++) {
        s.sources += p->peers[i].source_count;
        s.addresses += p->peers[i].address_count;
        s.peer_domains += p->peers[i].domain_count;
    }
    for (size_t i = 0; i < s.routes; i++)
        s.to += p->routes[i].to_count;
    const struct sw_route_conf *r = s.routes ? &p->routes[0] : NULL;
    s.rules = r && r->match && r->match->user.code && r->match->header_count == 1 &&
              r->match->source_count == 1 && r->set && r->set->strip == 1 && r->set->user.n &&
              r->set->prefix.n && r->set->host.n && r->set->add.n == 8 &&
              r->set->remove_count == 1 && p->rule_header_count == 1 && p->rule_sources &&
              p->peers[1].remove_count == 1;
    const struct sw_tls_params *tls = &c->conn_listeners[0].tls;
    s.sni = tls->names && sw_tls_names_find(tls->names, SW_SLICE("other.test"));
    s.believes = tls->trust && c->stores[0];
    s.indexed = sw_proxy_peer(p, sw_proxy_peer_id(SW_SLICE("pbx"))) == &p->peers[1];
    sw_config_uses(c, count_use, &s.uses);
    return s;
}

/* Loads and proves it; false: it was refused. */
static bool load(struct sum *sum)
{
    struct sw_config c;
    struct sw_diags diags = {0};
    enum sw_status s = sw_config_load("conf.yaml", NULL, &c, &diags);
    bool ok = s == SW_OK;
    assert_int_equal(ok, diags.errors == 0);
    if (fault.layer == FAULT_LIBRARY) /* OpenSSL 3.0 loses names of a context made without memory */
        fault.on = false;
    unsigned held = ok ? sw_proof(&c, &diags) : 0;
    fault.on = false;
    ok = ok && diags.errors == 0;
    if (ok) {
        assert_int_equal(held, 4); /* main under two policies; other, and its choice by name */
        *sum = sum_of(&c, &diags);
    }
    sw_config_free(&c);
    sw_diags_free(&diags);
    return ok;
}

static void test_memory_that_fails_is_told_or_nothing_is_missing(void **state)
{
    const char *text = getenv("FAULT_MAX");
    uint64_t most = text ? strtoull(text, NULL, 10) : 100;
    struct sum whole, got;
    (void)state;
    assert_true(load(&whole));
    assert_int_equal(whole.listeners, LISTENERS);
    assert_int_equal(whole.peers, PEERS);
    assert_int_equal(whole.routes, ROUTES);
    assert_true(whole.sni && whole.believes && whole.indexed && whole.rules);
    for (enum fault_layer l = 0; l < FAULT_LAYERS; l++) {
        unsigned refused = 0;
        fault = (struct fault){.layer = l, .on = true};
        assert_true(load(&got));
        uint64_t count = fault.count[l], step = (count + most - 1) / most;
        assert_true(count > 0);
        for (uint64_t at = 1; at <= count; at += step) {
            fault = (struct fault){.layer = l, .mode = FAULT_ONCE, .at = at, .on = true};
            if (!load(&got))
                refused++;
            else if (got.warnings == whole.warnings)
                assert_memory_equal(&got, &whole, sizeof(got));
        }
        assert_true(refused > 0);
    }
}

/* Made again from the text of `was` as its lists or files change; false: it was refused. */
static bool again(const struct sw_config *was, enum sw_config_from from, struct sum *sum)
{
    struct sw_config c;
    struct sw_diags diags = {0};
    bool ok = sw_config_again("conf.yaml", was, from, &c, &diags) == SW_OK;
    fault.on = false;
    assert_int_equal(ok, diags.errors == 0);
    if (ok)
        *sum = sum_of(&c, &diags);
    sw_config_free(&c);
    sw_diags_free(&diags);
    return ok;
}

/* What it shares with the one that runs is freed once by each, in whatever order. */
static void test_lists_read_again_are_whole_or_refused(void **state)
{
    struct sw_config was;
    struct sw_diags diags = {0};
    struct sum whole, got;
    (void)state;
    assert_int_equal(sw_config_load("conf.yaml", NULL, &was, &diags), SW_OK);
    whole = sum_of(&was, &diags);
    for (enum sw_config_from from = SW_CONFIG_RUNNING; from <= SW_CONFIG_LISTS; from++)
        for (enum fault_layer l = 0; l < FAULT_LAYERS; l++) {
            fault = (struct fault){.layer = l, .on = true};
            assert_true(again(&was, from, &got));
            got.warnings = whole.warnings; /* only files that are read are warned of */
            assert_memory_equal(&got, &whole, sizeof(got));
            uint64_t count = fault.count[l], step = (count + 99) / 100;
            assert_true(count > 0);
            for (uint64_t at = 1; at <= count; at += step) {
                fault = (struct fault){.layer = l, .mode = FAULT_ONCE, .at = at, .on = true};
                if (!again(&was, from, &got))
                    continue;
                got.warnings = whole.warnings;
                if (l == FAULT_ROOM)
                    assert_memory_equal(&got, &whole, sizeof(got));
            }
        }
    sw_config_free(&was);
    sw_diags_free(&diags);
}

static void test_memory_that_is_gone_is_told_as_such(void **state)
{
    struct sw_config c;
    struct sw_diags diags = {0};
    (void)state;
    fault = (struct fault){.layer = FAULT_ROOM, .mode = FAULT_ON, .at = 50, .on = true};
    assert_int_equal(sw_config_load("conf.yaml", NULL, &c, &diags), SW_LIMIT_MEMORY);
    fault.on = false;
    assert_int_equal(diags.errors, 1);
    bool told = false;
    for (size_t i = 0; i < diags.count; i++)
        told |= diags.d[i].kind == SW_DIAG_ERROR && strstr(diags.d[i].text, "memory is out");
    assert_true(told);
    sw_config_free(&c);
    sw_diags_free(&diags);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_memory_that_fails_is_told_or_nothing_is_missing),
        cmocka_unit_test(test_lists_read_again_are_whole_or_refused),
        cmocka_unit_test(test_memory_that_is_gone_is_told_as_such),
    };
    return cmocka_run_group_tests(tests, make_configuration, pki_finish);
}
