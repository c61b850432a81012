#include "tls/openssl_kept.h"

#include <stdlib.h>
#include <time.h>

struct sw_tls_kept *sw_tls_kept_get(const struct sw_tls_kept_table *t, struct sw_key key)
{
    struct sw_map_node *n = sw_map_get(&t->map, key);
    return n ? SW_CONTAINER(n, struct sw_tls_kept, node) : NULL;
}

void sw_tls_kept_drop(struct sw_tls_kept_table *t, struct sw_tls_kept *x)
{
    if (!x)
        return;
    sw_map_del(&t->map, &x->node);
    sw_list_del(&x->age);
    SSL_SESSION_free(x->session);
    sk_X509_pop_free(x->sent, X509_free);
    free(x);
}

static struct sw_tls_kept *oldest(const struct sw_tls_kept_table *t)
{
    return sw_list_empty(&t->by_age) ? NULL : SW_CONTAINER(t->by_age.next, struct sw_tls_kept, age);
}

/* Keys do not stay in memory for longer than they are good for. */
static void drop_old(struct sw_tls_kept_table *t)
{
    int64_t now = (int64_t)time(NULL);
    for (struct sw_tls_kept *x = oldest(t); x && x->until_s <= now; x = oldest(t))
        sw_tls_kept_drop(t, x);
}

bool sw_tls_kept_is_good(const struct sw_tls_kept *x)
{
    return x->until_s > (int64_t)time(NULL) && SSL_SESSION_is_resumable(x->session);
}

static bool is_small(SSL_SESSION *session, STACK_OF(X509) * sent)
{
    X509 *leaf = SSL_SESSION_get0_peer(session);
    const unsigned char *ticket;
    size_t total;
    SSL_SESSION_get0_ticket(session, &ticket, &total);
    total += leaf ? (size_t)i2d_X509(leaf, NULL) : 0;
    for (int i = 0; i < sk_X509_num(sent); i++)
        total += (size_t)i2d_X509(sk_X509_value(sent, i), NULL);
    return total <= SW_TLS_SESSION_BYTES;
}

bool sw_tls_kept_put(struct sw_tls_kept_table *t, struct sw_key key, SSL *ssl, SSL_SESSION *session,
                     int64_t until_s)
{
    STACK_OF(X509) *sent = SSL_get_peer_cert_chain(ssl);
    drop_old(t);
    if (until_s <= (int64_t)time(NULL) || !SSL_SESSION_is_resumable(session) ||
        !is_small(session, sent))
        return false;
    struct sw_tls_kept *x = calloc(1, sizeof(*x));
    if (x && sent)
        x->sent = X509_chain_up_ref(sent);
    if (!x || (sent && !x->sent)) {
        free(x);
        return false;
    }
    x->session = session;
    x->until_s = until_s;
    sw_tls_kept_drop(t, sw_tls_kept_get(t, key));
    if (t->map.count >= t->max)
        sw_tls_kept_drop(t, oldest(t));
    sw_map_add(&t->map, &x->node, key);
    sw_list_add(&t->by_age, &x->age);
    return true;
}

enum sw_status sw_tls_kept_init(struct sw_tls_kept_table *t, uint32_t max)
{
    sw_list_init(&t->by_age);
    t->max = max;
    return sw_map_init(&t->map, max);
}

void sw_tls_kept_fini(struct sw_tls_kept_table *t)
{
    for (struct sw_tls_kept *x = oldest(t); x; x = oldest(t))
        sw_tls_kept_drop(t, x);
    sw_map_fini(&t->map);
}
