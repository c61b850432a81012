#include "sim/locate.h"

#include <assert.h>
#include <stdlib.h>

enum { WORKERS = 2 };

struct sw_route_conf *route_lookup(struct conf *k, enum sw_lookup_rule rule)
{
    struct sw_route_conf *r = conf_route(k, NULL, NULL);
    r->lookup = (uint8_t)rule;
    r->listener = 0;
    r->suffix = SW_SLICE("e164.arpa");
    return r;
}

static void listeners(struct conf *k)
{
    conf_init(k);
    conf_listener(k, "outside", "10.0.0.1:5061", SW_TLS, "sip.example.test");
    conf_listener(k, "inside", "10.1.0.1:5060", SW_UDP, NULL);
}

void located_init(struct located *x, const char *ident_one)
{
    struct conf *k = &x->gate.conf;
    memset(x, 0, sizeof(*x));
    x->sim = sim_new(5);
    listeners(k);
    conf_peer(k, "partner", NULL, SW_TLS, "partner.test");
    conf_peer(k, "pbx", "10.1.0.9:5060", SW_UDP, NULL)->listener = 1;
    conf_route(k, "partner", "pbx", NULL);
    x->pbx = raw_new(x->sim, "pbx", "10.1.0.9:5060", SW_UDP);
    x->one = raw_new(x->sim, "one", "10.0.0.11:5061", SW_TLS);
    x->two = raw_new(x->sim, "two", "10.0.0.12:5071", SW_TLS);
    x->ident_one = raw_proves(x->one, ident_one);
    x->ident_two = raw_proves(x->two, "partner.test");
}

void located_start(struct located *x)
{
    gate_start(&x->gate, x->sim, "gate", WORKERS, "example.test", 5);
    x->gate.node->dns = (struct sim_dns){.zone = &x->zone, .delay_min_ms = 5, .delay_max_ms = 30};
}

void located_partner(struct located *x, const char *ident_one)
{
    located_init(x, ident_one);
    conf_route(&x->gate.conf, "pbx", "partner", NULL);
    located_start(x);
    partner_zone(&x->zone);
}

struct conf *located_next(void)
{
    struct conf *k = malloc(sizeof(*k));
    assert(k);
    listeners(k);
    conf_peer(k, "pbx", "10.1.0.9:5060", SW_UDP, NULL)->listener = 1;
    return k;
}

void located_end(struct located *x)
{
    gate_stop(&x->gate);
    sim_free(x->sim);
}

void located_fini(struct located *x)
{
    gate_finish(&x->gate);
}

void partner_zone(struct zone *z)
{
    zone_naptr(z, "partner.test", 10, 10, "s", "SIP+D2U", "", "_sip._udp.partner.test");
    zone_naptr(z, "partner.test", 20, 10, "s", "SIPS+D2T", "", "_sips._tcp.partner.test");
    zone_srv(z, "_sips._tcp.partner.test", 1, 0, 5061, "one.hoster.test");
    zone_srv(z, "_sips._tcp.partner.test", 2, 0, 5071, "two.hoster.test");
    zone_address(z, "one.hoster.test", "10.0.0.11");
    zone_address(z, "two.hoster.test", "10.0.0.12");
}

void send_request(struct located *x, const char *method, const char *uri, const char *call,
                  const char *more)
{
    char text[2048];
    struct sw_buf b = sw_buf(text, sizeof(text));
    sw_buf_str(&b, method);
    sw_buf_lit(&b, " ");
    sw_buf_str(&b, uri);
    sw_buf_lit(&b, " SIP/2.0\r\nVia: SIP/2.0/UDP 10.1.0.9:5060;branch=z9hG4bK-");
    sw_buf_str(&b, call);
    sw_buf_lit(&b, "\r\nMax-Forwards: 70\r\nFrom: <sip:a@pbx.test>;tag=1\r\nTo: <sip:b@c>\r\n"
                   "Call-ID: ");
    sw_buf_str(&b, call);
    sw_buf_lit(&b, "\r\nCSeq: 1 ");
    sw_buf_str(&b, method);
    sw_buf_lit(&b, "\r\n");
    sw_buf_str(&b, more);
    sw_buf_lit(&b, "Content-Length: 0\r\n\r\n");
    raw_send_bytes(x->pbx, "10.1.0.1:5060", SW_UDP, b.p, b.n);
}

void send_inside(struct located *x, const char *method, const struct raw_message *m,
                 const char *uri, const char *cseq)
{
    char text[4096], routes[2048];
    struct sw_buf b = sw_buf(text, sizeof(text));
    raw_routes(m, strncmp(m->text, "SIP/2.0 ", 8) == 0, routes, sizeof(routes));
    sw_buf_str(&b, method);
    sw_buf_char(&b, ' ');
    sw_buf_str(&b, uri);
    sw_buf_lit(&b, " SIP/2.0\r\nVia: SIP/2.0/UDP 10.1.0.9:5060;branch=z9hG4bK-in-");
    sw_buf_str(&b, method);
    sw_buf_lit(&b, "\r\nMax-Forwards: 70\r\n");
    sw_buf_str(&b, routes);
    sw_buf_lit(&b, "From: <sip:a@pbx.test>;tag=1\r\nTo: <");
    sw_buf_str(&b, x->inside_to ? x->inside_to : "sip:b@c");
    sw_buf_lit(&b, ">;tag=2\r\nCall-ID: c1\r\nCSeq: ");
    sw_buf_str(&b, cseq);
    sw_buf_lit(&b, "\r\nContent-Length: 0\r\n\r\n");
    raw_send_bytes(x->pbx, "10.1.0.1:5060", SW_UDP, b.p, b.n);
}

void run_ms(struct located *x, int64_t ms)
{
    sim_run(x->sim, x->sim->now_ms + ms);
}
