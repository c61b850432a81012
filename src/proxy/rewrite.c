#include "proxy/rewrite.h"

const struct sw_rewrite *sw_rewrite_keep(const struct sw_rewrite *w, struct sw_arena *arena)
{
    struct sw_rewrite *copy = sw_arena_get(arena, sizeof(*copy));
    uint16_t *rows = sw_arena_get(arena, w->row_count * sizeof(*rows) + 1);
    if (!copy || !rows)
        return NULL;
    *copy = *w;
    if (w->row_count)
        memcpy(rows, w->rows, w->row_count * sizeof(*rows));
    copy->rows = rows;
    if (w->user.p)
        copy->user = sw_arena_dup(arena, w->user);
    if (w->host.p)
        copy->host = sw_arena_dup(arena, w->host);
    copy->add = sw_arena_dup(arena, w->add);
    bool whole = copy->add.p && !copy->user.p == !w->user.p && !copy->host.p == !w->host.p;
    return whole ? copy : NULL;
}

static bool hex(char c)
{
    char x = sw_ascii_lower(c);
    return sw_ascii_digit(x) || (x >= 'a' && x <= 'f');
}

/* unreserved / user-unreserved: less than what is let pass. RFC 3261 25.1 */
static bool may_stand(char c)
{
    char x = sw_ascii_lower(c);
    return sw_ascii_digit(c) || (x >= 'a' && x <= 'z') || (c && strchr("-_.!~*'()&=+$,;?/", c));
}

void sw_rewrite_user(struct sw_buf *b, struct sw_slice user)
{
    static const char digits[] = "0123456789ABCDEF";
    for (size_t i = 0; i < user.n; i++) {
        char c = user.p[i];
        bool escape = c == '%' && user.n - i > 2 && hex(user.p[i + 1]) && hex(user.p[i + 2]);
        if (escape || may_stand(c)) {
            sw_buf_char(b, c);
            continue;
        }
        sw_buf_char(b, '%');
        sw_buf_char(b, digits[(uint8_t)c >> 4]);
        sw_buf_char(b, digits[(uint8_t)c & 15]);
    }
}

/* What named the host that goes. */
static bool names_host(struct sw_slice param)
{
    static const struct sw_slice names[] = {{"transport", 9}, {"maddr", 5}, {"ttl", 3}, {"lr", 2}};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        if (sw_slice_eq_case(param, names[i]))
            return true;
    return false;
}

/* The number and its parameters become the user part. RFC 3261 19.1.6 */
static void tel_as_sip(struct sw_buf *b, const struct sw_uri *u, struct sw_slice number,
                       struct sw_slice host)
{
    sw_buf_lit(b, "sip:");
    sw_rewrite_user(b, number);
    sw_rewrite_user(b, u->params);
    sw_buf_char(b, '@');
    sw_buf_slice(b, host);
    sw_buf_lit(b, ";user=phone");
}

static void put_host(struct sw_buf *b, const struct sw_uri *u, struct sw_slice host)
{
    struct sw_lex l = sw_lex(u->params);
    struct sw_param x;
    sw_buf_slice(b, host.p ? host : u->host);
    if (!host.p && u->port) {
        sw_buf_char(b, ':');
        sw_buf_u64(b, u->port);
    }
    while (sw_uri_param_next(&l, &x) == SW_OK) {
        if (host.p && names_host(x.name))
            continue;
        sw_buf_char(b, ';');
        sw_buf_slice(b, x.whole);
    }
}

void sw_rewrite_uri(struct sw_buf *b, const struct sw_uri *u, const struct sw_rewrite *w,
                    struct sw_slice host)
{
    bool new_user = w && w->user.p;
    if (u->scheme == SW_SCHEME_TEL) {
        struct sw_slice number = new_user ? w->user : u->host;
        if (host.p) {
            tel_as_sip(b, u, number, host);
            return;
        }
        sw_buf_lit(b, "tel:");
        sw_buf_slice(b, number);
        sw_buf_slice(b, u->params);
        return;
    }
    sw_buf_str(b, u->scheme == SW_SCHEME_SIPS ? "sips:" : "sip:");
    if (new_user) {
        sw_buf_slice(b, w->user);
        if (u->userinfo.n > u->user.n) /* the password */
            sw_buf_slice(b, sw_slice_from(u->userinfo, u->user.n));
        sw_buf_char(b, '@');
    } else if (u->userinfo.p) {
        sw_buf_slice(b, u->userinfo);
        sw_buf_char(b, '@');
    }
    put_host(b, u, host);
}

size_t sw_rewrite_room(const struct sw_rewrite *w)
{
    enum { SCHEME_PORT_AND_PHONE = 32 };
    return SCHEME_PORT_AND_PHONE + (w ? 3 * w->user.n + w->host.n : 0);
}

bool sw_rewrite_target(const struct sw_uri *u, const struct sw_rewrite *w, struct sw_arena *arena,
                       struct sw_uri *out)
{
    enum { SCHEME = 16 };
    *out = *u;
    if (!w || (!w->user.p && !w->host.p))
        return true;
    size_t cap = SCHEME + 3 * (u->text.n + w->host.n) + sw_rewrite_room(w);
    char *p = sw_arena_get(arena, cap);
    struct sw_buf b = sw_buf(p, cap);
    if (!p)
        return false;
    sw_rewrite_uri(&b, u, w, w->host);
    return !b.full && sw_uri_parse(sw_buf_view(&b), out, NULL) == SW_OK;
}
