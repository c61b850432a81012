/* A probe as one JSON object. Its fields are in docs/man/sipward.8. */
#include "cmd/probe.h"

#include "sys/clock.h"
#include "tls/message.h"
#include <stdio.h>
#include <time.h>

static void put_text(const char *s)
{
    putchar('"');
    for (; *s; s++) {
        if (*s == '"' || *s == '\\')
            putchar('\\');
        putchar(*s);
    }
    putchar('"');
}

/* `"name": "text"` and a comma; null for an empty text. */
static void field(const char *name, const char *text)
{
    printf("\"%s\": ", name);
    if (text && text[0])
        put_text(text);
    else
        fputs("null", stdout);
    fputs(", ", stdout);
}

static void ms(const char *name, int64_t us)
{
    printf("\"%s\": %lld.%03lld", name, (long long)(us / 1000), (long long)(us % 1000));
}

/* Words, or lines, of a text as an array. */
static void words(const char *s, char between)
{
    putchar('[');
    for (bool first = true; s && *s; first = false) {
        char word[1024];
        const char *end = strchr(s, between);
        size_t n = end ? (size_t)(end - s) : strlen(s);
        struct sw_buf b = sw_buf(word, sizeof(word) - 1);
        sw_buf_put(&b, s, n < b.cap ? n : b.cap);
        probe_text_end(&b);
        if (!first)
            fputs(", ", stdout);
        put_text(word);
        s += n + (end != NULL);
    }
    putchar(']');
}

static void endpoint(const char *name, const struct sw_endpoint *e)
{
    char text[SW_ENDPOINT_TEXT_MAX];
    field(name, e->family ? sw_endpoint_text(e, text) : NULL);
}

void probe_json_start(const struct probe_goal *g)
{
    char text[SW_ENDPOINT_TEXT_MAX], uri[512];
    bool tls = g->transport == SW_TLS;
    snprintf(uri, sizeof(uri), "%.*s", SW_SLICE_ARG(g->uri));
    putchar('{');
    field("uri", uri);
    snprintf(uri, sizeof(uri), "%.*s", SW_SLICE_ARG(sw_transport_name(g->transport)));
    field("transport", uri);
    field("wanted", tls ? g->wanted : NULL);
    field("server_name", tls ? g->tls.server_name : NULL);
    field("shown", tls ? g->shown : NULL);
    field("believed", tls ? g->believed : NULL);
    field("policy", tls ? g->policies[g->tls.policy].name : NULL);
    field("resolver", g->by_name ? "dns" : "none");
    field("dns", g->by_name ? g->dns : NULL);
    fputs("\"addresses\": [", stdout);
    for (size_t i = 0; i < g->address_count; i++) {
        if (i)
            fputs(", ", stdout);
        put_text(sw_endpoint_text(&g->addresses[i], text));
    }
    fputs("],\n \"attempts\": [", stdout);
}

static void day(const char *name, int64_t at_s)
{
    char text[32];
    struct tm tm;
    time_t t = (time_t)at_s;
    strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&t, &tm));
    field(name, text);
}

static void phases(const struct probe_attempt *a)
{
    fputs("\"phases\": [", stdout);
    for (int p = 0; p < PROBE_PHASES; p++) {
        fputs(p ? ", {" : "{", stdout);
        field("name", probe_phase_name((enum probe_phase)p));
        field("result", probe_result_name(a->result[p]));
        ms("ms", a->took_us[p]);
        putchar('}');
    }
    fputs("],\n  ", stdout);
}

static void messages(const struct probe_attempt *a)
{
    fputs("\"messages\": [", stdout);
    for (unsigned i = 0; i < a->message_count; i++) {
        const struct probe_message *m = &a->messages[i];
        fputs(i ? ",\n   {" : "\n   {", stdout);
        field("name", m->name);
        field("from", m->sent ? "us" : "peer");
        printf("\"encrypted\": %s, \"bytes\": %zu, ", m->encrypted ? "true" : "false", m->bytes);
        field("carries", m->carries);
        fputs("\"lists\": ", stdout);
        words(m->lists, '\n');
        fputs(", ", stdout);
        ms("ms", m->us);
        putchar('}');
    }
    fputs("],\n  ", stdout);
}

static void chain(const struct probe_attempt *a)
{
    fputs("\"chain\": [", stdout);
    for (size_t i = 0; i < a->chain_count; i++) {
        const struct probe_cert *c = &a->chain[i];
        fputs(i ? ",\n   {" : "\n   {", stdout);
        field("subject", c->facts.subject);
        field("issuer", c->facts.issuer);
        field("serial", c->facts.serial);
        field("key", c->facts.key);
        day("not_before", c->facts.not_before_s);
        day("not_after", c->facts.not_after_s);
        printf("\"days_left\": %lld, \"is_ca\": %s, \"self_issued\": %s, \"purposes\": ",
               (long long)((c->facts.not_after_s - sw_clock_wall_s()) / 86400),
               c->facts.is_ca ? "true" : "false", c->facts.self_issued ? "true" : "false");
        words(c->purposes, ' ');
        fputs(", \"tls_features\": ", stdout);
        words(c->features, ' ');
        fputs(", \"names\": ", stdout);
        words(c->names, ' ');
        fputs(", \"identities\": ", stdout);
        words(c->identities, ' ');
        putchar('}');
    }
    fputs("],\n  ", stdout);
}

static void answer(const struct probe_attempt *a)
{
    const struct probe_answer *x = &a->answer;
    fputs("\"options\": ", stdout);
    if (!x->status) {
        fputs("null,\n  ", stdout);
        return;
    }
    putchar('{');
    field("reason", x->reason);
    field("server", x->server);
    field("allow", x->allow);
    field("supported", x->supported);
    field("contact", x->contact);
    field("warning", x->warning);
    printf("\"status\": %u},\n  ", x->status);
}

static void failure(const struct probe_attempt *a)
{
    const struct probe_failure *f = &a->failure;
    fputs("\"failure\": ", stdout);
    if (!f->why[0]) {
        fputs("null", stdout);
        return;
    }
    putchar('{');
    field("phase", probe_phase_name(f->phase));
    field("status", sw_status_name(f->status));
    field("why", f->why);
    field("wanted", f->wanted);
    field("came", f->came);
    field("certificate", f->certificate);
    field("alert", f->alert >= 0 ? sw_tls_alert_name((unsigned)f->alert) : NULL);
    field("alert_from", f->alert < 0 ? NULL : f->alert_sent ? "us" : "peer");
    fputs("\"help\": ", stdout);
    put_text(f->help);
    putchar('}');
}

void probe_json_attempt(const struct probe_attempt *a, bool first)
{
    fputs(first ? "\n {" : ",\n {", stdout);
    endpoint("remote", &a->remote);
    endpoint("local", &a->local);
    phases(a);
    messages(a);
    field("version", a->version);
    field("suite", a->suite);
    field("group", a->group);
    printf("\"confirmed\": %s,\n  ", a->confirmed ? "true" : "false");
    chain(a);
    field("verdict", a->verdict);
    field("identity", a->identity);
    answer(a);
    failure(a);
    putchar('}');
}

void probe_json_end(bool ok)
{
    printf("],\n \"ok\": %s}\n", ok ? "true" : "false");
}
