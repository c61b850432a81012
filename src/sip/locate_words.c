#include "sip/locate.h"

static void put_outcome(struct sw_buf *b, const struct sw_locate_step *s)
{
    switch ((enum sw_status)s->status) {
    case SW_OK:
        if (s->records == 0) {
            sw_buf_lit(b, "no records");
            return;
        }
        sw_buf_u64(b, s->records);
        sw_buf_str(b, s->records == 1 ? " record" : " records");
        if (s->used < s->records) {
            sw_buf_lit(b, ", used ");
            sw_buf_u64(b, s->used);
        }
        return;
    case SW_PEER_NO_NAME:
        sw_buf_lit(b, "no such name");
        return;
    case SW_PEER_DNS:
        sw_buf_lit(b, "the name servers fail or are silent");
        return;
    case SW_PEER_TIMEOUT:
        sw_buf_lit(b, "no answer in time");
        return;
    case SW_DENIED_BOGUS:
        sw_buf_lit(b, "forged: DNSSEC does not hold");
        return;
    case SW_DENIED_UNSIGNED:
        sw_buf_lit(b, "not signed, and it must be");
        return;
    case SW_AGAIN:
        sw_buf_str(b, s->asked ? "not answered yet" : "not asked");
        return;
    default:
        sw_buf_str(b, sw_status_name((enum sw_status)s->status));
        return;
    }
}

void sw_locate_put_step(struct sw_buf *b, const struct sw_locate_step *s)
{
    sw_buf_str(b, sw_dns_type_name(s->question.type));
    sw_buf_char(b, ' ');
    sw_buf_str(b, s->question.name);
    sw_buf_lit(b, ": ");
    put_outcome(b, s);
    if (s->note) {
        sw_buf_lit(b, " (");
        sw_buf_str(b, s->note);
        sw_buf_char(b, ')');
    }
}

void sw_locate_put_reason(struct sw_buf *b, const struct sw_locate *x)
{
    if (x->host[0]) {
        sw_buf_str(b, x->host);
        sw_buf_lit(b, ": ");
    }
    sw_buf_str(b, x->why ? x->why : "found");
    for (int i = 0; i < x->step_count && !b->full; i++) {
        sw_buf_str(b, i ? "; " : ": ");
        sw_locate_put_step(b, &x->step[i]);
    }
    if (x->limited)
        sw_buf_lit(b, "; there were more records than are followed");
    if (x->end == SW_LOCATE_NOT_THERE && x->families == SW_LOCATE_IPV4)
        sw_buf_lit(b, "; IPv6 addresses are not asked for: the listener has an IPv4 one");
    if (x->end == SW_LOCATE_NOT_THERE && x->families == SW_LOCATE_IPV6)
        sw_buf_lit(b, "; IPv4 addresses are not asked for: the listener has an IPv6 one");
}
