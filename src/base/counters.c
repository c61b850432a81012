#include "base/counters.h"

static const char *const names[SW_COUNTERS] = {
    [SW_COUNT_RECEIVED_UDP] = "received_udp",
    [SW_COUNT_RECEIVED_TCP] = "received_tcp",
    [SW_COUNT_RECEIVED_TLS] = "received_tls",
    [SW_COUNT_SENT_UDP] = "sent_udp",
    [SW_COUNT_SENT_TCP] = "sent_tcp",
    [SW_COUNT_SENT_TLS] = "sent_tls",
    [SW_COUNT_HANDED_OVER] = "handed_over",
    [SW_COUNT_REQUESTS] = "requests",
    [SW_COUNT_RELAYED] = "relayed",
    [SW_COUNT_RESPONSES] = "responses",
    [SW_COUNT_FAILOVERS] = "failovers",
    [SW_COUNT_IN_THE_CLEAR] = "in_the_clear",
    [SW_COUNT_REPEATS_RECEIVED] = "repeats_received",
    [SW_COUNT_REPEATS_SENT] = "repeats_sent",
    [SW_COUNT_CONNECTIONS_ACCEPTED] = "connections_accepted",
    [SW_COUNT_CONNECTIONS_DIALLED] = "connections_dialled",
    [SW_COUNT_CONNECTIONS_FAILED] = "connections_failed",
    [SW_COUNT_CONNECTIONS_CLOSED] = "connections_closed",
    [SW_COUNT_MALFORMED_ANSWERED] = "malformed_answered",
    [SW_COUNT_MALFORMED_DROPPED] = "malformed_dropped",
    [SW_COUNT_NOBODY_ANSWERED] = "nobody_answered",
    [SW_COUNT_NOBODY_DROPPED] = "nobody_dropped",
    [SW_COUNT_STRAY_RESPONSES] = "stray_responses",
    [SW_COUNT_FOREIGN_RESPONSES] = "foreign_responses",
    [SW_COUNT_ACKS_DROPPED] = "acks_dropped",
    [SW_COUNT_UNDELIVERED] = "undelivered",
    [SW_COUNT_STATELESS_503] = "stateless_503",
    [SW_COUNT_DNS_CACHED] = "dns_cached",
    [SW_COUNT_DNS_ASKED] = "dns_asked",
    [SW_COUNT_DNS_FAILED] = "dns_failed",
    [SW_COUNT_DNS_BOGUS] = "dns_bogus",
    [SW_COUNT_ANSWERED_400] = "answered_400",
    [SW_COUNT_ANSWERED_403] = "answered_403",
    [SW_COUNT_ANSWERED_408] = "answered_408",
    [SW_COUNT_ANSWERED_414] = "answered_414",
    [SW_COUNT_ANSWERED_416] = "answered_416",
    [SW_COUNT_ANSWERED_420] = "answered_420",
    [SW_COUNT_ANSWERED_440] = "answered_440",
    [SW_COUNT_ANSWERED_480] = "answered_480",
    [SW_COUNT_ANSWERED_481] = "answered_481",
    [SW_COUNT_ANSWERED_482] = "answered_482",
    [SW_COUNT_ANSWERED_483] = "answered_483",
    [SW_COUNT_ANSWERED_487] = "answered_487",
    [SW_COUNT_ANSWERED_500] = "answered_500",
    [SW_COUNT_ANSWERED_503] = "answered_503",
    [SW_COUNT_ANSWERED_505] = "answered_505",
    [SW_COUNT_ANSWERED_513] = "answered_513",
    [SW_COUNT_ANSWERED_OTHER] = "answered_other",
    [SW_LIMITED_CONNECT] = "limit_connect",
    [SW_LIMITED_HANDSHAKE] = "limit_handshake",
    [SW_LIMITED_IDLE] = "limit_idle",
    [SW_LIMITED_MESSAGE] = "limit_message",
    [SW_LIMITED_UNACKNOWLEDGED] = "limit_unacknowledged",
    [SW_LIMITED_HEADER_BYTES] = "limit_header_bytes",
    [SW_LIMITED_HEADERS] = "limit_headers",
    [SW_LIMITED_URI_BYTES] = "limit_uri_bytes",
    [SW_LIMITED_BODY_BYTES] = "limit_body_bytes",
    [SW_LIMITED_OUTPUT_BYTES] = "limit_output_bytes",
    [SW_LIMITED_CONNECTIONS] = "limit_connections",
    [SW_LIMITED_CONNECTIONS_PER_PEER] = "limit_connections_per_peer",
    [SW_LIMITED_HANDSHAKES_PER_SOURCE] = "limit_handshakes_per_source",
    [SW_LIMITED_TRANSACTIONS] = "limit_transactions",
    [SW_LIMITED_BRANCHES] = "limit_branches",
    [SW_LIMITED_MESSAGES_PER_SECOND] = "limit_messages_per_second",
    [SW_LIMITED_SOURCE_MESSAGES_PER_SECOND] = "limit_source_messages_per_second",
    [SW_LIMITED_LATENESS] = "limit_lateness",
    [SW_LIMITED_DNS_QUESTIONS] = "limit_dns_questions",
    [SW_LIMITED_DNS_CACHE] = "limit_dns_cache",
    [SW_LIMITED_PEER_CONNECTIONS] = "limit_peer_connections",
    [SW_LIMITED_PEER_CALLS_PER_SECOND] = "limit_peer_calls_per_second",
    [SW_LIMITED_PEER_TRANSACTIONS] = "limit_peer_transactions",
    [SW_LIMITED_ROUTES] = "limit_routes",
    [SW_LIMITED_ACTIONS] = "limit_actions",
    [SW_LIMITED_MAILBOX] = "limit_mailbox",
    [SW_LIMITED_DESCRIPTORS] = "limit_descriptors",
};

const char *sw_counter_name(enum sw_counter c)
{
    return c < SW_COUNTERS ? names[c] : "unknown";
}

static enum sw_counter of_status(unsigned status)
{
    static const struct {
        uint16_t status, counter;
    } rows[] = {
        {400, SW_COUNT_ANSWERED_400}, {403, SW_COUNT_ANSWERED_403}, {408, SW_COUNT_ANSWERED_408},
        {414, SW_COUNT_ANSWERED_414}, {416, SW_COUNT_ANSWERED_416}, {420, SW_COUNT_ANSWERED_420},
        {440, SW_COUNT_ANSWERED_440}, {480, SW_COUNT_ANSWERED_480}, {481, SW_COUNT_ANSWERED_481},
        {482, SW_COUNT_ANSWERED_482}, {483, SW_COUNT_ANSWERED_483}, {487, SW_COUNT_ANSWERED_487},
        {500, SW_COUNT_ANSWERED_500}, {503, SW_COUNT_ANSWERED_503}, {505, SW_COUNT_ANSWERED_505},
        {513, SW_COUNT_ANSWERED_513},
    };
    for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        if (rows[i].status == status)
            return (enum sw_counter)rows[i].counter;
    return SW_COUNT_ANSWERED_OTHER;
}

void sw_count_answer(struct sw_counters *x, unsigned status)
{
    sw_count(x, of_status(status));
}
