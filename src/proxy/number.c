#include "proxy/number.h"

#include "proxy/target.h"

enum sw_number_fit sw_number_fit(const struct sw_proxy_conf *c, const struct sw_uri *u,
                                 enum sw_number_as as)
{
    struct sw_slice host = sw_target_host(u);
    struct sw_endpoint ip;
    bool sips = u->scheme == SW_SCHEME_SIPS && as != SW_NUMBER_AS_SIP;
    if (as == SW_NUMBER_AS_SIPS && !sips) /* "MUST NOT forward [...] to a SIP URI": RFC 5630 5.3 */
        return SW_NUMBER_NOT_SIPS;
    if (sw_proxy_is_ours(c, host, u->port))
        return SW_NUMBER_IS_OURS;
    if (sw_endpoint_ip_parse(host, &ip)) /* no certificate proves that */
        return SW_NUMBER_IS_ADDRESS;
    const struct sw_peer_conf *peer = sw_proxy_peer_of_domain(c, host);
    bool unproved = peer && peer->verify == SW_VERIFY_CHAIN && !peer->pin_count;
    if (peer && (peer->sips == (sips ? SW_SIPS_DENY : SW_SIPS_REQUIRE) || (sips && unproved)))
        return SW_NUMBER_DENIED;
    return SW_NUMBER_FITS;
}

const char *sw_number_unfit(enum sw_number_fit fit, unsigned *status)
{
    *status = fit == SW_NUMBER_SILENT || fit == SW_NUMBER_FORGED     ? 503
              : fit == SW_NUMBER_NOT_SIPS || fit == SW_NUMBER_DENIED ? 480
                                                                     : 404;
    switch (fit) {
    case SW_NUMBER_NOT_SIPS:
        return "Number Has No SIPS URI";
    case SW_NUMBER_IS_OURS:
        return "Number Leads Back Here";
    case SW_NUMBER_IS_ADDRESS:
        return "Number Leads To No Domain";
    case SW_NUMBER_DENIED:
        return "Number's URI Not Allowed For Its Peer";
    case SW_NUMBER_LOST:
        return "Number Leads Nowhere";
    case SW_NUMBER_SILENT:
        return "DNS Does Not Answer";
    case SW_NUMBER_FORGED:
        return "DNS Answer Forged";
    case SW_NUMBER_FITS:
        break;
    }
    return "Number Not In ENUM";
}
