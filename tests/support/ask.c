/* The resolver by itself: ask SERVER,...|- off|opportunistic|require ANCHOR|- TIMEOUT_MS
 * QUESTIONS_MAX
 *
 * Each line of standard input is a command:
 *   NAME TYPE     asks; the answer is a line on standard output, whenever it comes
 *   wait          until all who asked are answered; then "waited"
 *   set SERVER,...|- off|opportunistic|require ANCHOR|-   another configuration
 *   stop          ends at once, as the end of the input does
 * An answer: JOB NAME TYPE STATUS HOW secure|insecure TTL VERSION, then the records, each behind
 * "|". */
#include "base/buf.h"
#include "dns/resolver.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t less = PTHREAD_COND_INITIALIZER;
static unsigned open_count;

static void print_hex(struct sw_slice s)
{
    for (size_t i = 0; i < s.n; i++)
        printf("%02x", (uint8_t)s.p[i]);
}

static void print_record(unsigned type, struct sw_slice rdata)
{
    char text[SW_ENDPOINT_TEXT_MAX];
    struct sw_endpoint e;
    struct sw_dns_srv srv;
    struct sw_dns_naptr n;
    struct sw_dns_tlsa t;
    struct sw_buf b = sw_buf(text, sizeof(text));
    if ((type == SW_DNS_A || type == SW_DNS_AAAA) && sw_dns_read_address(rdata, &e) == SW_OK) {
        sw_endpoint_ip_put(&b, &e, false);
        printf("|%.*s", (int)b.n, text);
    } else if (type == SW_DNS_SRV && sw_dns_read_srv(rdata, &srv) == SW_OK) {
        printf("|%u %u %u %s", srv.priority, srv.weight, srv.port, srv.target);
    } else if (type == SW_DNS_NAPTR && sw_dns_read_naptr(rdata, &n) == SW_OK) {
        printf("|%u %u %.*s %.*s %s", n.order, n.preference, (int)n.flags.n, n.flags.p,
               (int)n.service.n, n.service.p, n.replacement);
    } else if (type == SW_DNS_TLSA && sw_dns_read_tlsa(rdata, &t) == SW_OK) {
        printf("|%u %u %u ", t.usage, t.selector, t.matching);
        print_hex(t.data);
    } else {
        printf("|?");
        print_hex(rdata);
    }
}

static void answered(void *user, const struct sw_dns_asker *who, const struct sw_dns_result *r)
{
    const struct sw_dns_answer *a = r->answer;
    struct sw_slice rest = a->records, rdata;
    (void)user;
    pthread_mutex_lock(&lock);
    printf("%u %s %s %s %s %s %u %u", who->job.slot, r->question->name,
           sw_dns_type_name(r->question->type), sw_status_name(a->status), sw_status_name(r->how),
           a->secure ? "secure" : "insecure", a->ttl_s, r->version);
    while (sw_dns_next(&rest, &rdata) == SW_OK)
        print_record(r->question->type, rdata);
    printf("\n");
    fflush(stdout);
    open_count--;
    pthread_cond_signal(&less);
    pthread_mutex_unlock(&lock);
}

static void configure(struct sw_dns_conf *c, const char *server, const char *dnssec,
                      const char *anchor)
{
    struct sw_slice one, rest = sw_slice_str(strcmp(server, "-") == 0 ? "" : server);
    for (c->server_count = 0; rest.n; c->server_count++) {
        const char *comma = memchr(rest.p, ',', rest.n);
        one = sw_slice(rest.p, comma ? (size_t)(comma - rest.p) : rest.n);
        rest = sw_slice_from(rest, comma ? one.n + 1 : one.n);
        if (c->server_count == SW_DNS_SERVERS_MAX ||
            !sw_endpoint_parse(one, 53, &c->servers[c->server_count]))
            exit(2);
    }
    c->dnssec = strcmp(dnssec, "off") == 0       ? SW_DNSSEC_OFF
                : strcmp(dnssec, "require") == 0 ? SW_DNSSEC_REQUIRE
                                                 : SW_DNSSEC_OPPORTUNISTIC;
    snprintf(c->anchor, sizeof(c->anchor), "%s", strcmp(anchor, "-") == 0 ? "" : anchor);
    c->version++;
}

static enum sw_dns_type type_of(const char *word)
{
    static const enum sw_dns_type types[] = {SW_DNS_A, SW_DNS_AAAA, SW_DNS_SRV, SW_DNS_NAPTR,
                                             SW_DNS_TLSA};
    for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++)
        if (strcmp(word, sw_dns_type_name(types[i])) == 0)
            return types[i];
    exit(2);
}

static void ask(struct sw_resolver *r, const char *name, const char *type, uint32_t job)
{
    const struct sw_dns_asker who = {{job, 1}, 0};
    struct sw_dns_question q;
    bool good = sw_dns_ask(&q, sw_slice_str(name), type_of(type)) == SW_OK;
    pthread_mutex_lock(&lock);
    open_count++;
    pthread_mutex_unlock(&lock);
    if (good && sw_resolver_ask(r, &q, &who) == SW_OK)
        return;
    pthread_mutex_lock(&lock);
    printf("%u %s %s %s\n", job, name, type, good ? "full" : "no_question");
    fflush(stdout);
    open_count--;
    pthread_mutex_unlock(&lock);
}

static void wait_for_all(void)
{
    pthread_mutex_lock(&lock);
    while (open_count)
        pthread_cond_wait(&less, &lock);
    printf("waited\n");
    fflush(stdout);
    pthread_mutex_unlock(&lock);
}

int main(int argc, char **argv)
{
    struct sw_dns_conf conf = {.version = 0};
    char line[2048], a[1024], b[64], c[1024];
    if (argc != 6)
        return 2;
    configure(&conf, argv[1], argv[2], argv[3]);
    conf.timeout_ms = (uint32_t)strtoul(argv[4], NULL, 10);
    conf.questions_max = (uint32_t)strtoul(argv[5], NULL, 10);
    struct sw_resolver *r = sw_resolver_new(&conf, answered, NULL);
    if (!r)
        return 1;
    for (uint32_t job = 1; fgets(line, sizeof(line), stdin) && strcmp(line, "stop\n") != 0; job++) {
        if (sscanf(line, "set %1023s %63s %1023s", a, b, c) == 3) {
            configure(&conf, a, b, c);
            sw_resolver_set(r, &conf);
        } else if (strcmp(line, "wait\n") == 0) {
            wait_for_all();
        } else if (sscanf(line, "%1023s %63s", a, b) == 2) {
            ask(r, a, b, job);
        }
    }
    sw_resolver_free(r);
    return 0;
}
