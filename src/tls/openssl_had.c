#include "tls/openssl_had.h"

#include <stdlib.h>
#include <string.h>

static bool same(const struct sw_tls_policy *a, const struct sw_tls_policy *b)
{
    return a->min_version == b->min_version && a->max_version == b->max_version &&
           strcmp(a->name, b->name) == 0;
}

struct sw_tls_had *sw_tls_had_take(struct sw_tls_had **list, const struct sw_tls_policy *p)
{
    struct sw_tls_had *h = *list;
    size_t n = strlen(p->name) + 1;
    while (h && !same(&h->policy, p))
        h = h->next;
    if (!h) {
        h = calloc(1, sizeof(*h) + n);
        if (!h)
            return NULL;
        memcpy(h->name, p->name, n);
        h->policy = (struct sw_tls_policy){
            .name = h->name, .min_version = p->min_version, .max_version = p->max_version};
        h->next = *list;
        *list = h;
    }
    h->users++;
    return h;
}

void sw_tls_had_drop(struct sw_tls_had **list, struct sw_tls_had *h)
{
    if (!h || --h->users)
        return;
    while (*list != h)
        list = &(*list)->next;
    *list = h->next;
    free(h);
}
