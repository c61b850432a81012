/* What is said of a connection: that it is open, why it failed, that it closed. One log line each.
 */
#ifndef SW_CONN_ATTEMPT_H
#define SW_CONN_ATTEMPT_H

#include "base/field.h"
#include "conn/conn.h"

/** The connection has passed its three phases. `why`, `help` and `got`: see struct sw_ingress. */
void sw_attempt_open(const struct sw_conns *s, const struct sw_conn *c, const char *why,
                     const char *help, struct sw_slice got);

/**
 * The connection failed before it was open, or TLS failed on it later: its record, and its line in
 * the log. `why` is for phases that have no failure of their own; may be NULL.
 */
void sw_attempt_failed(const struct sw_conns *s, const struct sw_conn *c, enum sw_status status,
                       const char *why, struct sw_slice got);

/* What was decided of who it is: see struct sw_ingress. */
struct sw_attempt_verdict {
    enum sw_status status;
    const char *why, *help; /* `help` may be NULL */
    struct sw_slice got;
    uint32_t claimed; /* the peer whose rule decided, if it is not the connection's; 0: none */
};

/** It is not who it must be: as sw_attempt_failed. RFC 5922 7.3, 7.4 */
void sw_attempt_denied(const struct sw_conns *s, const struct sw_conn *c,
                       const struct sw_attempt_verdict *v);

/* Why there is no connection, or what was refused on one that goes on. All is static text. */
struct sw_attempt_refusal {
    enum sw_status status;
    const char *phase, *code, *why, *help;
};

/** A socket was not taken up, or could not be had: likewise. */
void sw_attempt_refused(const struct sw_conns *s, const struct sw_flow *flow,
                        const struct sw_attempt_refusal *r);

/* Fields of one connection: see sw_attempt_row. */
enum { SW_ATTEMPT_FIELDS_MAX = 28 };

/** Memory that the fields of one connection borrow. */
struct sw_attempt_text {
    char id[24], remote[SW_ENDPOINT_TEXT_MAX], local[SW_ENDPOINT_TEXT_MAX], names[256];
    char sha256[64], ends[24];
};

/** Whose it is: a peer's name, "verified" or "nobody". */
const char *sw_attempt_peer(const struct sw_conns *s, const struct sw_flow *flow);

/** Describes a connection for a list; returns how many fields it took. */
size_t sw_attempt_row(const struct sw_conns *s, const struct sw_conn *c, struct sw_attempt_text *h,
                      struct sw_field f[SW_ATTEMPT_FIELDS_MAX]);

/** What every line about a connection starts with; returns how many fields it took. */
size_t sw_attempt_head(const struct sw_conns *s, const struct sw_flow *flow,
                       struct sw_attempt_text *h, struct sw_field *f);

/** Adds the rule that the peer's certificate was judged by, if there is one, behind `n` fields. */
size_t sw_attempt_rule(const struct sw_conn_peer *p, const struct sw_conn *c, struct sw_field *f,
                       size_t n);

/** What we showed, or would have: the name of our identity. */
struct sw_field sw_attempt_shown(const struct sw_tls_info *info);

/** What would help against a failure in `state` that TLS says nothing about; static text. */
const char *sw_attempt_help(enum sw_status status, enum sw_conn_state state);

/** The client asked for a name that no identity of the listener has: one line in ten seconds. */
void sw_attempt_name_unknown(struct sw_conns *s, const struct sw_conn *c);

/** The peer asked for a renegotiation and was told no: the connection goes on. */
void sw_attempt_renegotiation(const struct sw_conns *s, const struct sw_conn *c);

/** Too many messages came in this second: the rest waits. */
void sw_attempt_paused(const struct sw_conns *s, const struct sw_conn *c);

/** An open connection ends. */
void sw_attempt_closed(const struct sw_conns *s, const struct sw_conn *c, enum sw_status status,
                       const char *why);

/** A handshake message passed: see struct sw_tls_seen; `user` is the connection. */
void sw_attempt_seen(void *user, const struct sw_tls_seen *m);

/** It is an alias from now on: one line. RFC 5923 8.2 */
void sw_attempt_alias(const struct sw_conns *s, const struct sw_conn *c);

#endif
