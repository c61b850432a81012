#include "base/status.h"

const char *sw_status_name(enum sw_status s)
{
    switch (s) {
    case SW_OK:
        return "ok";
    case SW_AGAIN:
        return "again";
    case SW_PEER_SYNTAX:
        return "peer_syntax";
    case SW_PEER_MISSING:
        return "peer_missing";
    case SW_PEER_CLOSED:
        return "peer_closed";
    case SW_PEER_RESET:
        return "peer_reset";
    case SW_PEER_TIMEOUT:
        return "peer_timeout";
    case SW_PEER_REFUSED:
        return "peer_refused";
    case SW_PEER_PROTOCOL:
        return "peer_protocol";
    case SW_PEER_NO_NAME:
        return "peer_no_name";
    case SW_PEER_DNS:
        return "peer_dns";
    case SW_DENIED:
        return "denied";
    case SW_DENIED_IDENTITY:
        return "denied_identity";
    case SW_DENIED_SEAL:
        return "denied_seal";
    case SW_DENIED_PURPOSE:
        return "denied_purpose";
    case SW_DENIED_BOGUS:
        return "denied_bogus";
    case SW_DENIED_UNSIGNED:
        return "denied_unsigned";
    case SW_LIMIT:
        return "limit";
    case SW_LIMIT_MEMORY:
        return "limit_memory";
    case SW_LIMIT_SIZE:
        return "limit_size";
    case SW_LIMIT_PEER:
        return "limit_peer";
    case SW_SYS:
        return "sys";
    case SW_SYS_AWAY:
        return "sys_away";
    case SW_SYS_UNREACHABLE:
        return "sys_unreachable";
    case SW_CRYPTO:
        return "crypto";
    case SW_CRYPTO_VERIFY:
        return "crypto_verify";
    case SW_CRYPTO_ALERT:
        return "crypto_alert";
    case SW_CRYPTO_NO_CERT:
        return "crypto_no_certificate";
    case SW_BUG:
        return "bug";
    }
    return "unknown";
}
