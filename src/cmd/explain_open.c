/* What `sipward explain` starts from: the configuration, what the running gateway has, a request.
 */
#include "cmd/ask.h"
#include "cmd/explain.h"
#include "proxy/ingress.h"
#include "proxy/party.h"
#include "sys/clock.h"

#include <stdlib.h>
#include <time.h>

enum { TRANSACTIONS = 16 };

/* ---- the running gateway ---- */

static const char *text_of(const json_t *row, const char *key)
{
    const char *s = json_string_value(json_object_get(row, key));
    return s ? s : "";
}

static uint32_t number_of(const json_t *row, const char *key)
{
    return (uint32_t)json_integer_value(json_object_get(row, key));
}

/* What one that we connected to was looked up by, and has proved: a domain that is no peer's, or
 * which of a peer's. A connection to an address, or of a pin, goes for all of the peer's: 0. */
static void take_domain(const struct sw_config *c, const json_t *row, struct sw_flow *f)
{
    struct sw_slice name = sw_slice_str(text_of(row, "server_name"));
    const struct sw_peer_conf *peer = sw_proxy_peer(&c->proxy, f->peer);
    if (!f->outbound || f->transport != SW_TLS || !name.n)
        return;
    if (!peer && strcmp(text_of(row, "peer"), "verified") == 0) {
        f->peer = SW_PEER_VERIFIED;
        f->domain_id = sw_proxy_domain_id(&c->proxy, name);
    } else if (peer && !peer->address_count && strcmp(text_of(row, "verify"), "domain") == 0) {
        f->domain_id = sw_party_domain_of(peer, name);
    }
}

/* A row of `ctl connections` as the entry that the gateway has in its own directory. */
static bool flow_of(const struct sw_config *c, const json_t *row, struct sw_flow *f)
{
    unsigned worker, slot, generation;
    enum sw_transport t;
    struct sw_slice transport = sw_slice_str(text_of(row, "transport"));
    int64_t listener = sw_names_index(&c->listener_names, sw_slice_str(text_of(row, "listener")));
    if (listener < 0 || !sw_transport_parse(transport, &t) ||
        sscanf(text_of(row, "conn"), "%u.%u.%u", &worker, &slot, &generation) != 3)
        return false;
    *f =
        (struct sw_flow){.id = {.worker = (uint16_t)worker, .slot = slot, .generation = generation},
                         .peer = sw_proxy_peer_id(sw_slice_str(text_of(row, "peer"))),
                         .listener = (uint16_t)listener,
                         .transport = (uint8_t)t,
                         .outbound = strcmp(text_of(row, "direction"), "out") == 0,
                         .alias_port = (uint16_t)number_of(row, "alias_port"),
                         .local_id = number_of(row, "local_id"),
                         .order = number_of(row, "order")};
    take_domain(c, row, f);
    return sw_endpoint_parse(sw_slice_str(text_of(row, "remote")), 0, &f->remote);
}

static void take_connections(struct sw_explain *x)
{
    json_t *answer = sw_ask_at(x->snapshot->config.admin_socket, "connections \n"), *row;
    size_t i;
    struct sw_flow f;
    x->connections = json_incref(json_object_get(answer, "connections"));
    x->asked = x->connections;
    json_array_foreach(x->connections, i, row)
    {
        const char *state = text_of(row, "state");
        bool open = strcmp(state, "open") == 0;
        if ((open || strcmp(state, "connecting") == 0 || strcmp(state, "handshake") == 0) &&
            flow_of(&x->snapshot->config, row, &f) && sw_pool_put(x->pool, &f, open) != SW_OK)
            break;
    }
    json_decref(answer);
}

/* A moment of the wall clock by the one that the gateway counts with; 0: it is none. */
static int64_t moment_ms(const char *date)
{
    struct tm tm = {0};
    if (!strptime(date, "%Y-%m-%dT%H:%M:%SZ", &tm))
        return 0;
    int64_t at_ms = sw_clock_ms() - (sw_clock_wall_s() - timegm(&tm)) * 1000;
    return at_ms ? at_ms : 1;
}

/* What the running gateway knows of each peer's health decides here as it does there. */
static void take_health(struct sw_explain *x)
{
    json_t *answer = sw_ask_at(x->snapshot->config.admin_socket, "peers \n"), *row;
    size_t i;
    json_array_foreach(json_object_get(answer, "peers"), i, row)
    {
        int64_t at =
            sw_names_index(&x->snapshot->config.peer_names, sw_slice_str(text_of(row, "peer")));
        if (at < 0)
            continue;
        if (strncmp(text_of(row, "health"), "down", 4) == 0)
            atomic_store(&x->snapshot->peers[at].ping_failed, true);
        atomic_store(&x->snapshot->peers[at].spoke_tls_ms, moment_ms(text_of(row, "spoke_tls")));
    }
    json_decref(answer);
}

bool sw_explain_open(struct sw_explain *x)
{
    struct sw_gateway_conf conf = {
        .engine = {.instance = 1, .transactions_max = TRANSACTIONS, .counters = &x->counters}};
    if (sw_snapshot_load(x->path, NULL, 1, &x->diags, &x->snapshot) != SW_OK)
        return false;
    x->pool = sw_pool_new();
    conf.live = x->snapshot->gateway;
    if (!x->pool || sw_gateway_init(&x->gateway, &conf, sw_clock_ms()) != SW_OK) {
        sw_diag_error(&x->diags, ((struct sw_mark){0, 0}), "memory is out");
        return false;
    }
    take_connections(x);
    if (x->asked)
        take_health(x);
    if (x->asked)
        sw_explain_avoid_peers(x);
    return true;
}

void sw_explain_close(struct sw_explain *x)
{
    if (x->gateway.proxy.e)
        sw_gateway_fini(&x->gateway);
    for (uint32_t i = 0; i < x->result.hops; i++)
        free(x->result.hop[i].bytes);
    free(x->result.why);
    free(x->result.help);
    sw_explain_forget(x);
    json_decref(x->connections);
    sw_pool_free(x->pool);
    sw_snapshot_free(x->snapshot);
    sw_diags_free(&x->diags);
}

/* ---- the request ---- */

static uint16_t listener_for(const struct sw_proxy_conf *c, uint32_t otherwise)
{
    for (uint32_t i = 0; i < c->listener_count; i++)
        if ((c->listeners[i].transport == SW_TLS) == (otherwise == SW_PEER_VERIFIED))
            return (uint16_t)i;
    return 0;
}

/* An address whose requests are this peer's: where it is reached, if that is one. */
static struct sw_endpoint address_of(const struct sw_peer_conf *p)
{
    struct sw_endpoint none;
    for (uint32_t i = 0; p && i < p->address_count; i++)
        for (uint32_t k = 0; k < p->source_count; k++)
            if (sw_cidr_has(&p->sources[k], &p->addresses[i]))
                return p->addresses[i];
    if (p && p->source_count)
        return p->sources[0].base;
    if (p && p->address_count)
        return p->addresses[0];
    (void)sw_endpoint_parse(SW_SLICE("192.0.2.1"), 0, &none); /* RFC 5737: nobody's */
    return none;
}

static void flow_from(struct sw_explain *x, const struct sw_peer_conf *peer, uint32_t otherwise)
{
    const struct sw_proxy_conf *c = &x->snapshot->config.proxy;
    struct sw_flow *f = &x->flow;
    *f = (struct sw_flow){.peer = peer ? peer->id : otherwise, .remote = address_of(peer)};
    f->listener = peer ? peer->listener : listener_for(c, otherwise);
    f->transport = peer ? (peer->tls   ? SW_TLS
                           : peer->udp ? SW_UDP
                                       : SW_TCP)
                        : c->listeners[f->listener].transport;
    f->local = c->listeners[f->listener].address;
    if (!f->remote.port)
        f->remote.port = sw_transport_port((enum sw_transport)f->transport);
    f->id = f->transport == SW_UDP ? sw_engine_udp_flow(&x->gateway.engine, f->listener)
                                   : (struct sw_flow_id){.instance = 1, .generation = 1};
}

/* A row, unless --header gives it. */
static void put_row(struct sw_buf *b, const struct sw_explain *x, enum sw_hdr_id id,
                    const char *row)
{
    if (!sw_explain_has_header(x, id)) {
        sw_buf_str(b, row);
        sw_buf_lit(b, "\r\n");
    }
}

/* The request as text, as x->flow brings it. */
static bool write_request(struct sw_explain *x)
{
    enum { ROW_MAX = sizeof(x->text) + 64 };
    char ip[SW_ENDPOINT_TEXT_MAX], row[ROW_MAX];
    sw_endpoint_text(&x->flow.remote, ip);
    struct sw_slice via = sw_transport_via((enum sw_transport)x->flow.transport);
    struct sw_buf b = sw_buf(x->text, sizeof(x->text) - 1);
    const char *s = strncasecmp(x->uri, "sips:", 5) == 0 ? "s" : "";
    sw_buf_str(&b, x->method);
    sw_buf_char(&b, ' ');
    sw_buf_str(&b, x->uri);
    snprintf(row, sizeof(row), " SIP/2.0\r\nVia: SIP/2.0/%.*s %s;branch=z9hG4bK-explain;rport\r\n",
             SW_SLICE_ARG(via), ip);
    sw_buf_str(&b, row);
    put_row(&b, x, SW_HDR_MAX_FORWARDS, "Max-Forwards: 70");
    snprintf(row, sizeof(row), "From: <sip%s:explain@%s>;tag=explain", s, ip);
    put_row(&b, x, SW_HDR_FROM, row);
    snprintf(row, sizeof(row), "To: <%s>", x->uri);
    put_row(&b, x, SW_HDR_TO, row);
    snprintf(row, sizeof(row), "Call-ID: explain\r\nCSeq: 1 %s\r\n", x->method);
    sw_buf_str(&b, row);
    snprintf(row, sizeof(row), "Contact: <sip%s:explain@%s>", s, ip);
    put_row(&b, x, SW_HDR_CONTACT, row);
    for (uint32_t i = 0; i < x->header_count; i++) {
        sw_buf_str(&b, x->headers[i]);
        sw_buf_lit(&b, "\r\n");
    }
    sw_buf_lit(&b, "Content-Length: 0\r\n\r\n");
    x->text_n = b.n;
    x->text[b.n] = 0;
    return !b.full;
}

bool sw_explain_from(struct sw_explain *x, const struct sw_peer_conf *peer, uint32_t otherwise)
{
    flow_from(x, peer, otherwise);
    return write_request(x);
}

bool sw_explain_at(struct sw_explain *x, const struct sw_endpoint *from)
{
    const struct sw_proxy_conf *c = &x->snapshot->config.proxy;
    struct sw_flow *f = &x->flow, first;
    for (uint32_t i = 0; i < 2 * c->listener_count; i++) { /* a UDP listener takes TCP as well */
        const struct sw_listener_conf *l = &c->listeners[i / 2];
        if (i % 2 && l->transport != SW_UDP)
            continue;
        *f = (struct sw_flow){.remote = *from,
                              .local = l->address,
                              .listener = (uint16_t)(i / 2),
                              .transport = i % 2 ? SW_TCP : l->transport,
                              .id = {.instance = 1, .generation = 1}};
        if (f->transport == SW_UDP)
            f->id = sw_engine_udp_flow(&x->gateway.engine, f->listener);
        if (!f->remote.port)
            f->remote.port = sw_transport_port((enum sw_transport)f->transport);
        f->peer = sw_ingress_inbound(c, f).peer;
        if (f->peer != SW_PEER_NOBODY)
            return write_request(x);
        if (i == 0)
            first = *f;
    }
    *f = first;
    return write_request(x);
}

bool sw_explain_request(struct sw_explain *x, struct sw_request *q)
{
    struct sw_verdict verdict;
    const struct sw_proxy_conf *c = &x->snapshot->config.proxy;
    *q = (struct sw_request){
        .flow = &x->flow, .m = &x->msg, .v = &x->vitals, .r = &x->routes, .side = -1};
    if (sw_msg_parse(x->text, x->text_n, x->hdrs, c->headers_max, &x->msg) != SW_OK ||
        sw_check_request(&x->msg, x->flow.transport == SW_UDP, &x->vitals, &verdict) != SW_OK)
        return false;
    sw_routes_read(c, &x->msg, &x->vitals, &x->routes);
    if (x->flow.transport == SW_UDP)
        x->flow.peer = sw_ingress_inbound(c, &x->flow).peer;
    return true;
}

bool sw_explain_goes(struct sw_explain *x)
{
    struct sw_request q;
    struct sw_targets targets;
    struct sw_refusal refusal;
    sw_engine_begin(&x->gateway.engine, &x->actions, sw_clock_ms());
    return sw_explain_request(x, &q) && x->flow.peer != SW_PEER_NOBODY &&
           sw_policy_request(&x->gateway.proxy, &q, &refusal) &&
           sw_target_find(&x->gateway.proxy, &q, &targets, &refusal);
}
