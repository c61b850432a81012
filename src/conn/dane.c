#include "conn/conn.h"

#include <stdlib.h>

enum sw_status sw_conn_believe(struct sw_conn *c, const struct sw_dane *dane)
{
    char *host = malloc(dane->host.n + 1);
    if (!host)
        return SW_LIMIT_MEMORY;
    memcpy(host, dane->host.p, dane->host.n);
    host[dane->host.n] = '\0';
    c->server = host;
    return sw_tls_dane(c->tls, dane->records);
}
