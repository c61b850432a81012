#include "tls/openssl_kept.h"

#include "crypto/openssl_types.h"

#include <stdlib.h>
#include <time.h>

/* A certificate that sessions were made with, oldest first. */
struct sw_tls_kept_leaf {
    struct sw_map_node node;
    struct sw_list sessions;
    uint32_t count;
};

struct sw_tls_kept *sw_tls_kept_get(const struct sw_tls_kept_table *t, struct sw_key key)
{
    struct sw_map_node *n = sw_map_get(&t->map, key);
    return n ? SW_CONTAINER(n, struct sw_tls_kept, node) : NULL;
}

static void leave_leaf(struct sw_tls_kept_table *t, struct sw_tls_kept *x)
{
    struct sw_tls_kept_leaf *leaf = x->leaf;
    sw_list_del(&x->of_leaf);
    if (--leaf->count)
        return;
    sw_map_del(&t->leaves, &leaf->node);
    free(leaf);
}

/* Joins the sessions of its certificate, where the oldest makes room. */
static bool join_leaf(struct sw_tls_kept_table *t, struct sw_tls_kept *x)
{
    X509 *cert = SSL_SESSION_get0_peer(x->session);
    union {
        uint8_t digest[SW_SHA256_BYTES];
        struct sw_key key; /* a digest serves as the hash, too */
    } name = {{0}};
    if (cert && !sw_x509_sha256(cert, name.digest))
        return false;
    struct sw_map_node *n = sw_map_get(&t->leaves, name.key);
    x->leaf = n ? SW_CONTAINER(n, struct sw_tls_kept_leaf, node) : calloc(1, sizeof(*x->leaf));
    if (!x->leaf)
        return false;
    if (!n) {
        sw_list_init(&x->leaf->sessions);
        sw_map_add(&t->leaves, &x->leaf->node, name.key);
    }
    x->leaf->count++;
    sw_list_add(&x->leaf->sessions, &x->of_leaf);
    if (x->leaf->count > SW_TLS_SESSIONS_PER_LEAF)
        sw_tls_kept_drop(t, SW_CONTAINER(x->leaf->sessions.next, struct sw_tls_kept, of_leaf));
    return true;
}

void sw_tls_kept_drop(struct sw_tls_kept_table *t, struct sw_tls_kept *x)
{
    if (!x)
        return;
    sw_map_del(&t->map, &x->node);
    sw_list_del(&x->age);
    leave_leaf(t, x);
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
    if (!x)
        return false;
    *x = (struct sw_tls_kept){.session = session, .until_s = until_s};
    if (sent)
        x->sent = X509_chain_up_ref(sent);
    if ((sent && !x->sent) || !join_leaf(t, x)) {
        sk_X509_pop_free(x->sent, X509_free);
        free(x);
        return false;
    }
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
    enum sw_status r = sw_map_init(&t->map, max);
    return r == SW_OK ? sw_map_init(&t->leaves, max) : r;
}

void sw_tls_kept_fini(struct sw_tls_kept_table *t)
{
    for (struct sw_tls_kept *x = oldest(t); x; x = oldest(t))
        sw_tls_kept_drop(t, x);
    sw_map_fini(&t->map);
    sw_map_fini(&t->leaves);
}
