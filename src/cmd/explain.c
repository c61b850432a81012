#include "cmd/explain.h"

#include "cmd/cmd.h"
#include "sip/lex.h"
#include <stdio.h>
#include <stdlib.h>

struct asked {
    const char *path, *uri, *method, *from;
    const char *headers[SW_EXPLAIN_HEADERS_MAX + 1]; /* one too many is told */
    uint32_t header_count;
    bool json;
};

static bool read_arguments(int argc, char **argv, struct asked *a)
{
    *a = (struct asked){.method = "INVITE"};
    for (int i = 1; i < argc; i++) {
        bool header = strcmp(argv[i], "--header") == 0 && a->header_count <= SW_EXPLAIN_HEADERS_MAX;
        const char **value = strcmp(argv[i], "-c") == 0         ? &a->path
                             : strcmp(argv[i], "--from") == 0   ? &a->from
                             : strcmp(argv[i], "--method") == 0 ? &a->method
                             : header                           ? &a->headers[a->header_count]
                                                                : NULL;
        if (value && i + 1 < argc)
            *value = argv[++i];
        else if (strcmp(argv[i], "--json") == 0)
            a->json = true;
        else if (value || argv[i][0] == '-' || a->uri)
            return false;
        else
            a->uri = argv[i];
        a->header_count += header;
    }
    return true;
}

/* What would be another message than the one that is asked about; NULL: nothing is wrong. */
static const char *wrong_argument(const struct asked *a)
{
    if (!a->path)
        return "-c FILE is missing";
    if (!a->uri)
        return "the URI is missing";
    for (const char *p = a->uri; *p; p++)
        if ((unsigned char)*p <= ' ' || (unsigned char)*p == 127)
            return "a URI has neither spaces nor control characters";
    if (!sw_explain_is_utf8(a->uri))
        return "the URI is no UTF-8";
    for (const char *p = a->method; *p; p++)
        if (!sw_ch(*p, SW_CH_TOKEN))
            return "--method is no name of a method";
    if (!*a->method || strcmp(a->method, "ACK") == 0 || strcmp(a->method, "CANCEL") == 0)
        return "--method is a request of its own: ACK and CANCEL follow another one";
    if (a->header_count > SW_EXPLAIN_HEADERS_MAX)
        return "--header stands more than 32 times";
    for (uint32_t i = 0; i < a->header_count; i++)
        if (sw_explain_header_wrong(a->headers[i]))
            return sw_explain_header_wrong(a->headers[i]);
    return NULL;
}

/* The first peer whose request goes somewhere, else the first one. */
static bool ask_for_any(struct sw_explain *x)
{
    const struct sw_proxy_conf *c = &x->snapshot->config.proxy;
    for (uint32_t i = 0; i < c->peer_count; i++)
        if (sw_explain_from(x, &c->peers[i], 0) && sw_explain_goes(x))
            return sw_explain_from(x, &c->peers[i], 0);
    return sw_explain_from(x, c->peer_count ? &c->peers[0] : NULL, SW_PEER_NOBODY);
}

/* False: `from` is neither a peer's name nor an address, or the text is too long. */
static bool ask_for(struct sw_explain *x, const char *from)
{
    const struct sw_config *c = &x->snapshot->config;
    struct sw_endpoint address;
    x->chosen = !from;
    if (!from)
        return ask_for_any(x);
    int64_t at = sw_names_index(&c->peer_names, sw_slice_str(from));
    if (at >= 0)
        return sw_explain_from(x, &c->proxy.peers[at], 0);
    if (strcmp(from, "verified") == 0)
        return sw_explain_from(x, NULL, SW_PEER_VERIFIED);
    if (strcmp(from, "nobody") == 0)
        return sw_explain_from(x, NULL, SW_PEER_NOBODY);
    return sw_endpoint_parse(sw_slice_str(from), 0, &address) && sw_explain_at(x, &address);
}

static int told(struct sw_explain *x, bool as_json)
{
    json_t *doc = sw_explain_json(x);
    if (!doc) {
        fputs("sipward explain: memory is out\n", stderr);
        return SW_EXIT_FAILED;
    }
    if (as_json) {
        json_dumpf(doc, stdout, JSON_INDENT(2));
        putchar('\n');
    } else {
        sw_explain_print(doc);
    }
    json_decref(doc);
    return x->result.done ? SW_EXIT_OK : SW_EXIT_FAILED;
}

int sw_cmd_explain(int argc, char **argv)
{
    struct asked a;
    int code = SW_EXIT_USAGE;
    if (!read_arguments(argc, argv, &a))
        return sw_cmd_usage("explain", "an argument is not known, or lacks its value");
    const char *wrong = wrong_argument(&a);
    if (wrong)
        return sw_cmd_usage("explain", wrong);
    struct sw_explain *x = calloc(1, sizeof(*x));
    if (!x) {
        fputs("sipward explain: memory is out\n", stderr);
        return SW_EXIT_FAILED;
    }
    x->path = a.path;
    x->uri = a.uri;
    x->method = a.method;
    memcpy(x->headers, a.headers, sizeof(x->headers));
    x->header_count = a.header_count;
    if (!sw_explain_open(x)) {
        sw_diags_print(&x->diags, stderr, false);
    } else if (!ask_for(x, a.from)) {
        code = sw_cmd_usage("explain", "--from is a peer's name, verified, nobody, or an address "
                                       "(and URI, method and headers fit into 8 KiB)");
    } else {
        sw_explain_run(x);
        code = told(x, a.json);
    }
    sw_explain_close(x);
    free(x);
    return code;
}
