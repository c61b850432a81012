#include "dns/context.h"

#include <stdlib.h>
#include <sys/stat.h>
#include <unbound.h>
#include <unistd.h>

enum { CLASS_IN = 1, RCODE_NO_ERROR = 0, RCODE_NO_NAME = 3 };

static const char resolv_conf[] = "/etc/resolv.conf";
static const char hosts[] = "/etc/hosts";

struct sw_dns_context {
    struct ub_ctx *ub;
    sw_dns_done_fn *done;
    enum sw_dnssec dnssec;
    char records[SW_DNS_ANSWER_MAX]; /* of the answer that is being told */
};

/* What is not as the library has it. */
static const struct {
    const char *name, *value;
} options[] = {
    /* the library says of these that no name is there, though some networks have them: RFC 6761
     * 6.2, RFC 8375; what the hosts file has of them is kept */
    {"local-zone:", "test. transparent"},
    {"local-zone:", "home.arpa. transparent"},
    {"outgoing-num-tcp:", "16"},
    {"num-queries-per-thread:", "4096"},
    /* a server that was silent is asked again soon: it is often the only one, and while it counts
     * as down, which ends with what is known of it, all questions fail */
    {"infra-cache-max-rtt:", "4000"},
    {"infra-keep-probing:", "yes"},
    {"infra-host-ttl:", "5"},
    {"cache-max-ttl:", "86400"},
    {"val-bogus-ttl:", "30"},
};

/* A socket for each question that is under way: with less of them, and the library has 16, names
 * whose servers are silent keep all others waiting. */
static int set_sockets(struct ub_ctx *ub, const struct sw_dns_conf *c)
{
    enum { LEAST = 256, VALIDATION = 64 };
    char text[24];
    struct sw_buf b = sw_buf(text, sizeof(text));
    uint32_t n = c->questions_max + VALIDATION;
    sw_buf_u64(&b, n < LEAST ? LEAST : n);
    sw_buf_char(&b, '\0');
    return ub_ctx_set_option(ub, "outgoing-range:", text);
}

static int set_options(struct ub_ctx *ub, const struct sw_dns_conf *c)
{
    int e = set_sockets(ub, c);
    for (size_t i = 0; e == 0 && i < sizeof(options) / sizeof(options[0]); i++)
        e = ub_ctx_set_option(ub, options[i].name, options[i].value);
    return e;
}

static int set_servers(struct ub_ctx *ub, const struct sw_dns_conf *c)
{
    char text[SW_ENDPOINT_TEXT_MAX + 8];
    int e = 0;
    if (c->server_count == 0) {
        /* without the first file the library starts at the root */
        e = ub_ctx_resolvconf(ub, resolv_conf);
        return e == UB_READFILE ? 0 : e;
    }
    for (uint32_t i = 0; e == 0 && i < c->server_count; i++) {
        struct sw_buf b = sw_buf(text, sizeof(text));
        sw_endpoint_ip_put(&b, &c->servers[i], false);
        sw_buf_char(&b, '@');
        sw_buf_u64(&b, c->servers[i].port ? c->servers[i].port : 53);
        sw_buf_char(&b, '\0');
        e = ub_ctx_set_fwd(ub, text);
    }
    return e;
}

/* A file that is not signed has no place where only signed answers are used. */
static int set_hosts(struct ub_ctx *ub, const struct sw_dns_conf *c)
{
    int e = c->server_count || c->dnssec == SW_DNSSEC_REQUIRE ? 0 : ub_ctx_hosts(ub, hosts);
    return e == UB_READFILE ? 0 : e;
}

static int set_dnssec(struct ub_ctx *ub, const struct sw_dns_conf *c)
{
    if (c->dnssec == SW_DNSSEC_OFF)
        return ub_ctx_set_option(ub, "module-config:", "iterator");
    return c->anchor[0] ? ub_ctx_add_ta_file(ub, c->anchor) : 0;
}

struct sw_dns_context *sw_dns_context_new(const struct sw_dns_conf *c, sw_dns_done_fn *done,
                                          const char **why)
{
    struct sw_dns_context *x = calloc(1, sizeof(*x));
    *why = "memory is out";
    if (!x)
        return NULL;
    x->done = done;
    x->dnssec = c->dnssec;
    x->ub = ub_ctx_create();
    int e = x->ub ? ub_ctx_debugout(x->ub, NULL) : UB_NOMEM; /* the log is ours */
    if (e == 0)
        e = set_options(x->ub, c);
    if (e == 0)
        e = set_servers(x->ub, c);
    if (e == 0)
        e = set_hosts(x->ub, c);
    if (e == 0)
        e = set_dnssec(x->ub, c);
    if (e == 0)
        e = ub_ctx_async(x->ub, 1); /* with a thread */
    if (e == 0) /* any call that reads the configuration now, and not with the first question */
        e = ub_ctx_zone_remove(x->ub, "sipward.invalid.");
    if (e == 0)
        return x;
    *why = e == UB_INITFAIL && c->anchor[0] ? "the trust anchor cannot be read" : ub_strerror(e);
    sw_dns_context_free(x);
    return NULL;
}

void sw_dns_context_free(struct sw_dns_context *x)
{
    if (!x)
        return;
    if (x->ub)
        ub_ctx_delete(x->ub);
    free(x);
}

int sw_dns_context_fd(const struct sw_dns_context *x)
{
    return ub_fd(x->ub);
}

void sw_dns_context_run(struct sw_dns_context *x)
{
    if (ub_process(x->ub) != 0)
        return; /* nothing came: who asked has a time limit */
}

/* The records, each behind its length. False: there are more bytes than anybody wants. */
static bool take_records(struct sw_dns_context *x, const struct ub_result *r,
                         struct sw_dns_answer *out)
{
    size_t n = 0;
    for (int i = 0; r->data && r->data[i]; i++) {
        size_t len = (size_t)r->len[i];
        if (r->len[i] < 0 || len > UINT16_MAX || n + 2 + len > sizeof(x->records))
            return false;
        x->records[n] = (char)(len >> 8);
        x->records[n + 1] = (char)len;
        memcpy(&x->records[n + 2], r->data[i], len);
        n += 2 + len;
        out->count++;
    }
    out->records = sw_slice(x->records, n);
    return true;
}

static uint32_t ttl_of(const struct ub_result *r, uint32_t max)
{
    return r->ttl < 0 ? 0 : (uint32_t)r->ttl > max ? max : (uint32_t)r->ttl;
}

static struct sw_dns_answer failure(enum sw_status status, uint32_t ttl_s)
{
    return (struct sw_dns_answer){.status = status, .ttl_s = ttl_s};
}

/* What a result of the library means. RFC 4035 4.3 and 5.5 */
static struct sw_dns_answer read_result(struct sw_dns_context *x, const struct ub_result *r,
                                        const char **why)
{
    struct sw_dns_answer a = {.status = SW_OK, .secure = r->secure != 0};
    if (r->bogus) {
        *why = r->why_bogus ? r->why_bogus : "its signatures do not hold";
        return failure(SW_DENIED_BOGUS, SW_DNS_TTL_BOGUS_S);
    }
    if (r->rcode != RCODE_NO_ERROR && r->rcode != RCODE_NO_NAME) {
        *why = r->rcode == 5 ? "the servers refuse to answer" : "the servers fail or are silent";
        return failure(SW_PEER_DNS, SW_DNS_TTL_FAILED_S);
    }
    if (x->dnssec == SW_DNSSEC_REQUIRE && !r->secure) {
        *why = "it is not signed, or no anchor covers it, and dns.dnssec is require";
        return failure(SW_DENIED_UNSIGNED, ttl_of(r, SW_DNS_TTL_BOGUS_S));
    }
    if (r->rcode == RCODE_NO_NAME)
        a.status = SW_PEER_NO_NAME;
    else if (!take_records(x, r, &a)) {
        *why = "more records than are taken";
        return failure(SW_PEER_DNS, SW_DNS_TTL_FAILED_S);
    }
    a.ttl_s = ttl_of(r, a.count ? SW_DNS_TTL_MAX_S : SW_DNS_TTL_NO_MAX_S);
    return a;
}

static void came(void *user, int error, struct ub_result *r)
{
    struct sw_dns_call *call = user;
    struct sw_dns_context *x = call->context;
    const char *why = NULL;
    struct sw_dns_answer a;
    if (error == 0 && r) {
        a = read_result(x, r, &why);
    } else {
        a = failure(SW_PEER_DNS, SW_DNS_TTL_FAILED_S);
        why = ub_strerror(error);
    }
    x->done(call, &a, why);
    if (r)
        ub_resolve_free(r);
}

enum sw_status sw_dns_context_ask(struct sw_dns_context *x, const struct sw_dns_question *q,
                                  struct sw_dns_call *call, const char **why)
{
    call->context = x;
    int e = ub_resolve_async(x->ub, q->name, q->type, CLASS_IN, call, came, NULL);
    if (e == 0)
        return SW_OK;
    *why = ub_strerror(e);
    return SW_PEER_DNS;
}

const char *sw_dns_root_anchor(void)
{
    static const char *const files[] = {
        "/usr/share/dns/root.key",
        "/var/lib/unbound/root.key",
        "/etc/unbound/root.key",
    };
    for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++)
        if (access(files[i], R_OK) == 0)
            return files[i];
    return NULL;
}

uint32_t sw_dns_system_stamp(void)
{
    const char *const files[] = {resolv_conf, hosts};
    uint64_t sum = 0;
    for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
        struct stat st;
        if (stat(files[i], &st) != 0)
            continue;
        sum = sum * 1000003 + (uint64_t)st.st_ino;
        sum = sum * 1000003 + (uint64_t)st.st_size;
        sum = sum * 1000003 + (uint64_t)st.st_mtim.tv_sec;
        sum = sum * 1000003 + (uint64_t)st.st_mtim.tv_nsec;
    }
    return (uint32_t)(sum ^ sum >> 32);
}
