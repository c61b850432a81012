#include "sip/locate_inside.h"

/* ---- NAPTR ---- */

/* SIP+D2U, SIP+D2T and SIPS+D2T; others are for those who have their transport. RFC 3263 4.1, 8 */
static bool service_of(struct sw_slice s, enum sw_transport *t)
{
    bool known = true;
    if (sw_slice_eq_case(s, SW_SLICE("SIP+D2U")))
        *t = SW_UDP;
    else if (sw_slice_eq_case(s, SW_SLICE("SIP+D2T")))
        *t = SW_TCP;
    else if (sw_slice_eq_case(s, SW_SLICE("SIPS+D2T")))
        *t = SW_TLS;
    else
        known = false;
    return known;
}

/* A record that leads to SRV records, by its replacement. RFC 3263 4.1, RFC 3403 4.1 */
static const char *unfit(const struct sw_locate *x, const struct sw_dns_naptr *r,
                         enum sw_transport *t)
{
    if (!service_of(r->service, t) || !(x->use & SW_LOCATE_BIT(*t)))
        return "services that are not for this are left out";
    if (!sw_slice_eq_case(r->flags, SW_SLICE("s")))
        return "a record lacks the flag \"s\"";
    if (r->regexp.n || !r->replacement[0])
        return "a record has a regexp in place of a replacement";
    return NULL;
}

struct candidate {
    struct sw_dns_naptr r;
    uint8_t transport;
};

static bool before(const struct sw_dns_naptr *a, const struct sw_dns_naptr *b)
{
    return a->order != b->order ? a->order < b->order : a->preference < b->preference;
}

/* Puts one in its place among the best; the last falls out. */
static uint32_t keep(struct candidate *best, uint32_t n, const struct candidate *c)
{
    uint32_t at = n;
    while (at > 0 && before(&c->r, &best[at - 1].r))
        at--;
    if (at == SW_LOCATE_SERVICES_MAX)
        return n;
    n += n < SW_LOCATE_SERVICES_MAX;
    memmove(&best[at + 1], &best[at], (n - at - 1) * sizeof(*best));
    best[at] = *c;
    return n;
}

/* Records of the lowest order that fits, in the order of their preference: "once a match is found
 * the client MUST NOT consider records with a different Order". RFC 3403 4.1 */
void sw_locate_read_naptr(struct sw_locate *x, struct sw_locate_step *s,
                          const struct sw_dns_answer *answer)
{
    struct candidate best[SW_LOCATE_SERVICES_MAX], c;
    struct sw_slice rest = answer->records, rdata;
    uint32_t n = 0, looked = 0;
    for (; looked < SW_LOCATE_RECORDS_MAX && sw_dns_next(&rest, &rdata) == SW_OK; looked++) {
        enum sw_transport t = SW_UDP;
        const char *why = "a record cannot be read";
        if (sw_dns_read_naptr(rdata, &c.r) == SW_OK)
            why = unfit(x, &c.r, &t);
        c.transport = (uint8_t)t;
        if (why)
            s->note = why;
        else
            n = keep(best, n, &c);
    }
    x->limited |= looked == SW_LOCATE_RECORDS_MAX;
    if (n)
        x->phase = SW_LOCATE_PHASE_SRV;
    for (uint32_t i = 0; i < n && best[i].r.order == best[0].r.order; i++, s->used++)
        sw_locate_add_service(x, sw_slice_str(best[i].r.replacement),
                              (enum sw_transport)best[i].transport);
}

/* ---- SRV ---- */

/* One of servers whose running sum of weights, those of 0 first, reaches a random number. RFC 2782
 */
static uint32_t draw(const struct sw_locate_server *s, uint32_t n, struct sw_prng *prng)
{
    uint32_t sum = 0, total = 0;
    for (uint32_t i = 0; i < n; i++)
        total += s[i].weight;
    uint32_t point = (uint32_t)(sw_prng_next(prng) % (total + 1));
    for (int heavy = 0; heavy < 2; heavy++)
        for (uint32_t i = 0; i < n; i++) {
            if ((s[i].weight > 0) != heavy)
                continue;
            sum += s[i].weight;
            if (sum >= point)
                return i;
        }
    return 0;
}

/* By priority, those of one as they came. */
static void sort(struct sw_locate_server *s, uint32_t n)
{
    for (uint32_t i = 1; i < n; i++) {
        struct sw_locate_server x = s[i];
        uint32_t k = i;
        for (; k > 0 && s[k - 1].priority > x.priority; k--)
            s[k] = s[k - 1];
        s[k] = x;
    }
}

void sw_locate_order(struct sw_locate_server *s, uint32_t n, struct sw_prng *prng)
{
    sort(s, n);
    for (uint32_t i = 0; i < n; i++) {
        uint32_t equal = 1;
        while (i + equal < n && s[i + equal].priority == s[i].priority)
            equal++;
        uint32_t at = i + draw(s + i, equal, prng);
        struct sw_locate_server x = s[at];
        memmove(s + i + 1, s + i, (at - i) * sizeof(*s));
        s[i] = x;
    }
}

/* A record that names a server; NULL: it does. */
static const char *unfit_srv(const struct sw_dns_srv *r)
{
    if (!r->target[0]) /* RFC 2782 */
        return "a target is \".\": the service is decidedly not there";
    return r->port ? NULL : "a record has port 0";
}

void sw_locate_read_srv(struct sw_locate *x, uint8_t service, const struct sw_dns_answer *answer,
                        struct sw_prng *prng)
{
    struct sw_locate_server all[SW_LOCATE_RECORDS_MAX];
    struct sw_slice rdata[SW_LOCATE_RECORDS_MAX], rest = answer->records;
    struct sw_locate_step *step = &x->step[x->service[service].step];
    struct sw_dns_srv r;
    uint32_t n = 0, looked = 0, most = SW_LOCATE_SERVERS_MAX / x->service_count;
    for (; looked < SW_LOCATE_RECORDS_MAX && sw_dns_next(&rest, &rdata[n]) == SW_OK; looked++) {
        const char *why = "a record cannot be read";
        x->any_srv = true;
        if (sw_dns_read_srv(rdata[n], &r) == SW_OK)
            why = unfit_srv(&r);
        if (why)
            step->note = why;
        else
            all[n] = (struct sw_locate_server){.priority = r.priority,
                                               .weight = r.weight,
                                               .port = r.port,
                                               .service = service,
                                               .record = (uint8_t)n,
                                               .a = -1,
                                               .aaaa = -1,
                                               .tlsa = -1};
        n += !why;
    }
    sw_locate_order(all, n, prng);
    x->limited |= looked == SW_LOCATE_RECORDS_MAX || n > most;
    for (uint32_t i = 0; i < n && i < most; i++) {
        if (sw_dns_read_srv(rdata[all[i].record], &r) != SW_OK)
            continue;
        sw_locate_ask_addresses(x, sw_slice_str(r.target), &all[i]);
        if (all[i].aaaa < 0 && all[i].a < 0) {
            step->note = "a target is no host name";
            continue;
        }
        x->server[x->server_count++] = all[i];
        step->used++;
    }
}

/* ---- addresses ---- */

static bool is_multicast(const struct sw_endpoint *e)
{
    return e->family == 4 ? e->ip[0] >= 224 : e->ip[0] == 0xff;
}

void sw_locate_read_addresses(struct sw_locate *x, struct sw_locate_step *s,
                              const struct sw_dns_answer *answer)
{
    struct sw_slice rest = answer->records, rdata;
    uint8_t family = s->question.type == SW_DNS_A ? 4 : 6;
    struct sw_endpoint e;
    s->address_at = x->address_count;
    for (int i = 0; i < SW_LOCATE_RECORDS_MAX && sw_dns_next(&rest, &rdata) == SW_OK; i++) {
        if (sw_dns_read_address(rdata, &e) != SW_OK || e.family != family)
            s->note = "an address is not of the family that was asked for";
        else if (sw_endpoint_is_wildcard(&e) || is_multicast(&e))
            s->note = "an address is no host's";
        else if (s->address_count < SW_LOCATE_ADDRESSES_MAX &&
                 x->address_count < SW_LOCATE_ADDRESSES_ALL) {
            x->address[x->address_count++] = e;
            s->address_count++;
        } else {
            x->limited = true;
        }
    }
    s->used = s->address_count;
}
