/* A whole gateway in virtual time: the input is a script of bytes from several ends, breaking
 * connections and passing time. What comes over a connection is cut by the framer, in whatever
 * pieces it was sent. Whatever comes, every transaction ends, every request but ACK gets one final
 * response or is dropped by a rule that a NOTE names, what leaves is well formed
 * (tests/sim/spy.h), nothing is given twice (tests/sim/twice.h), and no memory, timer or entry is
 * left.
 *
 * The input is a row of commands: one byte what, then for bytes to be sent two bytes length and the
 * bytes, in which "\x01" stands for the last Record-Route pair seen, "\x02" for the last Via and
 * "\x03" for the URI of the last Contact. The highest bit of the first byte hides the inside from
 * the carrier. Bit 3 of the command sends the rest of the end's message in two pieces. */
#include "proxy/rules.h"
#include "sim/raw.h"
#include "sim/spy.h"

#include <stdio.h>
#include <stdlib.h>

enum { TEXT_MAX = 8192 };

enum { ENDS = 5 };

/* The last two are nobody: without certificate, and from an address that is no peer's. */
static struct raw *ends[ENDS];
static const char *const names[ENDS] = {"carrier", "pbx", "tcp", "stranger", "spoofer"};
static const char *const own[ENDS] = {"10.0.0.9:5061", "10.1.0.9:5060", "10.1.0.8:5060",
                                      "10.9.0.1:5061", "10.9.0.2:5060"};
static const enum sw_transport transports[ENDS] = {SW_TLS, SW_UDP, SW_TCP, SW_TLS, SW_UDP};
static const char *const addresses[ENDS] = {"10.0.0.1:5061", "10.1.0.1:5060", "10.1.0.1:5060",
                                            "10.0.0.1:5061", "10.1.0.1:5060"};

static char last_routes[2048], last_via[1024], last_contact[512];

static void remember(void)
{
    for (int e = 0; e < ENDS; e++) {
        if (!ends[e]->count)
            continue;
        const struct raw_message *m = &ends[e]->got[ends[e]->count - 1];
        const char *rr = raw_header(m, "Record-Route");
        if (*rr)
            snprintf(last_routes, sizeof(last_routes), "Route: %s\r\n", rr);
        const char *via = raw_header(m, "Via");
        if (*via)
            snprintf(last_via, sizeof(last_via), "%s", via);
        const char *contact = strchr(raw_header(m, "Contact"), '<');
        if (contact)
            snprintf(last_contact, sizeof(last_contact), "%.*s", (int)strcspn(contact + 1, ">"),
                     contact + 1);
    }
}

static void say(struct sim *s, int e, const uint8_t *p, size_t n, bool pieces)
{
    static char text[TEXT_MAX * 2];
    struct sw_buf b = sw_buf(text, sizeof(text) - 1);
    remember();
    for (size_t i = 0; i < n; i++) {
        if (p[i] == 1)
            sw_buf_str(&b, last_routes);
        else if (p[i] == 2)
            sw_buf_str(&b, last_via);
        else if (p[i] == 3)
            sw_buf_str(&b, last_contact);
        else
            sw_buf_char(&b, (char)p[i]);
    }
    size_t first = pieces ? b.n / 2 : b.n;
    if (ends[e]->out_count >= 60)
        return;
    raw_send_bytes(ends[e], addresses[e], transports[e], text, first);
    sim_run(s, s->now_ms + 5);
    if (first < b.n)
        raw_send_bytes(ends[e], addresses[e], transports[e], text + first, b.n - first);
    sim_run(s, s->now_ms + 5);
}

static void answer(struct sim *s, int e, unsigned which)
{
    static const char *const lines[] = {"100 Trying", "180 Ringing",     "200 OK", "302 Moved",
                                        "486 Busy",   "503 Unavailable", "401 No", "603 Decline"};
    if (!ends[e]->count || ends[e]->out_count >= 60)
        return;
    const struct raw_message *m = &ends[e]->got[ends[e]->count - 1];
    struct sw_hdr hdrs[SW_HDRS_MAX];
    struct sw_msg parsed;
    if (strncmp(m->text, "SIP/2.0", 7) != 0 && strlen(m->text) < 4096 &&
        sw_msg_parse(m->text, strlen(m->text), hdrs, SW_HDRS_MAX, &parsed) == SW_OK &&
        sw_msg_hdr(&parsed, SW_HDR_TO)) /* the text ends at a NUL, which a quoted string may have */
        raw_answer(ends[e], m, lines[which & 7], "Contact: <sip:x@10.1.0.9>\r\nRetry-After: 1\r\n");
    sim_run(s, s->now_ms + 5);
}

static void script(struct sim *s, struct gate *g, const uint8_t *p, size_t n)
{
    for (unsigned steps = 0; n && steps < 100; steps++) {
        uint8_t c = *p++;
        n--;
        int e = (c >> 4) % ENDS;
        switch (c & 7) {
        case 0:
        case 1:
        case 2: {
            size_t len = n >= 2 ? (p[0] | (size_t)p[1] << 8) % TEXT_MAX : 0;
            if (n < 2)
                return;
            p += 2;
            n -= 2;
            len = len < n ? len : n;
            say(s, e, p, len, c & 8);
            p += len;
            n -= len;
            break;
        }
        case 3:
            answer(s, e, c >> 4);
            break;
        case 4:
            sim_run(s, s->now_ms + 1000 * (c >> 3));
            break;
        case 5:
            sim_break(s, ends[e]->node, g->node);
            break;
        case 6:
            ends[e]->node->deaf = !ends[e]->node->deaf;
            break;
        default:
            sim_run(s, s->now_ms + 100);
            break;
        }
    }
}

/* Rules on the carrier's route to the PBX for numbers, trust between these two, and what the third
 * is not told. */
static void add_rules(struct conf *k, struct sw_arena *arena)
{
    static const struct sw_header_name internal[] = {{{"X-Internal", 10}, SW_HDR_OTHER},
                                                     {{"Subject", 7}, SW_HDR_SUBJECT}};
    static const struct sw_header_match tenant = {{{"X-Tenant", 8}, SW_HDR_OTHER}, {"g*", 2}};
    static struct sw_rule_match numbers, tenants;
    static const struct sw_rule_set national = {.user = {"\\1#\\2", 6},
                                                .strip = 1,
                                                .prefix = {"0", 1},
                                                .host = {"pbx.test:5070", 13},
                                                .add = {"X-From: carrier\r\n", 17},
                                                .remove = internal,
                                                .remove_count = 2},
                                    shorter = {.strip = 2, .add = {"", 0}};
    struct sw_pattern_error e;
    if (sw_pattern_compile(SW_SLICE("^\\+?([0-9%]*)((a|b*)*.)"), false, arena, &numbers.user, &e) !=
        SW_OK)
        abort();
    tenants = (struct sw_rule_match){.headers = &tenant, .header_count = 1};
    conf_route(k, "carrier", "pbx", "tcp", NULL)->match = &tenants;
    k->routes[0].set = &shorter;
    conf_route(k, "carrier", "pbx", "tcp", NULL)->match = &numbers;
    k->routes[1].set = &national;
    k->routes[1].user = SW_SLICE("*4*");
    k->peers[0].asserted_identity = k->peers[1].asserted_identity = SW_ASSERTED_TRUST;
    k->peers[2].remove = internal;
    k->peers[2].remove_count = 2;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct gate *g = calloc(1, sizeof(*g));
    struct spy spy;
    struct conf *k = &g->conf;
    struct sim *s = sim_new(size ? data[0] : 1);
    struct sw_ident *id = conf_ident("carrier.test");
    struct sw_slab slab;
    struct sw_arena arena;
    sw_slab_init(&slab);
    sw_arena_init(&arena, &slab);
    last_routes[0] = last_via[0] = last_contact[0] = 0;
    conf_init(k);
    conf_listener(k, "outside", "10.0.0.1:5061", SW_TLS, "sip.example.test");
    conf_listener(k, "inside", "10.1.0.1:5060", SW_UDP, NULL);
    conf_peer(k, "carrier", "10.0.0.9:5061", SW_TLS, "carrier.test")->hide_inside =
        size && data[0] & 0x80;
    conf_peer(k, "pbx", "10.1.0.9:5060", SW_UDP, NULL)->tcp = true;
    conf_peer(k, "tcp", "10.1.0.8:5060", SW_TCP, NULL);
    add_rules(k, &arena);
    conf_route(k, "carrier", "pbx", "tcp", NULL);
    conf_route(k, "pbx", "carrier", NULL);
    conf_route(k, "tcp", "carrier", "pbx", NULL);
    g->transactions_max = 1024; /* a script has at most 100 steps */
    gate_start(g, s, "gate", 2, "example.test", 1);
    g->node->takes_bytes = true;
    for (int i = 0; i < ENDS; i++)
        ends[i] = raw_new(s, names[i], own[i], transports[i]);
    ends[0]->node->ident = id;
    spy_init(&spy, g);
    spy.steps_max = 100000;
    script(s, g, data, size);
    sim_run(s, INT64_MAX);
    gate_assert_idle(g);
    spy_finish(&spy);
    spy_fini(&spy);
    gate_stop(g);
    sim_free(s);
    sw_arena_release(&arena);
    sw_slab_fini(&slab);
    free(id);
    free(g);
    return 0;
}
