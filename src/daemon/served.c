#include "daemon/served.h"

#include "crypto/siphash.h"
#include "sys/log.h"

#include <stdlib.h>
#include <time.h>

/* Of thousands of certificates that change at once, the log has the first ones and how many more.
 */
enum { LINES_MAX = 200 };

/* That somebody is shown a certificate, as a number: equal ones are the same. */
struct shown {
    uint64_t a, b;
};

struct served {
    struct shown *was; /* sorted */
    size_t was_count, was_cap;
    const struct sw_config *now;
    struct sw_config_use *use; /* per identity of `now`: who is shown what it was not shown */
    bool failed;
};

static int shown_order(const void *p, const void *q)
{
    const struct shown *x = p, *y = q;
    if (x->a != y->a)
        return x->a < y->a ? -1 : 1;
    return (x->b > y->b) - (x->b < y->b);
}

static struct shown shown_by(const struct sw_use_of *u, const struct sw_tls_identity *half)
{
    const struct sw_sip_key fixed = {UINT64_C(0x5369707761726421), UINT64_C(0x7365727665642021)};
    struct sw_cert_facts f = {0};
    struct sw_siphash h;
    if (half->chain.count)
        sw_cert_facts(half->chain.c[0], &f);
    sw_siphash_init(&h, fixed);
    sw_siphash_slice(&h, sw_slice_str(u->kind));
    sw_siphash_slice(&h, sw_slice_str(u->name));
    sw_siphash_slice(&h, sw_slice((const char *)f.sha256, sizeof(f.sha256)));
    struct sw_key sum = sw_siphash_end(&h);
    return (struct shown){sum.a, sum.b};
}

static void note_before(void *user, const struct sw_use_of *u)
{
    struct served *s = user;
    for (const struct sw_tls_identity *half = u->identity; half && !s->failed; half = half->also) {
        if (s->was_count == s->was_cap) {
            size_t cap = s->was_cap ? 2 * s->was_cap : 64;
            struct shown *more = realloc(s->was, cap * sizeof(*more));
            s->failed = !more;
            if (!more)
                return;
            s->was = more;
            s->was_cap = cap;
        }
        s->was[s->was_count++] = shown_by(u, half);
    }
}

static void note_now(void *user, const struct sw_use_of *u)
{
    struct served *s = user;
    bool is_new = false;
    for (const struct sw_tls_identity *half = u->identity; half; half = half->also) {
        struct shown x = shown_by(u, half);
        is_new = is_new || !bsearch(&x, s->was, s->was_count, sizeof(x), shown_order);
    }
    if (!is_new)
        return;
    struct sw_config_use *use = &s->use[u->identity - s->now->identities];
    if (!use->count++) {
        use->kind = u->kind;
        use->name = u->name;
    }
}

static void tell(const struct sw_tls_identity *half, const struct sw_config_use *use)
{
    struct sw_cert_facts f;
    char hex[2 * SW_SHA256_BYTES + 1], until[32] = "-", to[256];
    struct sw_buf b = sw_buf(hex, sizeof(hex));
    struct tm tm;
    sw_cert_facts(half->chain.c[0], &f);
    time_t t = (time_t)f.not_after_s;
    sw_buf_hex(&b, f.sha256, sizeof(f.sha256));
    sw_use_text(use, to, sizeof(to));
    if (gmtime_r(&t, &tm))
        strftime(until, sizeof(until), "%Y-%m-%dT%H:%M:%SZ", &tm);
    SW_LOG(SW_LEVEL_INFO, "identity_served", sw_field_str("used_by", to),
           sw_field_str("name", half->name ? half->name : "-"), sw_field_str("key", f.key),
           sw_field_text("sha256", sw_buf_view(&b)), sw_field_str("not_after", until),
           sw_field_str("subject", f.subject));
}

static void tell_all(const struct served *s)
{
    unsigned lines = 0, left = 0;
    for (uint32_t i = 0; i < s->now->identity_count; i++) {
        const struct sw_tls_identity *half = s->use[i].count ? &s->now->identities[i] : NULL;
        for (; half && half->chain.count; half = half->also) {
            if (lines == LINES_MAX) {
                left++;
                continue;
            }
            tell(half, &s->use[i]);
            lines++;
        }
    }
    if (left)
        SW_LOG(SW_LEVEL_INFO, "identities_served", sw_field_number("more", left),
               sw_field_str("help", "sipward ctl certificates lists them all"));
}

void sw_served_log(const struct sw_config *before, const struct sw_config *now)
{
    struct served s = {.now = now, .use = calloc(now->identity_count + 1, sizeof(*s.use))};
    s.failed = !s.use;
    if (!s.failed)
        sw_config_uses(before, note_before, &s);
    if (!s.failed) {
        if (s.was_count)
            qsort(s.was, s.was_count, sizeof(*s.was), shown_order);
        sw_config_uses(now, note_now, &s);
        tell_all(&s);
    } else {
        SW_LOG(SW_LEVEL_WARN, "identities_served", sw_field_str("why", "memory is out"),
               sw_field_str("help", "sipward ctl certificates lists them"));
    }
    free(s.was);
    free(s.use);
}
