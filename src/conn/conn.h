/* Connections of one worker: their three phases (TCP, handshake, identity), reading, writing,
 * closing. They speak no SIP beyond framing and call nobody back: the worker pulls. */
#ifndef SW_CONN_CONN_H
#define SW_CONN_CONN_H

#include "base/counters.h"
#include "base/dns.h"
#include "base/flow.h"
#include "base/hold.h"
#include "base/ident.h"
#include "base/load.h"
#include "base/slab.h"
#include "base/table.h"
#include "base/timer.h"
#include "loop/loop.h"
#include "sip/frame.h"
#include "tls/session.h"

enum sw_conn_state {
    SW_CONN_CONNECTING, /* phase 1: TCP is on its way (we dial) */
    SW_CONN_HANDSHAKE,  /* phase 2: TLS */
    SW_CONN_IDENTITY,   /* phase 3: whose is it? Nothing is read for SIP and nothing sent */
    SW_CONN_OPEN,       /* messages may pass */
    SW_CONN_CLOSING,    /* close_notify is sent, what comes is discarded: RFC 5923 8.3 */
    SW_CONN_GONE,       /* freed at the end of the turn */
};

/* Limits: docs/config.md has the reasons. */
struct sw_conn_limits {
    struct sw_frame_limits frame;
    uint32_t output_max;  /* plain bytes waiting for one slow reader */
    uint32_t connections; /* of one worker */
    uint32_t connect_ms;
    uint32_t handshake_ms; /* from the first byte of TCP to the identity */
    uint32_t idle_ms;
    uint32_t surplus_ms; /* nothing passed over one that is more than its peer is to have */
    uint32_t message_ms; /* from a message's first byte to its last */
    uint32_t handshakes_per_source; /* of one address, not done yet; 0: any number */
    uint32_t messages_per_s;        /* that are taken from one connection; 0: all */
    uint32_t unacknowledged_ms;     /* TCP: until what we sent must have arrived */
    uint32_t recheck_ms;   /* how often what open connections proved is judged again; 0: never */
    uint32_t resumption_s; /* how long TLS sessions can be resumed; 0: never */
    uint32_t sessions;     /* that are kept for it, of one worker */
    uint32_t answer_ms;    /* how long an answer about a revocation is waited for */
};

/* The longest domain name, and its NUL: RFC 1035 2.3.4 */
enum { SW_CONN_DOMAIN_MAX = 256 };

/* How to accept on a listener. */
struct sw_conn_listener {
    const char *name;
    struct sw_endpoint address;
    uint8_t transport;
    bool freebind;            /* its address comes and goes */
    struct sw_tls_params tls; /* with transport TLS */
    struct sw_tls_params out; /* likewise: how to dial one who is no peer, from here */
};

/* Somebody that we dial where a name leads: the name, which it must prove. It lives as long as its
 * connection. */
struct sw_conn_named {
    struct sw_tls_params tls;
    bool of_peer; /* the name is one of a peer's; else it is no peer's */
    char domain[SW_CONN_DOMAIN_MAX];
};

/* How to dial a peer. */
struct sw_conn_peer {
    uint32_t id;
    const char *name;
    const char *wanted;   /* the names it must prove, for the log */
    const char *trust;    /* its trust entry, likewise; NULL: none */
    const char *verify;   /* its rule, for the log; NULL: not by certificate */
    const char *purposes; /* likewise; NULL: strict */
    const struct sw_pin *pins;
    size_t pin_count;
    bool chain_only;          /* outbound it is not asked for its name */
    struct sw_load *load;     /* in which its connections count, borrowed; NULL: they do not */
    uint32_t connections;     /* that it may open, and as many that we may; 0: any number */
    struct sw_tls_params tls; /* with transport TLS */
};

struct sw_conn_conf {
    struct sw_conn_limits limits;
    const struct sw_conn_listener *listeners;
    const struct sw_conn_peer *peers; /* sorted by id */
    const struct sw_tls_policy *policies;
    uint32_t listener_count, peer_count, policy_count;
    const struct sw_revocations *revocations; /* what is learnt of them; NULL: nothing */
    struct sw_hold *hold; /* of all that stands above; NULL: it is never replaced */
    const struct sw_tls_resumption *resumption; /* for the start of a worker only; NULL: none */
    uint32_t instance;
    uint16_t node, worker;
    struct sw_counters *counters; /* of this worker, borrowed */
    struct sw_failures *failures; /* of all workers, borrowed; NULL: none are kept */
    struct sw_halfopen *halfopen; /* likewise; NULL: none are counted */
};

/* Somebody who waits for a dialled connection. */
struct sw_waiter {
    struct sw_list node;
    struct sw_ref job;
    uint16_t worker; /* whose job it is */
};

struct sw_conn {
    struct sw_flow flow; /* as everyone may see it */
    struct sw_ref ref;
    struct sw_tls *tls;          /* NULL: plain */
    struct sw_conn_named *named; /* we dialled it where a name leads; NULL: not so */
    char *server;                /* whose TLSA records count; NULL: none do */
    char *located;               /* the domain that led to it, in the same block */
    struct sw_load *load;        /* of its peer, in which it counts; NULL: it does not */
    struct sw_hold *hold;  /* of the configuration that its handshake uses; NULL: it is over */
    struct sw_timer timer; /* of the state: connect, handshake, idle, closing */
    struct sw_list dirty;  /* in conns.dirty: output waits for the end of the turn */
    struct sw_list steps;  /* in a queue of handshake steps */
    struct sw_list paused; /* in conns.paused: it sent too many, nothing is read from it */
    struct sw_list waiters;
    char *part; /* an incomplete message */
    char *out;  /* plain bytes to send */
    char *wire; /* encrypted bytes that the kernel did not take yet */
    uint32_t part_n, part_cap, out_n, out_cap, wire_n, wire_at;
    struct sw_frame frame;
    int fd;
    uint8_t state; /* enum sw_conn_state */
    bool want_write;
    bool listed;    /* in the reuse directory */
    bool heard;     /* the peer has sent application bytes */
    bool part_late; /* the timer counts for the incomplete message */
    bool waits;     /* in IDENTITY: whether its certificate was revoked is being asked for */
    bool name_told; /* that its server name is unknown */
    bool placed;    /* it is known whose session it resumes, if any */
    bool is_paused;
    bool halfopen;          /* it counts among the handshakes of its source */
    uint8_t renegotiations; /* that the peer asked for and that were told */
    uint8_t watched;        /* enum sw_loop_want, as the loop was told last */
    uint32_t local_domain;  /* which of our domains it is for: base/local.h; 0: none */
    uint32_t this_second;   /* messages taken in `second` */
    int64_t second;
    uint64_t users;    /* a bit per worker (modulo 64) that sent over it: told when it closes */
    int64_t active_ms; /* last traffic */
    int64_t started_ms;
    uint64_t messages_in, messages_out;
};

/* Reading is done for one connection at a time, with buffers of the worker. */
struct sw_conn_rx {
    struct sw_conn *conn;
    char *p;
    size_t at, n, cap;
};

struct sw_conns {
    struct sw_conn_conf conf;
    struct sw_table table; /* struct sw_conn */
    struct sw_timers timers;
    struct sw_slab slab;
    struct sw_list dirty;
    struct sw_list steps_out, steps_in; /* handshakes with something to do, oldest first */
    struct sw_list gone;
    struct sw_list paused;
    struct sw_loop *loop;
    struct sw_tls_worker *tls;
    struct sw_conn_rx rx;
    char *scratch_wire, *scratch_plain;
    size_t wire_read; /* bytes in scratch_wire that the last handshake step read */
    size_t plain_cap;
    int64_t now_ms;
    uint64_t generation;
    uint32_t waiting;        /* connections with `waits` */
    int64_t name_unknown_ms; /* when server_name_unknown was logged last */
    uint64_t names_unknown;  /* since then, that one counted */
};

/** `seen`: see sw_tls_worker_new; its user is the struct sw_conn. SW_LIMIT_MEMORY */
SW_MUST_USE enum sw_status sw_conns_init(struct sw_conns *s, const struct sw_conn_conf *conf,
                                         struct sw_loop *loop, int64_t now_ms,
                                         void (*seen)(void *user, const struct sw_tls_seen *m));
void sw_conns_fini(struct sw_conns *s);

/**
 * Takes up another configuration: what begins from now on uses it, handshakes that run keep theirs.
 * Listeners must be the same in number and order; the limits that size memory stay as they are.
 * SW_LIMIT_MEMORY: nothing changed.
 */
SW_MUST_USE enum sw_status sw_conns_adopt(struct sw_conns *s, const struct sw_conn_conf *conf);

/**
 * Judges the chain of an open connection again, with the rules of now: what it proves may be less
 * or nothing. SW_OK: `flow.ident` is what holds now. SW_CRYPTO: see sw_tls_failure.
 */
SW_MUST_USE enum sw_status sw_conn_judge_again(struct sw_conns *s, struct sw_conn *c);

/**
 * Looks whether the answer that a connection waits for is there. SW_OK: the identity is next.
 * SW_AGAIN: it is not; with `last` that does not happen. SW_CRYPTO: refused, see sw_tls_failure.
 */
SW_MUST_USE enum sw_status sw_conn_settle(struct sw_conns *s, struct sw_conn *c, bool last);

/** Takes up an accepted socket, which is closed if this fails. SW_LIMIT, SW_LIMIT_MEMORY, SW_CRYPTO
 */
SW_MUST_USE enum sw_status sw_conn_accepted(struct sw_conns *s, int fd, uint16_t listener, bool tls,
                                            const struct sw_endpoint *remote, struct sw_conn **out);

/**
 * Whether a connection that was accepted and not read yet resumes a session of another worker,
 * which should have it. Nothing is taken from the socket.
 */
bool sw_conn_is_elsewhere(struct sw_conns *s, struct sw_conn *c, uint16_t *worker);

/** Events of the socket are not looked at any more, before it is given to another worker. */
void sw_conn_let_go(struct sw_conns *s, struct sw_conn *c);

/** They are again: the other worker did not take it. */
enum sw_status sw_conn_take_back(struct sw_conns *s, struct sw_conn *c);

/** Drops a connection that was let go of, but for its socket: that is another worker's. */
void sw_conn_leave(struct sw_conns *s, struct sw_conn *c);

/**
 * Starts to dial one who is no peer, over TLS, with what the listener shows and believes; `peer` is
 * the id of the domain that must be proved. Its sessions are not resumed. As sw_conn_dial.
 */
SW_MUST_USE enum sw_status sw_conn_dial_stranger(struct sw_conns *s, uint32_t peer,
                                                 struct sw_slice domain, uint16_t listener,
                                                 const struct sw_endpoint *remote,
                                                 struct sw_conn **out);

/**
 * Starts to dial a peer, over TLS, where one of its domains leads, number `domain_of` from 1: that
 * is the server name, and what must be proved. As sw_conn_dial. RFC 5922 4, 7.8
 */
SW_MUST_USE enum sw_status sw_conn_dial_domain(struct sw_conns *s, uint32_t peer,
                                               struct sw_slice domain, uint32_t domain_of,
                                               uint16_t listener, const struct sw_endpoint *remote,
                                               struct sw_conn **out);

/** The name that one that we dialled must prove; empty: any of the peer's, or it dialled us. */
static inline struct sw_slice sw_conn_domain(const struct sw_conn *c)
{
    return c->named ? sw_slice_str(c->named->domain) : sw_slice("", 0);
}

/**
 * A connection over TLS that was just dialled: its server may be believed by these TLSA records,
 * and must match them. SW_LIMIT_MEMORY, SW_CRYPTO: it is to be dropped. RFC 7673
 */
SW_MUST_USE enum sw_status sw_conn_believe(struct sw_conn *c, const struct sw_dane *dane);

/** The host whose TLSA records count for it; empty: none do. */
static inline struct sw_slice sw_conn_server(const struct sw_conn *c)
{
    return c->server ? sw_slice_str(c->server) : sw_slice("", 0);
}

/** The domain whose location led to that host; empty: there is none. */
static inline struct sw_slice sw_conn_located(const struct sw_conn *c)
{
    return c->server ? sw_slice_str(c->located) : sw_slice("", 0);
}

/** Starts to dial. SW_LIMIT_PEER: not begun; SW_LIMIT, SW_LIMIT_MEMORY, SW_CRYPTO,
 * SW_SYS_UNREACHABLE, SW_PEER_REFUSED */
SW_MUST_USE enum sw_status sw_conn_dial(struct sw_conns *s, uint32_t peer, uint16_t listener,
                                        enum sw_transport transport,
                                        const struct sw_endpoint *remote, struct sw_conn **out);

/** How to dial the peer with this id, or NULL. */
const struct sw_conn_peer *sw_conn_peer_find(const struct sw_conns *s, uint32_t id);

/** The identity that we use when we dial a peer; NULL: none. */
const struct sw_tls_identity *sw_conn_identity(const struct sw_conn_peer *peer);

/** The id, as in struct sw_flow, of a connection from that listener to a peer, or to one who is
 * none, for one of our domains: base/local.h. */
uint32_t sw_conn_shown_id(const struct sw_conns *s, uint32_t peer, uint16_t listener,
                          uint32_t domain);

/** A connection is for this domain of ours: one that is dialled, or is about to be admitted.
 * RFC 5923 9.3 */
void sw_conn_is_for(const struct sw_conns *s, struct sw_conn *c, uint32_t domain);

/** The connection a reference names, or NULL. */
struct sw_conn *sw_conn_get(const struct sw_conns *s, struct sw_ref ref);

/** A dialled socket became writable. SW_OK: connected; a plain one then awaits its identity. */
SW_MUST_USE enum sw_status sw_conn_connected(struct sw_conns *s, struct sw_conn *c);

/**
 * One step of a handshake. SW_OK: done, the identity is next. SW_AGAIN: wait. SW_LIMIT: the peer's
 * certificate has more names than are read, and so proves nothing. Else it failed.
 */
SW_MUST_USE enum sw_status sw_conn_handshake(struct sw_conns *s, struct sw_conn *c);

/** Puts a handshake that has something to do in its queue. */
void sw_conn_queue_step(struct sw_conns *s, struct sw_conn *c);

/** The turn is over: what is left in the queues is not watched until its step is done. */
void sw_conn_mute_steps(struct sw_conns *s);

/** Tells the loop what is waited for, unless it knows. */
void sw_conn_watch(struct sw_conns *s, struct sw_conn *c, unsigned want);
/** Says whose it is: by its certificate on both sides it may become an alias. RFC 5923 9.1, 9.2 */
void sw_conn_belongs(struct sw_conn *c, uint32_t peer, uint32_t domain_id);

/** The identity holds: messages may pass, for `peer`. */
void sw_conn_admit(struct sw_conns *s, struct sw_conn *c, uint32_t peer, uint32_t domain_id);

/** Reads what has come. SW_OK: see sw_conn_next. SW_AGAIN: nothing. Else it is over. */
SW_MUST_USE enum sw_status sw_conn_read(struct sw_conns *s, struct sw_conn *c);

/** Goes on with bytes that came together with the end of the handshake, as sw_conn_read. */
void sw_conn_read_rest(struct sw_conns *s, struct sw_conn *c);

/**
 * True if the connection has sent its messages for this second: nothing more is read from it, and
 * the rest waits in the kernel, until sw_conns_resume.
 */
bool sw_conn_pause(struct sw_conns *s, struct sw_conn *c);

/** Lets paused connections be read again once the next second has begun. */
void sw_conns_resume(struct sw_conns *s);

/** When sw_conns_resume has something to do; SW_TIMER_NEVER: nothing is paused. */
int64_t sw_conns_resume_at(const struct sw_conns *s);

/**
 * The next whole message of what was read; valid until the next call. SW_AGAIN: there is none.
 * SW_PEER_MISSING, SW_LIMIT_SIZE: no message can be cut out any more; `out` is its head or empty.
 * SW_PEER_SYNTAX: this is not SIP. SW_PEER_CLOSED and others: the connection is over.
 */
SW_MUST_USE enum sw_status sw_conn_next(struct sw_conns *s, struct sw_conn *c,
                                        struct sw_slice *out);

/** True if what was read of a connection without TLS begins with TLS. */
bool sw_conn_hears_tls(const struct sw_conns *s, const struct sw_conn *c);

/**
 * A handshake failed because the client speaks without TLS: the connection goes on without it, for
 * an answer that the client understands. Returns what it said, valid until something is read.
 */
struct sw_slice sw_conn_without_tls(struct sw_conns *s, struct sw_conn *c);

/** Queues bytes; they leave with the turn. SW_LIMIT_SIZE: `output_max`; SW_PEER_CLOSED: not open.
 */
SW_MUST_USE enum sw_status sw_conn_send(struct sw_conns *s, struct sw_conn *c,
                                        const struct sw_slice *segs, size_t count, size_t total);

/** Sends what is queued, as far as the kernel takes it. Else than SW_OK: it is over. */
SW_MUST_USE enum sw_status sw_conn_flush(struct sw_conns *s, struct sw_conn *c);

/**
 * Closes in good order: what is queued, close_notify, and what comes is discarded until the peer
 * has closed too; at once if `peer_closed` already. A handshake's alert reaches the peer in the
 * same way.
 */
void sw_conn_close(struct sw_conns *s, struct sw_conn *c, bool peer_closed);

/** Lets go of a connection at once; its memory goes with sw_conns_sweep. */
void sw_conn_drop(struct sw_conns *s, struct sw_conn *c);

/** Frees what was dropped in this turn. */
void sw_conns_sweep(struct sw_conns *s);

/** For how long nothing may pass over an open connection until its time is up: until it is idle, or
 * it may be surplus. */
uint32_t sw_conn_quiet_ms(const struct sw_conns *s, const struct sw_conn *c);

/**
 * One that is CLOSING takes bytes again: sends what is left before our side ends. Else than SW_OK:
 * it is over.
 */
SW_MUST_USE enum sw_status sw_conn_close_further(struct sw_conns *s, struct sw_conn *c);

/** The next connection whose time is up, or NULL; its state says for what. */
struct sw_conn *sw_conns_expired(struct sw_conns *s);

/** The name of a state, for logs. */
const char *sw_conn_state_name(enum sw_conn_state state);

#endif
