#include "proxy/number.h"

#include "proxy/sips.h"
#include "proxy/target.h"

/* A URI of a domain of ours whose user is a global number says the same as with user=phone (RFC
 * 3261 19.1.1), which many a PBX leaves out; that it is one says the route. */
static bool is_ours_and_global(const struct sw_proxy_conf *c, const struct sw_uri *u)
{
    struct sw_param user;
    return sw_uri_is_sip(u) && sw_proxy_is_ours(c, sw_target_host(u), u->port) &&
           !sw_uri_param_find(u, SW_SLICE("user"), &user) &&
           sw_slice_find(u->user, ';') == u->user.n;
}

bool sw_number_of(const struct sw_proxy_conf *c, const struct sw_uri *u,
                  char out[SW_ENUM_NUMBER_MAX + 1])
{
    const struct sw_uri number = {.scheme = SW_SCHEME_TEL, .host = u->user};
    return sw_enum_number(u, out) || (is_ours_and_global(c, u) && sw_enum_number(&number, out));
}

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
    if (peer && sips && peer->sips == SW_SIPS_DENY)
        return SW_NUMBER_DENIES;
    if (peer && !sips && peer->sips == SW_SIPS_REQUIRE)
        return SW_NUMBER_WANTS;
    if (sips && unproved)
        return SW_NUMBER_UNPROVED;
    return SW_NUMBER_FITS;
}

struct sw_number_answer sw_number_unfit(enum sw_number_fit fit)
{
    switch (fit) {
    case SW_NUMBER_NOT_SIPS:
        return (struct sw_number_answer){"Number Has No SIPS URI", 480, SW_WARN_SIPS_NOT_ALLOWED};
    case SW_NUMBER_IS_OURS:
        return (struct sw_number_answer){"Number Leads Back Here", 404, 0};
    case SW_NUMBER_IS_ADDRESS:
        return (struct sw_number_answer){"Number Leads To No Domain", 404, 0};
    case SW_NUMBER_DENIES: /* "with sips: deny": as for its peer by a route */
        return (struct sw_number_answer){"Unsupported URI Scheme", 416, 0};
    case SW_NUMBER_WANTS:
        return (struct sw_number_answer){"Number's Peer Wants SIPS", 480, SW_WARN_SIPS_REQUIRED};
    case SW_NUMBER_UNPROVED:
        return (struct sw_number_answer){"Number's Peer Has No Proved Name", 480,
                                         SW_WARN_SIPS_NOT_ALLOWED};
    case SW_NUMBER_NO_TLS:
        return (struct sw_number_answer){"Number Has No Way Over TLS", 480,
                                         SW_WARN_SIPS_NOT_ALLOWED};
    case SW_NUMBER_LOST:
        return (struct sw_number_answer){"Number Leads Nowhere", 404, 0};
    case SW_NUMBER_SILENT:
        return (struct sw_number_answer){"DNS Does Not Answer", 503, 0};
    case SW_NUMBER_FORGED:
        return (struct sw_number_answer){"DNS Answer Forged", 503, 0};
    case SW_NUMBER_FITS:
        break;
    }
    return (struct sw_number_answer){"Number Not In ENUM", 404, 0};
}
