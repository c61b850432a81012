/* Parser, checks and typed access: every slice lies in the message, and what is edited renders. */
#include "sip/build.h"
#include "sip/edit.h"

#include <stdlib.h>

static const char *g_p;
static size_t g_n;

static void inside(struct sw_slice s)
{
    if (s.n && (s.p < g_p || s.p + s.n > g_p + g_n))
        abort();
}

static void values(const struct sw_msg *m)
{
    static const enum sw_hdr_id addresses[] = {SW_HDR_ROUTE, SW_HDR_RECORD_ROUTE, SW_HDR_CONTACT};
    struct sw_addr a;
    struct sw_via v;
    struct sw_slice t;
    struct sw_uri u;
    for (size_t i = 0; i < 3; i++) {
        struct sw_values x = sw_values(m, addresses[i]);
        while (sw_values_addr(&x, &a) == SW_OK) {
            inside(a.whole);
            inside(a.uri);
            inside(a.display);
            if (sw_uri_parse(a.uri, &u, NULL) == SW_OK)
                inside(u.host);
        }
    }
    struct sw_values x = sw_values(m, SW_HDR_VIA);
    while (sw_values_via(&x, &v) == SW_OK) {
        inside(v.whole);
        inside(v.branch);
    }
    x = sw_values(m, SW_HDR_PROXY_REQUIRE);
    while (sw_values_token(&x, &t) == SW_OK)
        inside(t);
}

static void rows(const struct sw_msg *m)
{
    uint32_t at = m->headers_at;
    for (uint32_t i = 0; i < m->hdr_count; i++) {
        const struct sw_hdr *h = &m->hdrs[i];
        inside(sw_hdr_name(m, h));
        inside(sw_hdr_value(m, h));
        if (h->at != at || h->end <= h->at)
            abort(); /* rows follow each other without gap */
        at = h->end;
    }
    if (m->blank_at != at || m->body_at < at || m->body_at > m->n)
        abort();
}

static void build(const struct sw_msg *m, const struct sw_vitals *v)
{
    static char text[1 << 18];
    struct sw_endpoint source = {.family = 4, .ip = {192, 0, 2, 1}, .port = 5060};
    struct sw_buf b = sw_buf(text, sizeof(text));
    const struct sw_response r = {.code = 400, .to_tag = SW_SLICE("t")};
    struct sw_hdr hdrs[SW_HDRS_MAX + 8];
    struct sw_msg again;
    sw_build_response(&b, m, &v->via, &source, &r);
    if (!b.full && sw_msg_parse(b.p, b.n, hdrs, SW_HDRS_MAX + 8, &again) == SW_OK &&
        again.status != 400)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct sw_hdr hdrs[SW_HDRS_MAX];
    struct sw_msg m;
    struct sw_vitals v;
    struct sw_verdict verdict = {0};
    char *copy = malloc(size + 1); /* its end is watched by the sanitizer */
    memcpy(copy, data, size);
    g_p = copy;
    g_n = size;
    if (sw_msg_parse(copy, size, hdrs, SW_HDRS_MAX, &m) == SW_OK) {
        rows(&m);
        values(&m);
        enum sw_status s = m.status ? sw_check_response(&m, size & 1, &v, &verdict)
                                    : sw_check_request(&m, size & 1, &v, &verdict);
        if (s == SW_OK || verdict.code) {
            inside(v.via.whole);
            inside(v.call_id);
            inside(v.uri.host);
            build(&m, &v);
        }
    }
    free(copy);
    return 0;
}
