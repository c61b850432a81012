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

enum sw_status sw_values_addr(struct sw_values *v, struct sw_addr *out)
{
    if (!more(v))
        return SW_AGAIN;
    enum sw_status s = sw_addr_next(&v->lex, out);
    if (s == SW_OK && !sw_lex_end(&v->lex) && !sw_lex_sep(&v->lex, ','))
        s = SW_PEER_SYNTAX;
    return s;
}

enum sw_status sw_values_via(struct sw_values *v, struct sw_via *out)
{
    return more(v) ? sw_via_next(&v->lex, out) : SW_AGAIN;
}

enum sw_status sw_values_token(struct sw_values *v, struct sw_slice *out)
{
    if (!more(v))
        return SW_AGAIN;
    sw_lex_ws(&v->lex);
    struct sw_slice t = sw_lex_run(&v->lex, SW_CH_TOKEN);
    sw_lex_ws(&v->lex);
    if (t.n == 0 || (!sw_lex_end(&v->lex) && !sw_lex_sep(&v->lex, ',')))
        return SW_PEER_SYNTAX;
    *out = t;
    return SW_OK;
}
