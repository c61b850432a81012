#include "sip/locate_inside.h"

static void finish(struct sw_locate *x, enum sw_locate_end end, const char *why)
{
    x->end = (uint8_t)end;
    x->why = why;
}

int sw_locate_ask(struct sw_locate *x, struct sw_slice name, enum sw_dns_type type)
{
    struct sw_locate_step *s = &x->step[x->step_count];
    if (x->step_count == SW_LOCATE_QUESTIONS_MAX) {
        x->limited = true;
        return -1;
    }
    memset(s, 0, sizeof(*s));
    if (sw_dns_ask(&s->question, name, type) != SW_OK)
        return -1;
    for (int i = 0; i < x->step_count; i++)
        if (x->step[i].question.type == type &&
            strcmp(x->step[i].question.name, s->question.name) == 0)
            return i;
    s->status = SW_AGAIN;
    return x->step_count++;
}

static struct sw_slice host_of(const struct sw_locate *x)
{
    return sw_slice_str(x->host);
}

static bool uses(const struct sw_locate *x, enum sw_transport t)
{
    return x->use & SW_LOCATE_BIT(t);
}

/* What carries a request of which nobody says how: TCP for SIPS, which is TLS here, and UDP for
 * SIP. RFC 3263 4.1 */
static enum sw_transport usual(const struct sw_locate *x)
{
    if (x->secure_only)
        return SW_TLS;
    return uses(x, SW_UDP) ? SW_UDP : uses(x, SW_TCP) ? SW_TCP : SW_TLS;
}

static void add_place(struct sw_locate *x, struct sw_endpoint remote,
                      const struct sw_locate_server *s, enum sw_transport t, uint8_t group,
                      int step)
{
    bool dane = s->tlsa >= 0 && x->step[s->tlsa].tlsa_n > 0;
    remote.port = s->port ? s->port : sw_transport_port(t);
    for (int i = 0; i < x->place_count; i++)
        if (x->place[i].transport == t && sw_endpoint_eq(&x->place[i].remote, &remote))
            return;
    if (x->place_count == SW_LOCATE_PLACES_MAX) {
        x->limited = true;
        return;
    }
    x->place[x->place_count++] = (struct sw_locate_place){
        .remote = remote,
        .transport = (uint8_t)t,
        .group = group,
        .step = (int8_t)step,
        .tlsa = dane ? s->tlsa : -1,
    };
}

/* One server's addresses, of both families in turn and IPv6 first, so that a family which does not
 * work costs one try; within a family as they came. RFC 8305 4 */
static void add_addresses(struct sw_locate *x, const struct sw_locate_server *s,
                          enum sw_transport t, uint8_t group)
{
    const int steps[2] = {s->aaaa, s->a};
    if (sw_locate_tlsa_failed(x, s))
        return;
    for (int i = 0; i < SW_LOCATE_ADDRESSES_MAX; i++)
        for (int f = 0; f < 2; f++)
            if (steps[f] >= 0 && i < x->step[steps[f]].address_count)
                add_place(x, x->address[x->step[steps[f]].address_at + i], s, t, group, steps[f]);
}

void sw_locate_ask_addresses(struct sw_locate *x, struct sw_slice name,
                             struct sw_locate_server *server)
{
    server->aaaa = server->a = -1;
    if (x->families & SW_LOCATE_IPV6)
        server->aaaa = (int8_t)sw_locate_ask(x, name, SW_DNS_AAAA);
    if (x->families & SW_LOCATE_IPV4)
        server->a = (int8_t)sw_locate_ask(x, name, SW_DNS_A);
}

/* ---- the phases: RFC 3263 4.1, 4.2 ---- */

/* "the client performs an A or AAAA record lookup of the domain name": as if it were one server. */
static void to_own_addresses(struct sw_locate *x)
{
    x->phase = SW_LOCATE_PHASE_OWN;
    bool by_naptr = x->step_count && x->step[0].question.type == SW_DNS_NAPTR && x->step[0].used;
    if (x->service_count != 1 && !by_naptr) /* else the transport is known */
        x->service[0] = (struct sw_locate_service){.transport = (uint8_t)usual(x)};
    x->service_count = 1;
    x->server[0] = (struct sw_locate_server){.port = x->port, .tlsa = -1};
    sw_locate_ask_addresses(x, host_of(x), &x->server[0]);
    x->server_count = 1;
}

void sw_locate_add_service(struct sw_locate *x, struct sw_slice name, enum sw_transport t)
{
    int at = x->service_count < SW_LOCATE_SERVICES_MAX ? sw_locate_ask(x, name, SW_DNS_SRV) : -1;
    for (int i = 0; i < x->service_count; i++)
        if (x->service[i].step == at)
            return;
    if (at >= 0)
        x->service[x->service_count++] =
            (struct sw_locate_service){.transport = (uint8_t)t, .step = (uint8_t)at};
    else
        x->limited = true;
}

static void add_own_service(struct sw_locate *x, enum sw_transport t)
{
    char text[SW_DNS_NAME_MAX + 16];
    struct sw_buf b = sw_buf(text, sizeof(text));
    sw_buf_str(&b, t == SW_TLS ? "_sips._tcp." : t == SW_TCP ? "_sip._tcp." : "_sip._udp.");
    sw_buf_str(&b, x->host);
    sw_locate_add_service(x, sw_buf_view(&b), t);
}

/* "a query for each": TLS is preferred where it may be chosen. RFC 3263 4.1 */
static void to_own_services(struct sw_locate *x)
{
    static const enum sw_transport order[] = {SW_TLS, SW_UDP, SW_TCP};
    x->phase = SW_LOCATE_PHASE_SRV;
    for (size_t i = 0; i < sizeof(order) / sizeof(order[0]); i++)
        if (uses(x, order[i]))
            add_own_service(x, order[i]);
    if (x->service_count == 0)
        to_own_addresses(x);
}

/* ---- the end ---- */

static bool failed(const struct sw_locate_step *s, enum sw_status_class class)
{
    return s->status != SW_AGAIN && sw_status_class((enum sw_status)s->status) == class;
}

/* "the client" knows that nothing is there only if everybody said so. */
static void conclude_without(struct sw_locate *x)
{
    bool exists = false, silent = false, bogus = false, denied = false, large = false;
    for (int i = 0; i < x->step_count; i++) {
        const struct sw_locate_step *s = &x->step[i];
        denied |= failed(s, SW_CLASS_DENIED);
        bogus |= s->status == SW_DENIED_BOGUS;
        large |= s->status == SW_LIMIT_SIZE;
        silent |= s->status != SW_OK && s->status != SW_PEER_NO_NAME;
        exists |= s->status == SW_OK;
    }
    if (denied)
        finish(x, SW_LOCATE_BOGUS,
               bogus ? "DNSSEC says that an answer was forged"
                     : "an answer is not signed, and only signed ones are used");
    else if (silent)
        finish(x, SW_LOCATE_SILENT,
               large ? "its servers have more TLSA records than are kept, so none is believed"
                     : "the name servers fail or do not answer");
    else if (x->any_srv)
        finish(x, SW_LOCATE_NOT_THERE, "none of its SRV records leads to a server");
    else if (exists)
        finish(x, SW_LOCATE_NOT_THERE, "the domain has no SIP server and no address");
    else
        finish(x, SW_LOCATE_NO_NAME, "the domain does not exist");
}

/* Service after service, server after server. */
static void conclude(struct sw_locate *x)
{
    const struct sw_locate_server *last = NULL;
    uint8_t group = 0;
    for (int k = 0; k < x->service_count; k++)
        for (int i = 0; i < x->server_count; i++) {
            const struct sw_locate_server *s = &x->server[i];
            if (s->service != k)
                continue;
            if (last && (s->service != last->service || s->priority != last->priority))
                group++;
            add_addresses(x, s, (enum sw_transport)x->service[k].transport, group);
            last = s;
        }
    if (x->place_count)
        finish(x, SW_LOCATE_FOUND, NULL);
    else
        conclude_without(x);
}

static bool waits(const struct sw_locate *x)
{
    for (int i = 0; i < x->step_count; i++)
        if (x->step[i].status == SW_AGAIN)
            return true;
    return false;
}

static bool only_said_no(const struct sw_locate *x)
{
    for (int i = 0; i < x->step_count; i++)
        if (x->step[i].status != SW_OK && x->step[i].status != SW_PEER_NO_NAME)
            return false;
    return true;
}

/* All that was asked is answered. "If no SRV records were found": RFC 3263 4.2; a failure is no
 * "no". */
static void advance(struct sw_locate *x)
{
    while (x->end == SW_LOCATE_GOES_ON && !waits(x)) {
        if (x->phase == SW_LOCATE_PHASE_OWN || x->server_count) {
            if (!sw_locate_ask_tlsa(x))
                conclude(x);
        } else if (x->any_srv || !only_said_no(x))
            conclude_without(x);
        else if (x->phase == SW_LOCATE_PHASE_SRV)
            to_own_addresses(x);
        else
            to_own_services(x);
    }
}

/* ---- the beginning ---- */

/* The transports that the request may use: its own if it names one, which must be ours. */
static const char *choose_transports(struct sw_locate *x, const struct sw_locate_goal *g,
                                     bool *named)
{
    struct sw_slice t = g->transport;
    unsigned mask = g->have;
    x->secure_only = g->sips || g->tls_only;
    *named = t.n > 0;
    if (sw_slice_eq_case(t, SW_SLICE("tls"))) { /* deprecated, and in use: RFC 3261 26.2.2 */
        x->secure_only = true;
    } else if (sw_slice_eq_case(t, SW_SLICE("tcp"))) {
        mask &= x->secure_only ? SW_LOCATE_BIT(SW_TLS) : SW_LOCATE_BIT(SW_TCP);
    } else if (sw_slice_eq_case(t, SW_SLICE("udp"))) {
        mask &= SW_LOCATE_BIT(SW_UDP);
    } else if (t.n) {
        return "the URI names a transport that is not known here";
    }
    if (x->secure_only)
        mask &= SW_LOCATE_BIT(SW_TLS);
    x->use = (uint8_t)mask;
    if (mask)
        return NULL;
    return x->secure_only && t.n ? "the URI names a transport without TLS, and TLS is needed"
                                 : "no listener has the transport that is needed";
}

static bool is_address(struct sw_locate *x, const struct sw_locate_goal *g)
{
    struct sw_endpoint ip;
    if (!sw_endpoint_ip_parse(g->host, &ip))
        return false;
    if (sw_endpoint_is_wildcard(&ip)) {
        finish(x, SW_LOCATE_UNFIT, "the address is no host's");
        return true;
    }
    if (!(x->families & (ip.family == 4 ? SW_LOCATE_IPV4 : SW_LOCATE_IPV6))) {
        finish(x, SW_LOCATE_UNFIT, "no listener can reach an address of that family");
        return true;
    }
    const struct sw_locate_server itself = {.port = g->port, .tlsa = -1};
    add_place(x, ip, &itself, usual(x), 0, -1);
    finish(x, SW_LOCATE_FOUND, NULL);
    return true;
}

void sw_locate_start(struct sw_locate *x, const struct sw_locate_goal *g)
{
    struct sw_dns_question name;
    bool named;
    memset(x, 0, sizeof(*x));
    x->port = g->port;
    x->families = g->families;
    x->tlsa = g->tlsa;
    const char *why = choose_transports(x, g, &named);
    if (why) {
        finish(x, SW_LOCATE_UNFIT, why);
        return;
    }
    if (is_address(x, g))
        return;
    if (sw_dns_ask(&name, g->host, SW_DNS_NAPTR) != SW_OK) {
        finish(x, SW_LOCATE_UNFIT, "the host is no domain name");
        return;
    }
    memcpy(x->host, name.name, sizeof(x->host));
    if (g->port) /* "the client performs an A or AAAA record lookup": RFC 3263 4.2 */
        to_own_addresses(x);
    else if (named)
        to_own_services(x);
    else
        (void)sw_locate_ask(x, host_of(x), SW_DNS_NAPTR);
    advance(x);
}

const struct sw_dns_question *sw_locate_next(struct sw_locate *x, uint32_t *step)
{
    for (uint32_t i = 0; x->end == SW_LOCATE_GOES_ON && i < x->step_count; i++)
        if (!x->step[i].asked) {
            x->step[i].asked = true;
            *step = i;
            return &x->step[i].question;
        }
    return NULL;
}

void sw_locate_answer(struct sw_locate *x, uint32_t step, const struct sw_dns_answer *answer,
                      struct sw_prng *prng)
{
    struct sw_locate_step *s = step < x->step_count ? &x->step[step] : NULL;
    if (x->end != SW_LOCATE_GOES_ON || !s || !s->asked || s->status != SW_AGAIN)
        return;
    s->status = (uint16_t)(answer->status == SW_AGAIN ? SW_PEER_DNS : answer->status);
    s->secure = answer->secure;
    s->records = answer->count;
    if (s->status == SW_OK && s->question.type == SW_DNS_NAPTR)
        sw_locate_read_naptr(x, s, answer);
    else if (s->status == SW_OK && s->question.type == SW_DNS_SRV) {
        for (uint8_t i = 0; i < x->service_count; i++)
            if (x->service[i].step == step)
                sw_locate_read_srv(x, i, answer, prng);
    } else if (s->status == SW_OK && s->question.type == SW_DNS_TLSA) {
        sw_locate_read_tlsa(x, s, answer);
    } else if (s->status == SW_OK) {
        sw_locate_read_addresses(x, s, answer);
    }
    advance(x);
}
