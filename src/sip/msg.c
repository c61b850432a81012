#include "sip/msg.h"

struct sw_values sw_values(const struct sw_msg *m, enum sw_hdr_id id)
{
    return (struct sw_values){.msg = m, .next_hdr = sw_msg_hdr(m, id)};
}

/* Stands on a value, or says that there is no more. An empty row holds no value. */
static bool more(struct sw_values *v)
{
    while (sw_lex_end(&v->lex)) {
        if (!v->next_hdr)
            return false;
        v->hdr = v->next_hdr;
        v->next_hdr = sw_hdr_next(v->msg, v->hdr);
        v->lex = sw_lex(sw_hdr_value(v->msg, v->hdr));
    }
    return true;
}

/* The same for lists that have at least one value in each row; only Supported may be empty.
 * RFC 3261 7.3.1, 25.1 */
static enum sw_status more_strictly(struct sw_values *v)
{
    bool new_row = sw_lex_end(&v->lex);
    const struct sw_hdr *row = v->next_hdr;
    if (!more(v))
        return row && row->id != SW_HDR_SUPPORTED ? SW_PEER_SYNTAX : SW_AGAIN;
    return !new_row || v->hdr == row || row->id == SW_HDR_SUPPORTED ? SW_OK : SW_PEER_SYNTAX;
}

/* What may follow a value: nothing, or a comma and a further one. RFC 3261 25.1 */
static bool value_ends(struct sw_lex *l)
{
    return sw_lex_end(l) || (sw_lex_sep(l, ',') && !sw_lex_end(l));
}

enum sw_status sw_values_addr(struct sw_values *v, struct sw_addr *out)
{
    enum sw_status s = more_strictly(v);
    if (s == SW_OK)
        s = sw_addr_next(&v->lex, out);
    return s == SW_OK && !value_ends(&v->lex) ? SW_PEER_SYNTAX : s;
}

enum sw_status sw_values_via(struct sw_values *v, struct sw_via *out)
{
    return more(v) ? sw_via_next(&v->lex, out) : SW_AGAIN;
}

enum sw_status sw_values_token(struct sw_values *v, struct sw_slice *out)
{
    enum sw_status s = more_strictly(v);
    if (s != SW_OK)
        return s;
    sw_lex_ws(&v->lex);
    struct sw_slice t = sw_lex_run(&v->lex, SW_CH_TOKEN);
    sw_lex_ws(&v->lex);
    if (t.n == 0 || !value_ends(&v->lex))
        return SW_PEER_SYNTAX;
    *out = t;
    return SW_OK;
}
