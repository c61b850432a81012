/* sipward-load: load for one gateway on loopback; CPU time and memory are the gateway's own. */
#include "load.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct load_options g_o = {
    .mode = "options",
    .domain = "example.test",
    .caller = LOAD_TLS,
    .callee = LOAD_UDP,
    .gateway_port = 5061,
    .callee_port = 6061,
    .conns = 8,
    .window = 64,
    .seconds = 60,
};

static const char usage[] =
    "sipward-load [options]\n"
    "  --mode options|calls|handshake|idle\n"
    "  --caller udp|tcp|tls  --callee udp|tcp|tls\n"
    "  --gateway-port N  --callee-port N  --domain NAME\n"
    "  --cert FILE --key FILE --ca FILE   of both peers\n"
    "  --conns N    connections of the caller; handshakes at once\n"
    "  --window N   units at once       --rate R     units started per second\n"
    "  --count N    units in all        --seconds S  at most\n"
    "  --resume     handshakes take up sessions    --bare  the caller shows no certificate\n"
    "  --watch PID  the gateway's process  --every S  a line on its memory every S seconds\n";

static enum load_transport transport(const char *s)
{
    return !strcmp(s, "tls") ? LOAD_TLS : !strcmp(s, "tcp") ? LOAD_TCP : LOAD_UDP;
}

static bool option(int key, const char *v)
{
    switch (key) {
    case 'm':
        g_o.mode = v;
        return true;
    case 'a':
        g_o.caller = transport(v);
        return true;
    case 'b':
        g_o.callee = transport(v);
        return true;
    case 'p':
        g_o.gateway_port = atoi(v);
        return true;
    case 'q':
        g_o.callee_port = atoi(v);
        return true;
    case 'd':
        g_o.domain = v;
        return true;
    case 'c':
        g_o.cert = v;
        return true;
    case 'k':
        g_o.key = v;
        return true;
    case 'A':
        g_o.ca = v;
        return true;
    case 'C':
        g_o.conns = atoi(v);
        return true;
    case 'w':
        g_o.window = atoi(v);
        return true;
    case 'r':
        g_o.rate = atof(v);
        return true;
    case 'n':
        g_o.count = atol(v);
        return true;
    case 's':
        g_o.seconds = atof(v);
        return true;
    case 'W':
        g_o.watch = atoi(v);
        return true;
    case 'e':
        g_o.every = atoi(v);
        return true;
    case 'R':
        g_o.resume = true;
        return true;
    case 'B':
        g_o.bare = true;
        return true;
    default:
        return false;
    }
}

static bool parse(int argc, char **argv)
{
    static const struct option names[] = {
        {"mode", 1, 0, 'm'},   {"caller", 1, 0, 'a'},       {"callee", 1, 0, 'b'},
        {"count", 1, 0, 'n'},  {"gateway-port", 1, 0, 'p'}, {"callee-port", 1, 0, 'q'},
        {"domain", 1, 0, 'd'}, {"cert", 1, 0, 'c'},         {"key", 1, 0, 'k'},
        {"ca", 1, 0, 'A'},     {"conns", 1, 0, 'C'},        {"window", 1, 0, 'w'},
        {"rate", 1, 0, 'r'},   {"seconds", 1, 0, 's'},      {"watch", 1, 0, 'W'},
        {"every", 1, 0, 'e'},  {"resume", 0, 0, 'R'},       {"bare", 0, 0, 'B'},
        {0, 0, 0, 0},
    };
    for (int k; (k = getopt_long(argc, argv, "", names, NULL)) != -1;)
        if (!option(k, optarg))
            return false;
    return optind == argc && g_o.conns > 0 && g_o.window > 0;
}

/* ---- handshakes ---- */

static long g_begun;

static void next_handshake(struct load_conn *c)
{
    load_close(c);
    if (g_begun < g_o.count) {
        g_begun++;
        load_connect();
    }
}

static void handshake_up(struct load_conn *c, double ms)
{
    load_time_add(ms);
    if (!g_o.resume) /* else a session comes: TLS 1.3 gives it after the handshake */
        next_handshake(c);
}

static int handshakes(void)
{
    double cpu = load_cpu_s(g_o.watch), begun = load_now_s(), end = begun + g_o.seconds;
    load_on_up = handshake_up;
    load_on_session = next_handshake;
    for (int i = 0; i < g_o.conns && g_begun < g_o.count; i++, g_begun++)
        load_connect();
    while (load_net.up + load_net.failed < g_o.count && load_now_s() < end)
        load_turn(20);
    double took = load_now_s() - begun;
    cpu = load_cpu_s(g_o.watch) - cpu;
    printf("mode=handshake done=%ld failed=%ld resumed=%ld seconds=%.2f per_s=%.0f cpu_us=%.1f "
           "ms_p50=%.2f "
           "ms_p99=%.2f\n",
           load_net.up, load_net.failed, load_net.resumed, took, (double)load_net.up / took,
           load_net.up ? cpu * 1e6 / (double)load_net.up : 0, load_time_percentile(.5),
           load_time_percentile(.99));
    return load_net.failed || load_net.up < g_o.count;
}

/* ---- idle connections ---- */

static int idle(void)
{
    double before = load_pss_kb(g_o.watch), end = load_now_s() + g_o.seconds;
    for (long made = 0; made < g_o.count && load_now_s() < end;) {
        for (int i = 0; i < g_o.conns && made < g_o.count; i++, made++)
            load_connect();
        while (load_net.up + load_net.failed < made && load_now_s() < end)
            load_turn(20);
    }
    for (double settled = load_now_s() + 1; load_now_s() < settled;)
        load_turn(20);
    double after = load_pss_kb(g_o.watch);
    printf("mode=idle conns=%ld failed=%ld lost=%ld kb_before=%.0f kb_after=%.0f "
           "kb_per_conn=%.2f\n",
           load_net.up, load_net.failed, load_net.lost, before, after,
           load_net.up ? (after - before) / (double)load_net.up : 0);
    return load_net.failed || load_net.lost || load_net.up < g_o.count;
}

/* ---- messages ---- */

static bool finished(double now, double end)
{
    if (g_o.count && load_units.done + load_units.failed >= g_o.count)
        return true;
    return now >= end;
}

static void begin_units(double now, double begun)
{
    long due = g_o.rate > 0 ? (long)((now - begun) * g_o.rate) : g_o.count ? g_o.count : 1L << 62;
    if (g_o.count && due > g_o.count)
        due = g_o.count;
    while (load_units.started < due && load_unit_begin())
        ;
}

static int messages(void)
{
    struct load_conn **conns = calloc((size_t)g_o.conns, sizeof(*conns));
    if (g_o.caller == LOAD_UDP)
        g_o.conns = 1;
    load_units_start(&g_o, conns);
    load_listen();
    for (int i = 0; conns && i < g_o.conns; i++)
        conns[i] = load_connect();
    for (double end = load_now_s() + 10; load_net.up < g_o.conns && load_now_s() < end;)
        load_turn(20);
    if (load_net.up < g_o.conns) {
        fprintf(stderr, "%ld of %d connections came up\n", load_net.up, g_o.conns);
        return 1;
    }
    double cpu = load_cpu_s(g_o.watch), begun = load_now_s(), end = begun + g_o.seconds;
    double told = begun, now = begun;
    for (; !finished(now, end); now = load_now_s()) {
        begin_units(now, begun);
        load_turn(g_o.rate > 0 ? 1 : 20);
        if (g_o.every && now - told >= g_o.every) {
            told += g_o.every;
            printf("at_s=%.0f done=%ld failed=%ld kb=%.0f\n", now - begun, load_units.done,
                   load_units.failed, load_pss_kb(g_o.watch));
            fflush(stdout);
        }
    }
    cpu = load_cpu_s(g_o.watch) - cpu;
    double took = now - begun;
    for (double rest = now + 2;
         load_units.started > load_units.done + load_units.failed && load_now_s() < rest;)
        load_turn(20);
    long lost = load_units.started - load_units.done - load_units.failed;
    printf("mode=%s done=%ld failed=%ld lost=%ld seconds=%.2f per_s=%.0f cpu_us=%.2f ms_p50=%.2f "
           "ms_p99=%.2f kb=%.0f\n",
           g_o.mode, load_units.done, load_units.failed, lost, took, (double)load_units.done / took,
           load_units.done ? cpu * 1e6 / (double)load_units.done : 0, load_time_percentile(.5),
           load_time_percentile(.99), load_pss_kb(g_o.watch));
    free(conns);
    return load_units.failed || lost || load_net.lost;
}

int main(int argc, char **argv)
{
    if (!parse(argc, argv)) {
        fputs(usage, stderr);
        return 2;
    }
    load_net_start(&g_o, load_unit_message);
    if (!strcmp(g_o.mode, "handshake"))
        return handshakes();
    return !strcmp(g_o.mode, "idle") ? idle() : messages();
}
