#include "sip/tables.h"

static const struct {
    struct sw_slice name;
    enum sw_method method;
} methods[] = {
    {{"INVITE", 6}, SW_INVITE},       {{"ACK", 3}, SW_ACK},         {{"BYE", 3}, SW_BYE},
    {{"CANCEL", 6}, SW_CANCEL},       {{"OPTIONS", 7}, SW_OPTIONS}, {{"REGISTER", 8}, SW_REGISTER},
    {{"SUBSCRIBE", 9}, SW_SUBSCRIBE}, {{"NOTIFY", 6}, SW_NOTIFY},   {{"PUBLISH", 7}, SW_PUBLISH},
    {{"MESSAGE", 7}, SW_MESSAGE},     {{"INFO", 4}, SW_INFO},       {{"UPDATE", 6}, SW_UPDATE},
    {{"REFER", 5}, SW_REFER},         {{"PRACK", 5}, SW_PRACK},
};

enum sw_method sw_method_find(struct sw_slice name)
{
    for (size_t i = 0; i < sizeof(methods) / sizeof(methods[0]); i++)
        if (sw_slice_eq(methods[i].name, name))
            return methods[i].method;
    return SW_METHOD_OTHER;
}

struct sw_slice sw_method_name(enum sw_method m)
{
    return m < SW_METHOD_OTHER ? methods[m].name : sw_slice("", 0);
}

struct row {
    const char *name; /* in lower case */
    uint8_t id;
    uint8_t kind;
};

/* Rows by the length of the name, so that a look-up compares a handful of candidates. */
static const struct row len2[] = {{"to", SW_HDR_TO, SW_KIND_ONE}};
static const struct row len3[] = {{"via", SW_HDR_VIA, SW_KIND_LIST}};
static const struct row len4[] = {{"from", SW_HDR_FROM, SW_KIND_ONE},
                                  {"cseq", SW_HDR_CSEQ, SW_KIND_ONE},
                                  {"path", SW_HDR_PATH, SW_KIND_LIST},
                                  {"date", SW_HDR_DATE, SW_KIND_ONE}};
static const struct row len5[] = {{"route", SW_HDR_ROUTE, SW_KIND_LIST},
                                  {"event", SW_HDR_EVENT, SW_KIND_ONE}};
static const struct row len7[] = {
    {"call-id", SW_HDR_CALL_ID, SW_KIND_ONE},  {"contact", SW_HDR_CONTACT, SW_KIND_LIST},
    {"require", SW_HDR_REQUIRE, SW_KIND_LIST}, {"expires", SW_HDR_EXPIRES, SW_KIND_ONE},
    {"subject", SW_HDR_SUBJECT, SW_KIND_ONE},  {"warning", SW_HDR_WARNING, SW_KIND_LIST},
    {"privacy", SW_HDR_PRIVACY, SW_KIND_MANY}};
static const struct row len8[] = {{"refer-to", SW_HDR_REFER_TO, SW_KIND_ONE},
                                  {"identity", SW_HDR_IDENTITY, SW_KIND_LIST}};
static const struct row len9[] = {{"supported", SW_HDR_SUPPORTED, SW_KIND_LIST},
                                  {"timestamp", SW_HDR_TIMESTAMP, SW_KIND_ONE}};
static const struct row len11[] = {{"unsupported", SW_HDR_UNSUPPORTED, SW_KIND_LIST},
                                   {"retry-after", SW_HDR_RETRY_AFTER, SW_KIND_ONE},
                                   {"max-breadth", SW_HDR_MAX_BREADTH, SW_KIND_ONE},
                                   {"referred-by", SW_HDR_REFERRED_BY, SW_KIND_ONE},
                                   {"min-expires", SW_HDR_MIN_EXPIRES, SW_KIND_ONE}};
static const struct row len12[] = {{"max-forwards", SW_HDR_MAX_FORWARDS, SW_KIND_ONE},
                                   {"content-type", SW_HDR_CONTENT_TYPE, SW_KIND_ONE},
                                   {"record-route", SW_HDR_RECORD_ROUTE, SW_KIND_LIST},
                                   {"allow-events", SW_HDR_ALLOW_EVENTS, SW_KIND_LIST}};
static const struct row len13[] = {{"proxy-require", SW_HDR_PROXY_REQUIRE, SW_KIND_LIST},
                                   {"authorization", SW_HDR_AUTHORIZATION, SW_KIND_MANY},
                                   {"service-route", SW_HDR_SERVICE_ROUTE, SW_KIND_LIST}};
static const struct row len14[] = {{"content-length", SW_HDR_CONTENT_LENGTH, SW_KIND_ONE},
                                   {"accept-contact", SW_HDR_ACCEPT_CONTACT, SW_KIND_LIST},
                                   {"reject-contact", SW_HDR_REJECT_CONTACT, SW_KIND_LIST}};
static const struct row len15[] = {{"session-expires", SW_HDR_SESSION_EXPIRES, SW_KIND_ONE},
                                   {"security-client", SW_HDR_SECURITY_CLIENT, SW_KIND_LIST},
                                   {"security-server", SW_HDR_SECURITY_SERVER, SW_KIND_LIST},
                                   {"security-verify", SW_HDR_SECURITY_VERIFY, SW_KIND_LIST}};
static const struct row len16[] = {{"www-authenticate", SW_HDR_WWW_AUTHENTICATE, SW_KIND_MANY},
                                   {"content-encoding", SW_HDR_CONTENT_ENCODING, SW_KIND_LIST}};
static const struct row len18[] = {{"proxy-authenticate", SW_HDR_PROXY_AUTHENTICATE, SW_KIND_MANY}};
static const struct row len19[] = {
    {"proxy-authorization", SW_HDR_PROXY_AUTHORIZATION, SW_KIND_MANY},
    {"request-disposition", SW_HDR_REQUEST_DISPOSITION, SW_KIND_LIST},
    {"p-asserted-identity", SW_HDR_P_ASSERTED_IDENTITY, SW_KIND_LIST}};
static const struct row len20[] = {
    {"p-preferred-identity", SW_HDR_P_PREFERRED_IDENTITY, SW_KIND_LIST}};

#define GROUP(n) [n] = {len##n, sizeof(len##n) / sizeof(len##n[0])}
static const struct {
    const struct row *rows;
    size_t count;
} groups[] = {GROUP(2),  GROUP(3),  GROUP(4),  GROUP(5),  GROUP(7),  GROUP(8),
              GROUP(9),  GROUP(11), GROUP(12), GROUP(13), GROUP(14), GROUP(15),
              GROUP(16), GROUP(18), GROUP(19), GROUP(20)};

/* Compact forms: RFC 3261 7.3.3 and the registry of header fields. */
static const uint8_t compact[26] = {
    ['a' - 'a'] = SW_HDR_ACCEPT_CONTACT,
    ['b' - 'a'] = SW_HDR_REFERRED_BY,
    ['c' - 'a'] = SW_HDR_CONTENT_TYPE,
    ['d' - 'a'] = SW_HDR_REQUEST_DISPOSITION,
    ['e' - 'a'] = SW_HDR_CONTENT_ENCODING,
    ['f' - 'a'] = SW_HDR_FROM,
    ['i' - 'a'] = SW_HDR_CALL_ID,
    ['j' - 'a'] = SW_HDR_REJECT_CONTACT,
    ['k' - 'a'] = SW_HDR_SUPPORTED,
    ['l' - 'a'] = SW_HDR_CONTENT_LENGTH,
    ['m' - 'a'] = SW_HDR_CONTACT,
    ['o' - 'a'] = SW_HDR_EVENT,
    ['r' - 'a'] = SW_HDR_REFER_TO,
    ['s' - 'a'] = SW_HDR_SUBJECT,
    ['t' - 'a'] = SW_HDR_TO,
    ['u' - 'a'] = SW_HDR_ALLOW_EVENTS,
    ['v' - 'a'] = SW_HDR_VIA,
    ['x' - 'a'] = SW_HDR_SESSION_EXPIRES,
    ['y' - 'a'] = SW_HDR_IDENTITY,
};

/* The first and the last bytes of a name, so that names are compared in two steps. */
struct ends {
    uint64_t head, tail;
};

/* Of a name of at least two bytes; up to sixteen this is all of it. */
static struct ends ends(const char *p, size_t n)
{
    struct ends e = {0};
    if (n >= 8) {
        memcpy(&e.head, p, 8);
        memcpy(&e.tail, p + n - 8, 8);
    } else if (n >= 4) {
        memcpy(&e.head, p, 4);
        memcpy(&e.tail, p + n - 4, 4);
    } else {
        memcpy(&e.head, p, 2);
        memcpy(&e.tail, p + n - 2, 2);
    }
    return e;
}

/* The eight bytes of a word in lower case, as sw_ascii_lower does it. */
static uint64_t lower(uint64_t word)
{
    const uint64_t each = UINT64_C(0x0101010101010101), seven = word & 0x7f * each;
    uint64_t from_a = seven + (0x80 - 'A') * each, after_z = seven + (0x7f - 'Z') * each;
    return word | (from_a & ~after_z & ~word & 0x80 * each) >> 2;
}

static const struct row *find_row(struct sw_slice name)
{
    if (name.n >= sizeof(groups) / sizeof(groups[0]) || groups[name.n].count == 0)
        return NULL;
    struct ends e = ends(name.p, name.n);
    e = (struct ends){lower(e.head), lower(e.tail)};
    for (size_t i = 0; i < groups[name.n].count; i++) {
        const struct row *row = &groups[name.n].rows[i];
        struct ends r = ends(row->name, name.n);
        if (r.head == e.head && r.tail == e.tail &&
            (name.n <= 16 || sw_bytes_eq_case(row->name, name.p, name.n)))
            return row;
    }
    return NULL;
}

enum sw_hdr_id sw_hdr_find(struct sw_slice name)
{
    if (name.n == 1) {
        char c = sw_ascii_lower(name.p[0]);
        return c >= 'a' && c <= 'z' ? (enum sw_hdr_id)compact[c - 'a'] : SW_HDR_OTHER;
    }
    const struct row *row = find_row(name);
    return row ? (enum sw_hdr_id)row->id : SW_HDR_OTHER;
}

enum sw_hdr_kind sw_hdr_kind(enum sw_hdr_id id)
{
    for (size_t n = 0; n < sizeof(groups) / sizeof(groups[0]); n++)
        for (size_t i = 0; i < groups[n].count; i++)
            if (groups[n].rows[i].id == id)
                return (enum sw_hdr_kind)groups[n].rows[i].kind;
    return SW_KIND_MANY;
}

static const struct {
    uint16_t code;
    const char *text;
} reasons[] = {
    {100, "Trying"},
    {180, "Ringing"},
    {181, "Call Is Being Forwarded"},
    {182, "Queued"},
    {183, "Session Progress"},
    {200, "OK"},
    {202, "Accepted"},
    {300, "Multiple Choices"},
    {301, "Moved Permanently"},
    {302, "Moved Temporarily"},
    {305, "Use Proxy"},
    {380, "Alternative Service"},
    {400, "Bad Request"},
    {401, "Unauthorized"},
    {402, "Payment Required"},
    {403, "Forbidden"},
    {404, "Not Found"},
    {405, "Method Not Allowed"},
    {406, "Not Acceptable"},
    {407, "Proxy Authentication Required"},
    {408, "Request Timeout"},
    {410, "Gone"},
    {413, "Request Entity Too Large"},
    {414, "Request-URI Too Long"},
    {415, "Unsupported Media Type"},
    {416, "Unsupported URI Scheme"},
    {420, "Bad Extension"},
    {421, "Extension Required"},
    {423, "Interval Too Brief"},
    {430, "Flow Failed"},
    {439, "First Hop Lacks Outbound Support"},
    {440, "Max-Breadth Exceeded"},
    {480, "Temporarily Unavailable"},
    {481, "Call/Transaction Does Not Exist"},
    {482, "Loop Detected"},
    {483, "Too Many Hops"},
    {484, "Address Incomplete"},
    {485, "Ambiguous"},
    {486, "Busy Here"},
    {487, "Request Terminated"},
    {488, "Not Acceptable Here"},
    {491, "Request Pending"},
    {493, "Undecipherable"},
    {494, "Security Agreement Required"},
    {500, "Server Internal Error"},
    {501, "Not Implemented"},
    {502, "Bad Gateway"},
    {503, "Service Unavailable"},
    {504, "Server Time-out"},
    {505, "Version Not Supported"},
    {513, "Message Too Large"},
    {600, "Busy Everywhere"},
    {603, "Decline"},
    {604, "Does Not Exist Anywhere"},
    {606, "Not Acceptable"},
};

const char *sw_reason(unsigned code)
{
    for (size_t i = 0; i < sizeof(reasons) / sizeof(reasons[0]); i++)
        if (reasons[i].code == code)
            return reasons[i].text;
    static const char *const class[] = {
        "Progress", "OK", "Redirection", "Request Failed", "Server Failed", "Failed Everywhere"};
    return code >= 100 && code < 700 ? class[code / 100 - 1] : "Unknown";
}
