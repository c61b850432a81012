/* The keys of `seal_key`: what seals our Record-Route and what is hidden, and opens it again; and
 * of `domain_key`, which says who strangers are. */
#include "daemon/config.h"

#include "sys/file.h"
#include "sys/random.h"
#include <errno.h>
#include <stdlib.h>

enum { KEY_BYTES_MIN = 16, KEY_BYTES_MAX = 4096 };

static bool read_key(struct sw_config_build *b, const char *name, const struct sw_text *d,
                     struct sw_hmac_key *out)
{
    struct sw_slice key;
    const char *path = sw_config_path(b, d);
    enum sw_status s = sw_file_read(path, KEY_BYTES_MAX, &key);
    if (s != SW_OK) {
        sw_diag_error(b->diags, d->mark, "%s \"%s\": %s (a file of random bytes)", name, path,
                      s == SW_SYS ? strerror(errno) : "larger than 4 KiB");
        return false;
    }
    bool enough = key.n >= KEY_BYTES_MIN;
    if (!enough)
        sw_diag_error(b->diags, d->mark, "%s \"%s\" has %zu bytes (%d or more random ones)", name,
                      path, key.n, KEY_BYTES_MIN);
    *out = (struct sw_hmac_key){0};
    sw_hmac_key_init(out, key.p, key.n);
    sw_wipe((void *)(uintptr_t)key.p, key.n);
    free((void *)(uintptr_t)key.p);
    return enough;
}

static bool same_key(const struct sw_hmac_key *x, const struct sw_hmac_key *y)
{
    uint8_t a[SW_SHA256_BYTES], c[SW_SHA256_BYTES];
    const struct sw_slice nothing = SW_SLICE("");
    sw_hmac(x, &nothing, 1, a);
    sw_hmac(y, &nothing, 1, c);
    return sw_equal_const(a, c, sizeof(a));
}

static bool has_key(const struct sw_proxy_conf *c, const struct sw_hmac_key *k)
{
    bool has = same_key(&c->seal_key, k);
    for (uint32_t i = 0; i < c->seal_older_count; i++)
        has = has || same_key(&c->seal_older[i], k);
    return has;
}

static void random_key(struct sw_config_build *b, struct sw_hmac_key *out)
{
    uint8_t random[32];
    if (sw_random(random, sizeof(random)) != SW_OK)
        sw_diag_error(b->diags, ((struct sw_mark){0, 0}), "the system gives no random numbers");
    *out = (struct sw_hmac_key){0};
    sw_hmac_key_init(out, random, sizeof(random));
    sw_wipe(random, sizeof(random));
}

static void keep(struct sw_proxy_conf *c, const struct sw_hmac_key *k)
{
    if (!has_key(c, k) && c->seal_older_count < SW_SEAL_KEYS_MAX - 1)
        c->seal_older[c->seal_older_count++] = *k;
}

/* Dialogs go on: what opened before this configuration still opens, the newest first. */
static void keep_old(struct sw_proxy_conf *c, const struct sw_proxy_conf *before)
{
    keep(c, &before->seal_key);
    for (uint32_t i = 0; i < before->seal_older_count; i++)
        keep(c, &before->seal_older[i]);
}

/* It stays over reloads, whatever becomes of the seal keys: strangers in calls, and connections,
 * are who they were. */
static void domain_key(struct sw_config_build *b)
{
    const struct sw_text *d = &b->c->d.domain_key;
    struct sw_proxy_conf *c = &b->c->proxy;
    struct sw_hmac_key key;
    c->has_domain_key = d->s.p || b->before;
    if (b->before)
        c->domain_key = b->before->proxy.domain_key;
    if (d->s.p && read_key(b, "domain_key", d, &key)) {
        c->domain_key = sw_proxy_domain_key(&key);
        sw_wipe(&key, sizeof(key));
    }
}

static void share_keys(const struct sw_proxy_conf *before, struct sw_proxy_conf *c)
{
    c->seal_key = before->seal_key;
    memcpy(c->seal_older, before->seal_older, sizeof(c->seal_older));
    c->seal_older_count = before->seal_older_count;
    c->has_domain_key = true;
    c->domain_key = before->domain_key;
}

void sw_config_seal_keys(struct sw_config_build *b)
{
    const struct sw_texts *d = &b->c->d.seal_key;
    struct sw_proxy_conf *c = &b->c->proxy;
    if (b->from == SW_CONFIG_LISTS) {
        share_keys(&b->before->proxy, c);
        return;
    }
    if (d->count > SW_SEAL_KEYS_MAX)
        sw_diag_error(b->diags, d->t[SW_SEAL_KEYS_MAX].mark,
                      "seal_key has %zu files (%d at most: the first seals, all of them open)",
                      d->count, SW_SEAL_KEYS_MAX);
    if (!d->count && b->before && !b->before->d.seal_key.count)
        c->seal_key = b->before->proxy.seal_key;
    else if (!d->count)
        random_key(b, &c->seal_key);
    for (uint32_t i = 0; i < d->count && i < SW_SEAL_KEYS_MAX; i++) {
        struct sw_hmac_key *k = i ? &c->seal_older[i - 1] : &c->seal_key;
        if (read_key(b, "seal_key", &d->t[i], k) && i)
            c->seal_older_count++;
    }
    if (b->before)
        keep_old(c, &b->before->proxy);
    domain_key(b);
}
