#include "sim/groups.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

struct conf *scene_init(struct scene *x, struct conf *k)
{
    if (x) {
        memset(x, 0, sizeof(*x));
        x->sim = sim_new(503);
        k = &x->gate.conf;
    }
    conf_init(k);
    conf_listener(k, "inside", "10.1.0.1:5060", SW_UDP, NULL);
    conf_peer(k, "a", "10.1.0.11:5060", SW_UDP, NULL);
    conf_peer(k, "b", "10.1.0.12:5060", SW_UDP, NULL);
    for (int i = 0; i < PEERS; i++) {
        k->peers[i].fail_after = 3;
        k->peers[i].retry_after_ms = RETRY_MS;
    }
    conf_peer(k, "further", "10.1.0.13:5060", SW_UDP, NULL);
    conf_peer(k, "caller", "10.1.0.9:5060", SW_UDP, NULL);
    conf_route(k, "caller", "a", "b", NULL);
    return k;
}

static void noted(void *user, const struct sw_note_act *n)
{
    struct scene *x = user;
    bool down = strcmp(n->event, "peer_down") == 0, up = strcmp(n->event, "peer_up") == 0,
         limited = strcmp(n->event, "peer_limited") == 0;
    x->downs += down;
    x->ups += up;
    x->limited += limited;
    for (uint32_t i = 0; (down || up || limited) && i < n->count; i++)
        if (strcmp(n->fields[i].name, "why") == 0)
            snprintf(x->why, sizeof(x->why), "%.*s", (int)n->fields[i].text.n, n->fields[i].text.p);
}

void scene_start(struct scene *x, unsigned workers)
{
    x->sim->note = noted;
    x->sim->note_user = x;
    gate_start(&x->gate, x->sim, "gate", workers, "example.test", 503);
    x->caller = raw_new(x->sim, "caller", "10.1.0.9:5060", SW_UDP);
    x->peer[A] = raw_new(x->sim, "a", "10.1.0.11:5060", SW_UDP);
    x->peer[B] = raw_new(x->sim, "b", "10.1.0.12:5060", SW_UDP);
}

void scene_fini(struct scene *x)
{
    gate_finish(&x->gate);
}

void run(struct scene *x, int64_t ms)
{
    sim_run(x->sim, x->sim->now_ms + ms);
}

void ask(struct scene *x, const char *method, unsigned n, const char *more)
{
    char text[2048];
    bool inside = strstr(more, "Route:") != NULL;
    bool same = strcmp(method, "CANCEL") == 0 || strcmp(method, "ACK") == 0;
    snprintf(text, sizeof(text),
             "%s sip:all@%s SIP/2.0\r\nVia: SIP/2.0/UDP 10.1.0.9:5060;branch=z9hG4bK%u%s\r\n"
             "From: <sip:x@x.test>;tag=1\r\nTo: <sip:all@example.test>%s\r\n"
             "Call-ID: call-%u@x\r\nCSeq: %u %s\r\nMax-Forwards: 70\r\n%sContent-Length: 0\r\n\r\n",
             method, inside ? "10.1.0.11:5060" : "example.test", n, same ? "INVITE" : method,
             inside ? ";tag=raw" : "", n, inside && !same ? 2u : 1u, method, more);
    raw_send(x->caller, "10.1.0.1:5060", SW_UDP, text);
    run(x, 200);
}

static const struct raw_message *of_call(const struct raw *r, const char *start, unsigned n)
{
    char id[32];
    const struct raw_message *m;
    snprintf(id, sizeof(id), "call-%u@x", n);
    for (unsigned i = 0; (m = raw_nth(r, start, i)); i++)
        if (strcmp(raw_header(m, "Call-ID"), id) == 0)
            return m;
    return NULL;
}

const struct raw_message *at(const struct scene *x, int peer, const char *start, unsigned n)
{
    return of_call(peer == CALLER ? x->caller : x->peer[peer], start, n);
}

void answer(struct scene *x, int peer, unsigned n, const char *status, const char *more)
{
    const struct raw_message *m = at(x, peer, "INVITE", n);
    assert(m);
    raw_answer(x->peer[peer], m, status, more);
    run(x, 200);
}

const char *final_of(const struct scene *x, unsigned n)
{
    for (int class = 2; class <= 6; class ++) {
        char start[16];
        snprintf(start, sizeof(start), "SIP/2.0 %d", class);
        const struct raw_message *m = of_call(x->caller, start, n);
        if (m)
            return m->text + 8;
    }
    return "";
}

uint32_t now(const struct scene *x, int peer, enum sw_load_way_of way)
{
    const struct conf *k = x->gate.adopted ? x->gate.adopted : &x->gate.conf;
    return atomic_load(&k->state[peer].load->way[way].now);
}
