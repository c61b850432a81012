/* The document of `sipward explain` laid out for people. */
#include "cmd/explain.h"

#include <stdio.h>

static const char *str(const json_t *o, const char *key)
{
    const char *s = json_string_value(json_object_get(o, key));
    return s ? s : "";
}

static void line(const char *name, const json_t *o, const char *key)
{
    if (*str(o, key))
        printf("   %-12s %s\n", name, str(o, key));
}

static void print_source(const json_t *doc)
{
    const json_t *s = json_object_get(doc, "source");
    printf("%s %s\n\nfrom\n", str(doc, "method"), str(doc, "uri"));
    printf("   %-12s %s%s\n", "peer", str(s, "peer"),
           json_is_true(json_object_get(s, "chosen")) ? " (taken: --from names another)" : "");
    printf("   %-12s %s from %s, to listener %s\n", "comes by", str(s, "transport"),
           str(s, "remote"), str(s, "listener"));
    line("known by", s, "why");
    line("expected", s, "expected");
    line("trust", s, "trust");
    line("policy", s, "policy");
}

static void print_route(const json_t *r)
{
    const json_t *to = json_object_get(r, "to"), *reject = json_object_get(r, "reject");
    const json_t *name;
    size_t i;
    printf("   %-3lld line %-5lld from %s, ",
           (long long)json_integer_value(json_object_get(r, "route")),
           (long long)json_integer_value(json_object_get(r, "line")), str(r, "from"));
    if (reject)
        printf("reject %lld", (long long)json_integer_value(reject));
    else
        fputs("to", stdout);
    json_array_foreach(to, i, name) printf("%s %s", i ? "," : "", json_string_value(name));
    if (*str(r, "choose"))
        printf(" by %s, one draw of many", str(r, "choose"));
    if (*str(r, "differs"))
        printf(": no, `%s` is another\n", str(r, "differs"));
    else
        puts(": this one");
    if (!*str(r, "differs"))
        sw_explain_print_rules(r);
}

static void print_routes(const json_t *doc)
{
    const json_t *list = json_object_get(doc, "routes"), *r;
    size_t i;
    if (!json_array_size(list))
        return;
    puts("\nroutes");
    json_array_foreach(list, i, r) print_route(r);
}

static void print_certificates(const json_t *t)
{
    const json_t *name;
    size_t i;
    json_array_foreach(json_object_get(t, "certificate"), i, name)
        printf("   %-12s %s\n", i ? "" : "certificate", json_string_value(name));
}

static void print_target(const json_t *t, size_t i)
{
    const char *conn = str(t, "conn");
    printf("\ntarget %zu: %s\n", i + 1, str(t, "peer"));
    line("when", t, "when");
    line("dns", t, "dns");
    printf("   %-12s %s to %s, from listener %s%s\n", "transport", str(t, "transport"),
           str(t, "address"), str(t, "listener"),
           json_is_true(json_object_get(t, "large_over_tcp")) ? "; above 1300 bytes over TCP" : "");
    printf("   %-12s %s%s%s\n", "connection", conn, *conn ? ": " : "", str(t, "connection"));
    line("health", t, "health");
    line("avoided", t, "avoided");
    line("shows", t, "identity");
    print_certificates(t);
    line("policy", t, "policy");
    line("server name", t, "server_name");
    line("trust", t, "trust");
    line("expected", t, "expected");
    line("verify", t, "verify");
    sw_explain_print_peer(t);
    line("Request-URI", t, "request_uri");
}

static void print_answer(const json_t *doc)
{
    const json_t *a = json_object_get(doc, "answer");
    long long status = json_integer_value(json_object_get(a, "status"));
    if (!a)
        return;
    puts("\nanswer");
    if (status)
        printf("   %-12s %lld %s\n", "status", status, str(a, "reason"));
    else
        printf("   %-12s none\n", "status");
    line("Warning", a, "warning");
    line("why", a, "why");
    line("help", a, "help");
}

void sw_explain_print(const json_t *doc)
{
    const json_t *list = json_object_get(doc, "targets"), *t;
    size_t i;
    print_source(doc);
    print_routes(doc);
    sw_explain_print_dns(json_object_get(doc, "dns"));
    json_array_foreach(list, i, t) print_target(t, i);
    print_answer(doc);
    printf("\nsips\n   %-12s %s\n", "verdict", str(json_object_get(doc, "sips"), "verdict"));
    if (!json_is_true(json_object_get(doc, "gateway_asked")))
        puts("\nNo gateway runs with this configuration's admin.socket: connections, what is\n"
             "known of peers and which places are avoided are as after a start.");
}
