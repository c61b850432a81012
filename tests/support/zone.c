#include "support/zone.h"

#include <assert.h>
#include <stdio.h>

void zone_raw(struct zone *z, const char *name, enum sw_dns_type type, const void *p, size_t n)
{
    struct zone_record *r = &z->r[z->count++];
    assert(z->count <= ZONE_RECORDS_MAX && n <= ZONE_RDATA_MAX);
    snprintf(r->name, sizeof(r->name), "%s", name);
    r->type = (uint16_t)type;
    r->status = SW_OK;
    r->n = (uint16_t)n;
    memcpy(r->rdata, p, n);
}

void zone_fail(struct zone *z, const char *name, enum sw_dns_type type, enum sw_status status)
{
    zone_raw(z, name, type, "", 0);
    z->r[z->count - 1].status = (uint16_t)status;
}

void zone_address(struct zone *z, const char *name, const char *ip)
{
    struct sw_endpoint e;
    bool ok = sw_endpoint_ip_parse(sw_slice_str(ip), &e);
    assert(ok);
    (void)ok;
    zone_raw(z, name, e.family == 4 ? SW_DNS_A : SW_DNS_AAAA, e.ip, e.family == 4 ? 4 : 16);
}

static void put_u16(struct sw_buf *b, unsigned v)
{
    sw_buf_char(b, (char)(v >> 8));
    sw_buf_char(b, (char)v);
}

static void put_string(struct sw_buf *b, struct sw_slice s)
{
    assert(s.n < 256);
    sw_buf_char(b, (char)s.n);
    sw_buf_slice(b, s);
}

static void put_name(struct sw_buf *b, const char *name)
{
    struct sw_slice rest = sw_slice_str(name);
    while (rest.n) {
        size_t n = sw_slice_find(rest, '.');
        if (n)
            put_string(b, sw_slice(rest.p, n));
        rest = sw_slice_from(rest, n + 1);
    }
    sw_buf_char(b, 0);
}

void zone_srv(struct zone *z, const char *name, unsigned priority, unsigned weight, unsigned port,
              const char *target)
{
    char bytes[ZONE_RDATA_MAX];
    struct sw_buf b = sw_buf(bytes, sizeof(bytes));
    put_u16(&b, priority);
    put_u16(&b, weight);
    put_u16(&b, port);
    put_name(&b, target);
    zone_raw(z, name, SW_DNS_SRV, b.p, b.n);
}

void zone_naptr(struct zone *z, const char *name, unsigned order, unsigned preference,
                const char *flags, const char *service, const char *regexp, const char *replacement)
{
    char bytes[ZONE_RDATA_MAX];
    struct sw_buf b = sw_buf(bytes, sizeof(bytes));
    put_u16(&b, order);
    put_u16(&b, preference);
    put_string(&b, sw_slice_str(flags));
    put_string(&b, sw_slice_str(service));
    put_string(&b, sw_slice_str(regexp));
    put_name(&b, replacement);
    zone_raw(z, name, SW_DNS_NAPTR, b.p, b.n);
}

void zone_remove(struct zone *z, const char *name)
{
    unsigned kept = 0;
    for (unsigned i = 0; i < z->count; i++)
        if (strcmp(z->r[i].name, name) != 0)
            z->r[kept++] = z->r[i];
    z->count = kept;
}

/* A name exists if it, or one below it, has a record. */
static bool exists_by(const char *record, const char *name)
{
    size_t n = strlen(record), k = strlen(name);
    return n >= k && strcmp(record + n - k, name) == 0 && (n == k || record[n - k - 1] == '.');
}

struct sw_dns_answer zone_answer(struct zone *z, const struct sw_dns_question *q)
{
    struct sw_dns_answer a = {.status = SW_PEER_NO_NAME, .secure = z->secure, .ttl_s = 60};
    struct sw_buf b = sw_buf(z->records, sizeof(z->records));
    for (unsigned i = 0; i < z->count; i++) {
        const struct zone_record *r = &z->r[i];
        if (a.status == SW_PEER_NO_NAME && exists_by(r->name, q->name))
            a.status = SW_OK;
        if (strcmp(r->name, q->name) != 0 || r->type != q->type)
            continue;
        if (r->status != SW_OK) {
            a.status = (enum sw_status)r->status;
            a.count = 0;
            return a;
        }
        put_u16(&b, r->n);
        sw_buf_put(&b, r->rdata, r->n);
        a.count++;
    }
    a.records = sw_buf_view(&b);
    return a;
}
