/* What the gateway asks of the DNS on its way to an answer: explain asks it for real, so that what
 * it says is what would happen. */
#include "cmd/explain.h"
#include "dns/resolver.h"

#include <stdio.h>
#include <stdlib.h>

static struct sw_explain_question *asked(struct sw_explain *x, const struct sw_dns_question *q)
{
    for (uint32_t i = 0; i < x->question_count; i++)
        if (x->questions[i].question.type == q->type &&
            strcmp(x->questions[i].question.name, q->name) == 0)
            return &x->questions[i];
    return NULL;
}

const struct sw_dns_answer *sw_explain_ask(struct sw_explain *x, const struct sw_dns_question *q)
{
    static const struct sw_dns_answer none = {.status = SW_PEER_DNS};
    struct sw_explain_question *e = asked(x, q);
    if (e)
        return &e->answer;
    char *records = x->question_count < SW_EXPLAIN_QUESTIONS_MAX ? malloc(SW_DNS_ANSWER_MAX) : NULL;
    if (!records)
        return &none;
    e = &x->questions[x->question_count++];
    *e = (struct sw_explain_question){.question = *q, .records = records};
    sw_resolver_once(&x->snapshot->config.dns, q, &e->answer, records);
    return &e->answer;
}

void sw_explain_forget(struct sw_explain *x)
{
    for (uint32_t i = 0; i < x->question_count; i++)
        free(x->questions[i].records);
    x->question_count = 0;
}

/* ---- in words ---- */

static void put_hex(struct sw_buf *b, struct sw_slice s)
{
    sw_buf_hex(b, s.p, s.n);
}

static enum sw_status put_naptr(struct sw_buf *b, struct sw_slice rdata)
{
    struct sw_dns_naptr r;
    enum sw_status s = sw_dns_read_naptr(rdata, &r);
    if (s != SW_OK)
        return s;
    sw_buf_u64(b, r.order);
    sw_buf_char(b, ' ');
    sw_buf_u64(b, r.preference);
    const struct sw_slice texts[] = {r.flags, r.service, r.regexp};
    for (int i = 0; i < 3; i++) {
        sw_buf_lit(b, " \"");
        sw_buf_slice(b, texts[i]);
        sw_buf_char(b, '"');
    }
    sw_buf_char(b, ' ');
    sw_buf_str(b, r.replacement[0] ? r.replacement : ".");
    return SW_OK;
}

/* A record as a zone file has it. */
static enum sw_status put_record(struct sw_buf *b, uint16_t type, struct sw_slice rdata)
{
    struct sw_endpoint ip;
    struct sw_dns_srv srv;
    struct sw_dns_tlsa tlsa;
    enum sw_status s;
    switch ((enum sw_dns_type)type) {
    case SW_DNS_A:
    case SW_DNS_AAAA:
        s = sw_dns_read_address(rdata, &ip);
        if (s == SW_OK)
            sw_endpoint_ip_put(b, &ip, false);
        return s;
    case SW_DNS_SRV:
        s = sw_dns_read_srv(rdata, &srv);
        for (int i = 0; s == SW_OK && i < 3; i++) {
            sw_buf_u64(b, i == 0 ? srv.priority : i == 1 ? srv.weight : srv.port);
            sw_buf_char(b, ' ');
        }
        if (s == SW_OK)
            sw_buf_str(b, srv.target[0] ? srv.target : ".");
        return s;
    case SW_DNS_NAPTR:
        return put_naptr(b, rdata);
    case SW_DNS_TLSA:
        s = sw_dns_read_tlsa(rdata, &tlsa);
        for (int i = 0; s == SW_OK && i < 3; i++) {
            sw_buf_u64(b, i == 0 ? tlsa.usage : i == 1 ? tlsa.selector : tlsa.matching);
            sw_buf_char(b, ' ');
        }
        if (s == SW_OK)
            put_hex(b, tlsa.data);
        return s;
    }
    return SW_PEER_SYNTAX;
}

static const char *outcome(const struct sw_dns_answer *a)
{
    switch (a->status) {
    case SW_OK:
        return a->count ? "answered" : "the name has no such records";
    case SW_PEER_NO_NAME:
        return "the name does not exist";
    case SW_DENIED_BOGUS:
        return "refused: not what its owner signed";
    case SW_DENIED_UNSIGNED:
        return "refused: not signed, and dns.dnssec is require";
    default:
        return "the name servers fail or are silent";
    }
}

static json_t *records_of(const struct sw_explain_question *e)
{
    json_t *list = json_array();
    struct sw_slice rest = e->answer.records, rdata;
    while (sw_dns_next(&rest, &rdata) == SW_OK) {
        char text[1024];
        struct sw_buf b = sw_buf(text, sizeof(text));
        if (put_record(&b, e->question.type, rdata) != SW_OK || b.full) {
            b.n = 0;
            b.full = false;
            sw_buf_lit(&b, "cannot be read");
        }
        json_t *one = json_stringn(b.p, b.n); /* NULL: no UTF-8 */
        json_array_append_new(list, one ? one : json_string("cannot be read"));
    }
    return list;
}

json_t *sw_explain_dns(const struct sw_explain *x)
{
    json_t *list = json_array();
    for (uint32_t i = 0; i < x->question_count; i++) {
        const struct sw_explain_question *e = &x->questions[i];
        json_array_append_new(
            list,
            json_pack("{s:s, s:s, s:s, s:s, s:b, s:i, s:o}", "type",
                      sw_dns_type_name(e->question.type), "name", e->question.name, "status",
                      sw_status_name(e->answer.status), "outcome", outcome(&e->answer), "secure",
                      e->answer.secure, "ttl", (int)e->answer.ttl_s, "records", records_of(e)));
    }
    return list;
}

static void print_question(const json_t *q)
{
    const json_t *records = json_object_get(q, "records"), *r;
    size_t i;
    printf("   %-5s %s: %s%s\n", json_string_value(json_object_get(q, "type")),
           json_string_value(json_object_get(q, "name")),
           json_string_value(json_object_get(q, "outcome")),
           json_is_true(json_object_get(q, "secure")) ? " (DNSSEC)" : "");
    json_array_foreach(records, i, r) printf("         %s\n", json_string_value(r));
}

void sw_explain_print_dns(const json_t *list)
{
    const json_t *q;
    size_t i;
    if (json_array_size(list) == 0)
        return;
    puts("\ndns");
    json_array_foreach(list, i, q) print_question(q);
}
