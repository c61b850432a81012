/* sipward probe: a connection to a peer, told phase by phase. */
#include "cmd/probe.h"

#include "cmd/cmd.h"
#include <stdlib.h>

enum { TIMEOUT_MS = 5000, TIMEOUT_MAX_S = 3600 };

static const char *const g_bad = "an argument is not known, or lacks its value";

/* Seconds, with at most three digits behind the point. */
static bool read_timeout(const char *s, int64_t *out_ms)
{
    struct sw_slice text = sw_slice_str(s);
    size_t dot = sw_slice_find(text, '.');
    struct sw_slice part = sw_slice_from(text, dot + 1);
    uint64_t whole, rest = 0;
    if (!sw_slice_u64(sw_slice(s, dot), TIMEOUT_MAX_S, &whole) || part.n > 3 ||
        (dot < text.n && !sw_slice_u64(part, 999, &rest)))
        return false;
    for (size_t i = part.n; i < 3; i++)
        rest *= 10;
    *out_ms = (int64_t)(whole * 1000 + rest);
    return *out_ms > 0;
}

static bool take_value(const char *name, const char *value, struct probe_args *x)
{
    const struct {
        const char *name, **to;
    } options[] = {{"--cert", &x->cert},     {"--key", &x->key},  {"--ca", &x->ca},
                   {"--domain", &x->domain}, {"--via", &x->via},  {"--policy", &x->policy},
                   {"-c", &x->config},       {"--peer", &x->peer}};
    if (strcmp(name, "--timeout") == 0)
        return read_timeout(value, &x->timeout_ms);
    for (size_t i = 0; i < sizeof(options) / sizeof(options[0]); i++)
        if (strcmp(name, options[i].name) == 0) {
            *options[i].to = value;
            return true;
        }
    return false;
}

/* NULL, or what is wrong. */
static const char *read_args(int argc, char **argv, struct probe_args *x)
{
    *x = (struct probe_args){.timeout_ms = TIMEOUT_MS};
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--json") == 0)
            x->json = true;
        else if (argv[i][0] != '-' && !x->uri)
            x->uri = argv[i];
        else if (argv[i][0] != '-' || i + 1 == argc || !take_value(argv[i], argv[i + 1], x))
            return g_bad;
        else
            i++;
    }
    if (!x->config != !x->peer)
        return "-c FILE and --peer NAME go together";
    if (x->peer && (x->cert || x->key || x->ca || x->domain || x->policy))
        return "a peer has its own: --cert, --key, --ca, --domain and --policy do not go with it";
    return x->uri || x->peer ? NULL : "the URI is missing";
}

static bool try_address(const struct probe_goal *g, struct sw_tls_worker *w, bool json, size_t i)
{
    struct probe_attempt *a = calloc(1, sizeof(*a));
    if (!a)
        return false;
    a->goal = g;
    if (!json) {
        a->show = probe_print_message;
        a->phase_done = probe_print_phase;
    }
    a->remote = g->addresses[i];
    a->dane = g->dane[i];
    a->result[PROBE_DNS] = g->by_name ? PROBE_PASSED : PROBE_SKIPPED;
    bool ok = probe_try(a, w);
    if (json)
        probe_json_attempt(a, i == 0);
    else
        probe_print_end(a);
    probe_attempt_clear(a);
    free(a);
    return ok;
}

static void tell_dns(const struct probe_goal *g, bool json)
{
    struct probe_attempt *a = calloc(1, sizeof(*a));
    if (!a)
        return;
    a->goal = g;
    probe_dns_failed(a);
    if (json)
        probe_json_attempt(a, true);
    else
        probe_print_end(a);
    free(a);
}

static bool try_all(struct probe_goal *g, struct sw_tls_worker *w, bool json)
{
    bool ok = false;
    if (!json)
        probe_print_start(g);
    bool found = probe_locate(g);
    if (json)
        probe_json_start(g);
    else if (found)
        probe_print_addresses(g);
    if (!found)
        tell_dns(g, json);
    for (size_t i = 0; i < g->address_count && !ok; i++)
        ok = try_address(g, w, json, i);
    if (json)
        probe_json_end(ok);
    return ok;
}

int sw_cmd_probe(int argc, char **argv)
{
    struct probe_args args;
    char text[512];
    const char *why = read_args(argc, argv, &args);
    struct probe_goal *g = why ? NULL : calloc(1, sizeof(*g));
    int code = SW_EXIT_USAGE;
    if (!g)
        return sw_cmd_usage("probe", why ? why : "memory is out");
    if (probe_goal_make(&args, g, text)) {
        struct sw_tls_worker *w = sw_tls_worker_new(g->policies, g->policy_count, probe_seen);
        code = w && try_all(g, w, args.json) ? SW_EXIT_OK : SW_EXIT_FAILED;
        sw_tls_worker_free(w);
    } else {
        sw_cmd_usage("probe", text);
    }
    probe_goal_free(g);
    free(g);
    return code;
}
