#include "conn/conn.h"

#include <stdlib.h>

static void put(char *out, struct sw_slice s)
{
    memcpy(out, s.p, s.n);
    out[s.n] = '\0';
}

enum sw_status sw_conn_believe(struct sw_conn *c, const struct sw_dane *dane)
{
    char *names = malloc(dane->host.n + dane->domain.n + 2);
    if (!names)
        return SW_LIMIT_MEMORY;
    c->server = names;
    c->located = names + dane->host.n + 1;
    put(c->server, dane->host);
    put(c->located, dane->domain);
    return sw_tls_dane(c->tls, dane->records);
}
