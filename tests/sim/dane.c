/* TLSA records in virtual time: a record "3 0 1" of a fingerprint is what a certificate is compared
 * with, as src/tls/openssl_dane.c does. */
#include "sim/inside.h"

bool sim_dane_fits(struct sim_conn *c, const struct sw_dane *dane)
{
    static const uint32_t vouched[] = {1, SW_VOUCHED_DANE_EE};
    struct sw_slice rest = dane->records, rdata;
    struct sw_dns_tlsa r;
    bool fits = false;
    if (!rest.n || !c->flow[0].ident)
        return true;
    while (sw_dns_next(&rest, &rdata) == SW_OK)
        fits |= sw_dns_read_tlsa(rdata, &r) == SW_OK && r.data.n == 32 &&
                memcmp(r.data.p, c->flow[0].ident->fingerprint, 32) == 0;
    c->believed = *c->flow[0].ident;
    c->believed.vouched = vouched;
    c->believed.vouched_count = 2;
    c->believed.uses = (const uint8_t *)"\x1f\x1f"; /* all */
    c->flow[0].ident = &c->believed;
    if (dane->host.n < sizeof(c->server))
        memcpy(c->server, dane->host.p, dane->host.n);
    if (dane->domain.n < sizeof(c->located))
        memcpy(c->located, dane->domain.p, dane->domain.n);
    return fits;
}
