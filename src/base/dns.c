#include "base/dns.h"

static bool take(struct sw_slice *s, size_t n, struct sw_slice *out)
{
    if (s->n < n)
        return false;
    *out = sw_slice(s->p, n);
    *s = sw_slice_from(*s, n);
    return true;
}

static bool take_u8(struct sw_slice *s, uint8_t *out)
{
    struct sw_slice b;
    if (!take(s, 1, &b))
        return false;
    *out = (uint8_t)b.p[0];
    return true;
}

static bool take_u16(struct sw_slice *s, uint16_t *out)
{
    struct sw_slice b;
    if (!take(s, 2, &b))
        return false;
    *out = (uint16_t)((uint8_t)b.p[0] << 8 | (uint8_t)b.p[1]);
    return true;
}

/* <character-string>: RFC 1035 3.3 */
static bool take_string(struct sw_slice *s, struct sw_slice *out)
{
    uint8_t n;
    return take_u8(s, &n) && take(s, n, out);
}

static bool letter(char c, char *out)
{
    *out = sw_ascii_lower(c);
    return (*out >= 'a' && *out <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
}

/* A name of labels, uncompressed; "" is the root. RFC 1035 3.1 */
static bool take_name(struct sw_slice *s, char out[SW_DNS_NAME_MAX])
{
    size_t n = 0;
    struct sw_slice label;
    while (take_string(s, &label)) {
        if (label.n == 0) {
            out[n ? n - 1 : 0] = '\0'; /* over the last dot */
            return true;
        }
        if (label.n > 63 || n + label.n + 1 >= SW_DNS_NAME_MAX)
            return false;
        for (size_t i = 0; i < label.n; i++)
            if (!letter(label.p[i], &out[n++]))
                return false;
        out[n++] = '.';
    }
    return false;
}

enum sw_status sw_dns_next(struct sw_slice *rest, struct sw_slice *rdata)
{
    uint16_t n;
    if (rest->n == 0)
        return SW_AGAIN;
    return take_u16(rest, &n) && take(rest, n, rdata) ? SW_OK : SW_PEER_SYNTAX;
}

enum sw_status sw_dns_read_address(struct sw_slice rdata, struct sw_endpoint *out)
{
    *out = (struct sw_endpoint){.family = rdata.n == 4 ? 4 : 6};
    if (rdata.n != 4 && rdata.n != 16)
        return SW_PEER_SYNTAX;
    memcpy(out->ip, rdata.p, rdata.n);
    return SW_OK;
}

enum sw_status sw_dns_read_srv(struct sw_slice rdata, struct sw_dns_srv *out)
{
    bool good = take_u16(&rdata, &out->priority) && take_u16(&rdata, &out->weight) &&
                take_u16(&rdata, &out->port) && take_name(&rdata, out->target);
    return good && rdata.n == 0 ? SW_OK : SW_PEER_SYNTAX;
}

enum sw_status sw_dns_read_naptr(struct sw_slice rdata, struct sw_dns_naptr *out)
{
    bool good = take_u16(&rdata, &out->order) && take_u16(&rdata, &out->preference) &&
                take_string(&rdata, &out->flags) && take_string(&rdata, &out->service) &&
                take_string(&rdata, &out->regexp) && take_name(&rdata, out->replacement);
    return good && rdata.n == 0 ? SW_OK : SW_PEER_SYNTAX;
}

enum sw_status sw_dns_read_tlsa(struct sw_slice rdata, struct sw_dns_tlsa *out)
{
    bool good = take_u8(&rdata, &out->usage) && take_u8(&rdata, &out->selector) &&
                take_u8(&rdata, &out->matching);
    out->data = rdata;
    return good && rdata.n > 0 ? SW_OK : SW_PEER_SYNTAX;
}

const char *sw_dns_tlsa_unusable(const struct sw_dns_tlsa *t)
{
    enum { PKIX_TA, PKIX_EE, DANE_TA, DANE_EE };
    enum { FULL, SHA2_256, SHA2_512 };
    enum { CERT, SPKI };
    if (t->usage > DANE_EE)
        return "a record has a certificate usage that is not known";
    if (t->selector > SPKI)
        return "a record has a selector that is not known";
    if (t->matching > SHA2_512)
        return "a record has a matching type that is not known";
    if ((t->matching == SHA2_256 && t->data.n != 32) ||
        (t->matching == SHA2_512 && t->data.n != 64))
        return "a record's digest has another length than its matching type";
    return NULL;
}

enum sw_status sw_dns_ask(struct sw_dns_question *q, struct sw_slice name, enum sw_dns_type type)
{
    size_t label = 0;
    if (name.n && name.p[name.n - 1] == '.')
        name.n--;
    q->type = (uint16_t)type;
    if (name.n == 0 || name.n >= SW_DNS_NAME_MAX - 2)
        return SW_PEER_SYNTAX;
    for (size_t i = 0; i < name.n; i++) {
        bool dot = name.p[i] == '.';
        if (dot ? label == 0 : !letter(name.p[i], &q->name[i]) || label == 63)
            return SW_PEER_SYNTAX;
        if (dot)
            q->name[i] = '.';
        label = dot ? 0 : label + 1;
    }
    q->name[name.n] = '\0';
    return SW_OK;
}

const char *sw_dns_type_name(unsigned type)
{
    switch (type) {
    case SW_DNS_A:
        return "A";
    case SW_DNS_AAAA:
        return "AAAA";
    case SW_DNS_SRV:
        return "SRV";
    case SW_DNS_NAPTR:
        return "NAPTR";
    case SW_DNS_TLSA:
        return "TLSA";
    default:
        return "?";
    }
}
