/* The certificates that the gateway shows and believes, with who uses them. */
#include "crypto/show.h"
#include "daemon/answers.h"

#include "sip/domain.h"
#include "sys/clock.h"

enum { DAY_S = 24 * 3600, USERS_BYTES = 1024, NAMES_BYTES = 1024 };

/* ---- who uses what ---- */

struct user {
    struct user *next;
    const char *kind, *name;
};

struct users {
    struct sw_slab slab;
    struct sw_arena arena;
    const struct sw_config *c;
    struct user **identity, **trust; /* the last told stands first */
    bool failed;
};

static void note_use(void *p, const struct sw_use_of *u)
{
    struct users *x = p;
    struct user *n = sw_arena_get(&x->arena, sizeof(*n));
    if (!n) {
        x->failed = true;
        return;
    }
    struct user **at = u->identity ? &x->identity[u->identity - x->c->identities]
                                   : &x->trust[u->trust - x->c->trusts];
    *n = (struct user){.next = *at, .kind = u->kind, .name = u->name};
    *at = n;
}

static struct user **none_yet(struct users *x, size_t n)
{
    size_t bytes = (n + 1) * sizeof(struct user *);
    struct user **p = sw_arena_get(&x->arena, bytes);
    return p ? memset(p, 0, bytes) : NULL;
}

static void open_users(struct users *x, const struct sw_config *c)
{
    *x = (struct users){.c = c};
    sw_slab_init(&x->slab);
    sw_arena_init(&x->arena, &x->slab);
    x->identity = none_yet(x, c->identity_count);
    x->trust = none_yet(x, c->trust_count);
    x->failed = !x->identity || !x->trust;
    if (!x->failed)
        sw_config_uses(c, note_use, x);
}

static void close_users(struct users *x, struct sw_answer *a)
{
    a->failed = a->failed || x->failed;
    sw_arena_release(&x->arena);
    sw_slab_fini(&x->slab);
}

/* "listener outside, peer carrier"; of many the last ones, and "..." */
static struct sw_slice users_text(const struct user *u, char out[USERS_BYTES])
{
    enum { END = 8 }; /* ", ..." */
    struct sw_buf b = sw_buf(out, USERS_BYTES - END);
    size_t n = 0;
    for (; u; u = u->next) {
        sw_buf_str(&b, b.n ? ", " : "");
        sw_buf_str(&b, u->kind);
        sw_buf_char(&b, ' ');
        sw_buf_str(&b, u->name);
        if (b.full)
            break;
        n = b.n;
    }
    b = (struct sw_buf){.p = out, .n = n, .cap = USERS_BYTES};
    if (u)
        sw_buf_str(&b, n ? ", ..." : "...");
    return n || u ? sw_buf_view(&b) : SW_SLICE("nobody");
}

/* ---- rows ---- */

/* What a row stands for. */
struct shown {
    const char *kind, *name;
    struct sw_slice users;
};

/* Whole days that are left; the last one is 0, the first one after the end -1. */
static int64_t days_left(int64_t end_s)
{
    int64_t left = end_s - sw_clock_wall_s();
    return left >= 0 ? left / DAY_S : -((-left + DAY_S - 1) / DAY_S);
}

/* The SIP domains among its names. RFC 5922 7.1 */
static void put_proved(struct sw_buf *b, const struct sw_ident *ident)
{
    struct sw_slice domain;
    for (uint32_t i = 0; i < ident->name_count; i++)
        if (sw_domain_identity(ident, i, &domain)) {
            sw_buf_str(b, b->n ? " " : "");
            sw_buf_slice(b, domain);
        }
}

static void certificate(struct sw_answer *a, bool *first, const struct shown *s,
                        const struct sw_cert *cert)
{
    struct sw_cert_facts x;
    char from[SW_DATE_BYTES], until[SW_DATE_BYTES], print[65], key_print[65], names[NAMES_BYTES];
    char purposes[128], promised[SW_FEATURES_MAX];
    struct sw_buf features = sw_buf(promised, sizeof(promised));
    struct sw_buf hex = sw_buf(print, sizeof(print)), key = sw_buf(key_print, sizeof(key_print));
    struct sw_buf found = sw_buf(names, sizeof(names)), uses = sw_buf(purposes, sizeof(purposes));
    char domains[NAMES_BYTES];
    struct sw_buf proved = sw_buf(domains, sizeof(domains));
    struct sw_ident *ident = sw_ident_new(cert, NULL, 0);
    sw_cert_facts(cert, &x);
    sw_buf_hex(&hex, x.sha256, sizeof(x.sha256));
    sw_buf_hex(&key, x.key_sha256, sizeof(x.key_sha256));
    sw_cert_purposes_put(&uses, cert);
    sw_cert_features_put(&features, cert);
    if (ident) {
        sw_ident_put_names(ident, &found);
        put_proved(&proved, ident);
    }
    sw_ident_free(ident);
    const struct sw_field f[] = {
        sw_field_str("kind", s->kind),
        sw_field_str("name", s->name ? s->name : "-"),
        sw_field_number("days_left", days_left(x.not_after_s)),
        sw_field_str("subject", x.subject),
        sw_field_text("names", sw_buf_view(&found)),
        sw_field_text("proves", proved.n ? sw_buf_view(&proved) : SW_SLICE("-")),
        sw_field_str("issuer", x.issuer),
        sw_field_str("serial", x.serial),
        sw_field_str("key", x.key),
        sw_field_text("purposes", sw_buf_view(&uses)),
        sw_field_text("tls_features", sw_buf_view(&features)),
        sw_field_str("not_before", sw_answer_date(x.not_before_s, from)),
        sw_field_str("not_after", sw_answer_date(x.not_after_s, until)),
        sw_field_text("used_by", s->users),
        sw_field_text("sha256", sw_buf_view(&hex)),
        sw_field_text("key_sha256", sw_buf_view(&key)),
    };
    sw_answer_row(a, first, f, sizeof(f) / sizeof(f[0]));
}

/* A pin of which only the digest is known. */
static void digest(struct sw_answer *a, bool *first, const struct shown *s,
                   const struct sw_pin *pin)
{
    char print[65];
    struct sw_buf hex = sw_buf(print, sizeof(print));
    sw_buf_hex(&hex, pin->sha256, sizeof(pin->sha256));
    const struct sw_field f[] = {
        sw_field_str("kind", s->kind),
        sw_field_str("name", s->name ? s->name : "-"),
        sw_field_text("used_by", s->users),
        sw_field_text(pin->of_key ? "key_sha256" : "sha256", sw_buf_view(&hex)),
    };
    sw_answer_row(a, first, f, sizeof(f) / sizeof(f[0]));
}

/* What each trust entry knows of revocations from its files. */
static void revocation_lists(const struct sw_config *c, struct sw_answer *a)
{
    int64_t now_s = sw_clock_wall_s();
    char made[SW_DATE_BYTES], next[SW_DATE_BYTES];
    struct sw_crl_details more;
    struct sw_crl_facts x;
    bool first = true;
    for (uint32_t i = 0; i < c->trust_count; i++)
        for (size_t k = 0; k < c->trusts[i].crls.count; k++) {
            sw_crl_facts(c->trusts[i].crls.c[k], &x);
            sw_crl_details(c->trusts[i].crls.c[k], &more);
            bool stale = x.next_update_s && x.next_update_s <= now_s;
            const struct sw_field f[] = {
                sw_field_str("entry", c->trusts[i].name ? c->trusts[i].name : "-"),
                sw_field_str("state", stale ? "stale" : "current"),
                sw_field_number("revoked", (int64_t)more.revoked),
                sw_field_number("age_seconds", now_s - x.this_update_s),
                sw_field_str("this_update", sw_answer_date(x.this_update_s, made)),
                sw_field_str("next_update", sw_answer_date(x.next_update_s, next)),
                sw_field_str("issuer", x.issuer),
                sw_field_str("from", c->crl_from[i][k].file),
                sw_field_number("days_left", days_left(x.next_update_s)),
            };
            /* one that does not say when it ends has no days left to tell */
            sw_answer_row(a, &first, f, sizeof(f) / sizeof(f[0]) - (x.next_update_s ? 0 : 1));
        }
}

/* ---- what there is ---- */

/* Both halves of a pair of keys, each with the rest of its chain. */
static void identities(const struct users *x, struct sw_answer *a, bool *first, bool chains)
{
    char text[USERS_BYTES];
    for (uint32_t i = 0; i < x->c->identity_count && !x->failed; i++) {
        struct sw_slice users = users_text(x->identity[i], text);
        for (const struct sw_tls_identity *id = &x->c->identities[i]; id; id = id->also)
            for (size_t k = 0; k < (chains ? id->chain.count : 1); k++) {
                const struct shown s = {k ? "chain" : "identity", id->name, users};
                certificate(a, first, &s, id->chain.c[k]);
            }
    }
}

static void pins(struct sw_answer *a, bool *first, const struct shown *s,
                 const struct sw_trust_entry *t)
{
    size_t next = 0; /* of `pinned`, whose order is that of the pins */
    for (size_t i = 0; i < t->pin_count; i++) {
        struct sw_cert_facts f = {0};
        if (next < t->pinned.count)
            sw_cert_facts(t->pinned.c[next], &f);
        if (!t->pins[i].of_key && memcmp(t->pins[i].sha256, f.sha256, sizeof(f.sha256)) == 0)
            certificate(a, first, s, t->pinned.c[next++]);
        else
            digest(a, first, s, &t->pins[i]);
    }
}

static void believed(const struct users *x, struct sw_answer *a, bool *first)
{
    char text[USERS_BYTES];
    for (uint32_t i = 0; i < x->c->trust_count && !x->failed; i++) {
        const struct sw_trust_entry *t = &x->c->trusts[i];
        struct shown s = {.name = t->name, .users = users_text(x->trust[i], text)};
        s.kind = "trust";
        for (size_t k = 0; k < t->anchors.count; k++)
            certificate(a, first, &s, t->anchors.c[k]);
        s.kind = "pin";
        pins(a, first, &s, t);
    }
}

void sw_answer_identities(const struct sw_daemon *d, struct sw_answer *a, bool *first)
{
    struct users x;
    open_users(&x, &d->now->config);
    identities(&x, a, first, false);
    close_users(&x, a);
}

void sw_answer_certificates(const struct sw_daemon *d, struct sw_answer *a)
{
    static const char head[] = "{\"certificates\":[", lists[] = "],\"revocation_lists\":[",
                      tail[] = "]}\n";
    struct users x;
    bool first = true;
    open_users(&x, &d->now->config);
    sw_answer_text(a, head, sizeof(head) - 1);
    identities(&x, a, &first, true);
    believed(&x, a, &first);
    sw_answer_text(a, lists, sizeof(lists) - 1);
    revocation_lists(&d->now->config, a);
    sw_answer_text(a, tail, sizeof(tail) - 1);
    close_users(&x, a);
}
