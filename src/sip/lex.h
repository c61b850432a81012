/* A cursor over SIP text: every step checks the end, nothing is walked by hand elsewhere. */
#ifndef SW_SIP_LEX_H
#define SW_SIP_LEX_H

#include "base/slice.h"

struct sw_lex {
    const char *p, *end;
};

/* Where and against which rule of the grammar a text failed. */
struct sw_parse_error {
    size_t offset;    /* in the text that was parsed */
    const char *rule; /* static text, such as "RFC 3261 25.1: Via" */
};

enum {
    SW_CH_TOKEN = 1,   /* token (RFC 3261 25.1) */
    SW_CH_HOST = 2,    /* alphanum - . and, because it is common, _ */
    SW_CH_USER = 4,    /* user and password, without the % of an escape */
    SW_CH_PARAM = 8,   /* paramchar, without the % */
    SW_CH_HEADER = 16, /* hnv-unreserved and unreserved: the ?headers of a URI, without the % */
    SW_CH_WORD = 32,   /* word: Call-ID */
    SW_CH_SCHEME = 64,
};

extern const uint8_t sw_chars[256];

static inline bool sw_ch(char c, uint8_t classes)
{
    return sw_chars[(uint8_t)c] & classes;
}

static inline struct sw_lex sw_lex(struct sw_slice s)
{
    return (struct sw_lex){s.p, s.n ? s.p + s.n : s.p};
}

static inline bool sw_lex_end(const struct sw_lex *l)
{
    return l->p >= l->end;
}

/** The next byte without taking it; 0 at the end (a NUL in the text matches no rule either). */
static inline char sw_lex_peek(const struct sw_lex *l)
{
    return l->p < l->end ? *l->p : 0;
}

/** Takes `c` if it is next. */
static inline bool sw_lex_char(struct sw_lex *l, char c)
{
    if (l->p >= l->end || *l->p != c)
        return false;
    l->p++;
    return true;
}

/* Where a byte stands that can be white space: most often there is none to skip. */
static inline bool sw_lex_at_space(const struct sw_lex *l)
{
    return l->p < l->end && (uint8_t)*l->p <= ' ';
}

/* What sw_lex_ws and sw_lex_sep do where white space stands. */
void sw_lex_skip_ws(struct sw_lex *l);
bool sw_lex_skip_sep(struct sw_lex *l, char c);

/** Skips linear white space: SP, HTAB and folded line ends. RFC 3261 25.1 LWS, SWS */
static inline void sw_lex_ws(struct sw_lex *l)
{
    if (sw_lex_at_space(l))
        sw_lex_skip_ws(l);
}

/** Takes `c` with white space around it: SLASH, EQUAL, COMMA, SEMI, COLON. RFC 3261 25.1 */
static inline bool sw_lex_sep(struct sw_lex *l, char c)
{
    if (sw_lex_at_space(l))
        return sw_lex_skip_sep(l, c);
    if (!sw_lex_char(l, c))
        return false;
    sw_lex_ws(l);
    return true;
}

/** Takes the longest run of bytes of these classes; empty if there is none. */
static inline struct sw_slice sw_lex_run(struct sw_lex *l, uint8_t classes)
{
    const char *from = l->p, *p = from;
    while (p < l->end && sw_ch(*p, classes))
        p++;
    l->p = p;
    return sw_slice(from, (size_t)(p - from));
}

/* What sw_lex_escaped does from a % on. */
bool sw_lex_skip_escapes(struct sw_lex *l, uint8_t classes);

/** The same with %HH allowed, in classes that do not hold %; false on a broken escape. */
static inline bool sw_lex_escaped(struct sw_lex *l, uint8_t classes, struct sw_slice *out)
{
    const char *from = sw_lex_run(l, classes).p;
    if (sw_lex_peek(l) == '%' && !sw_lex_skip_escapes(l, classes))
        return false;
    *out = sw_slice(from, (size_t)(l->p - from));
    return true;
}

/** Takes a quoted string; `out` is what stands between the quotes, escapes untouched. */
bool sw_lex_quoted(struct sw_lex *l, struct sw_slice *out);

/** Takes an unsigned decimal number of at most `max`. */
bool sw_lex_number(struct sw_lex *l, uint64_t max, uint64_t *out);

/** Takes a host: a name, an IPv4 address, or an IPv6 reference with its brackets. RFC 3261 25.1 */
bool sw_lex_host(struct sw_lex *l, struct sw_slice *out);

#endif
