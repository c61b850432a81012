/* The response context of a request: its targets, the branches that try them, and the best answer
 * so far. RFC 3261 16.6 to 16.10 */
#ifndef SW_PROXY_FORK_H
#define SW_PROXY_FORK_H

#include "engine/send.h"
#include "proxy/forward.h"
#include "proxy/limit.h"

/* RFC 3261 16.6 step 11: Timer C is larger than three minutes. */
enum { SW_TIMER_C_MS = 185 * 1000 };

enum sw_branch_state {
    SW_BRANCH_LOCATING, /* the DNS is asked where the target is */
    SW_BRANCH_OPENING,  /* parked at OPEN: waits for a connection */
    SW_BRANCH_SENT,     /* a client transaction runs */
    SW_BRANCH_DONE,     /* over */
};

/* One place that a request may go to, with the alternatives that are tried in its stead. */
struct sw_choice {
    uint32_t next, end;            /* what is left of it in fork.targets */
    const struct sw_target *found; /* places that the DNS has for one of them: they come first */
    uint32_t found_next, found_end;
    uint32_t breadth;  /* its share of Max-Breadth: RFC 5393 5.3.3 */
    uint32_t peer;     /* whose targets are being tried; 0: nobody's yet */
    uint32_t tls_peer; /* whose TLS targets were tried last: */
    bool tls_refused;  /* all of them were refused at connect */
    bool tls_failed;   /* one was not: nothing leaves in the clear */
    bool found_more;   /* the DNS has more than what was found */
};

struct sw_branch {
    struct sw_list node; /* in fork.branches */
    struct sw_fork *fork;
    struct sw_choice *choice;
    struct sw_timer timer_c;
    struct sw_timer answer; /* the target's `timeout` */
    struct sw_ref send;     /* its parked send while it waits for a connection */
    struct sw_ref client;   /* its transaction; generation 0: none */
    struct sw_load *load;   /* in which it counts; NULL: it does not */
    struct sw_ref location; /* what it waits for while it is located */
    struct sw_target target;
    struct sw_slice out_name; /* the proved domain at `out` if that is no peer's */
    struct sw_call_side out;  /* what the request left over */
    uint8_t state;            /* enum sw_branch_state */
    bool heard;               /* a response has come */
    bool passed_over;         /* its `timeout` went by and the next target was tried */
    bool cancelled;           /* is to be, or was, cancelled */
    bool over_tcp;            /* the large request goes over TCP first */
};

/* Header lines of a 401 or 407 that was not passed on. RFC 3261 16.7 step 7 */
struct sw_challenge {
    const struct sw_challenge *next;
    struct sw_slice row;
    uint8_t id; /* enum sw_hdr_id */
};

struct sw_fork {
    struct sw_list node; /* in proxy.forks */
    struct sw_arena arena;
    struct sw_ref server;
    struct sw_load *load;    /* of its sender, in which it counts; NULL: it does not */
    int64_t came_ms;         /* when the request came */
    struct sw_flow in;       /* how the request came; without ident */
    struct sw_slice in_name; /* see sw_proved_stranger */
    struct sw_msg msg;       /* the request, its bytes in the arena */
    struct sw_vitals vitals;
    struct sw_routes *routes;
    const struct sw_rewrite *rewrite; /* what its route changes; NULL: nothing */
    struct sw_list branches;
    const struct sw_target *targets;
    uint32_t target_count, target_next; /* the next group starts there */
    uint32_t tried;                     /* targets and places so far */
    uint32_t breadth;                   /* branches at once */
    uint64_t loop;
    struct sw_slice best; /* the best final response so far as it came; .p NULL: one of our own */
    uint32_t best_from;   /* the peer that it came from */
    uint16_t best_status; /* its status; 0: none yet */
    uint16_t warning;     /* with a 480 of our own: SW_WARN_SIPS_...; 0: none */
    const char *failure;  /* reason phrase for one of our own */
    const struct sw_challenge *challenges, **challenges_end;
    uint16_t retry_s; /* a target was passed over for a limit of its peer: see SW_LIMIT_SOON_S */
    bool exempt;      /* from the limits of peers */
    bool cancelled;
    bool answered; /* a final response went back */
};

/**
 * Takes up a request whose server transaction is `s`, with its place in `*load`, which is NULL
 * afterwards. NULL: memory is out.
 */
struct sw_fork *sw_fork_new(struct sw_proxy *p, struct sw_server *s, const struct sw_request *q,
                            const struct sw_targets *targets, struct sw_load **load);

/** Tries the next group of targets. Answers the request if there is none and nothing is pending. */
void sw_fork_next(struct sw_proxy *p, struct sw_fork *f);

/**
 * True if nothing more is tried: the request was cancelled (RFC 3261 16.10), or is no INVITE and
 * whoever sent it has given up after 64*T1 (RFC 3261 17.1.2.2, RFC 4320 4.2), or it was tried at
 * as many places as `limits.branches` allows.
 */
bool sw_fork_is_over(const struct sw_proxy *p, const struct sw_fork *f);

/** Tries the next alternative of a choice. False: there is none, or none could be tried. */
bool sw_fork_alternative(struct sw_proxy *p, struct sw_fork *f, struct sw_choice *c);

/** A CANCEL for the request came: cancels what is pending. RFC 3261 16.10 */
void sw_fork_cancel(struct sw_proxy *p, struct sw_fork *f);

/** True if a choice has alternatives left. */
static inline bool sw_choice_left(const struct sw_choice *c)
{
    return c->found_next < c->found_end || c->next < c->end;
}

/** The next alternative of a choice that has some left. */
static inline const struct sw_target *sw_choice_peek(const struct sw_fork *f,
                                                     const struct sw_choice *c)
{
    return c->found_next < c->found_end ? &c->found[c->found_next] : &f->targets[c->next];
}

static inline void sw_choice_skip(struct sw_choice *c)
{
    if (c->found_next < c->found_end)
        c->found_next++;
    else
        c->next++;
}

/** Nothing else of it is tried. */
static inline void sw_choice_close(struct sw_choice *c)
{
    c->next = c->end;
    c->found_next = c->found_end;
}

/**
 * Asks the DNS for the places of a target. False: nothing is waited for; what was found, if
 * anything, are the next alternatives of the choice. RFC 3263 4
 */
bool sw_branch_locate(struct sw_proxy *p, struct sw_fork *f, struct sw_choice *c,
                      const struct sw_target *t);

/** The location of a branch is over. */
void sw_branch_located(struct sw_proxy *p, struct sw_branch *b);

/** A branch that knows its places, or will never know them, gives way to the next alternative.
 */
void sw_branch_go_on(struct sw_proxy *p, struct sw_branch *b);

/** A call is counted once for a peer, however many of its servers it is tried at. */
enum sw_limit_as sw_fork_counted_as(const struct sw_fork *f, uint32_t peer);

/** True if something is left to be tried when a branch of the choice does not answer. */
bool sw_branch_has_next(const struct sw_proxy *p, const struct sw_fork *f,
                        const struct sw_choice *c);

/** What came of a place of its peer is remembered for a while: others are tried first. */
void sw_branch_mark(struct sw_proxy *p, const struct sw_target *t, bool failed);

/** Without an answer, also from the DNS about its domain: the peer is to blame, unless only a
 * connection that was open would have done. */
void sw_branch_no_answer(struct sw_proxy *p, const struct sw_branch *b, const char *why);

/** The answer to a branch's OPEN. */
void sw_branch_opened(struct sw_proxy *p, struct sw_branch *b, enum sw_status status,
                      const struct sw_flow *flow);

/** A response that the branch's transaction passed up. `ended`: the transaction is gone. RFC
 * 3261 16.7 */
void sw_branch_response(struct sw_proxy *p, struct sw_branch *b, const struct sw_msg *m,
                        const struct sw_vitals *v, bool ended);

/** The branch's transaction is gone: without answer in time (408), or for a transport failure
 * (503), which may be `ours`: see sw_blame_is_ours. RFC 3261 16.9 */
void sw_branch_failed(struct sw_proxy *p, struct sw_branch *b, unsigned as_status, bool ours);

/** Timer C. RFC 3261 16.8 */
void sw_branch_timer_c(struct sw_proxy *p, struct sw_branch *b);

/** No answer within the target's `timeout`. */
void sw_branch_timeout(struct sw_proxy *p, struct sw_branch *b);

/** Passes a 2xx repeat of a transaction without context to its server transaction. RFC 6026 7.3
 */
void sw_fork_late_2xx(struct sw_proxy *p, struct sw_client *c, const struct sw_msg *m,
                      const struct sw_vitals *v);

/**
 * Takes a final answer into account: the better one stays, and challenges of the others are
 * kept. `m` is NULL for one of our own. True if this one is the best now. RFC 3261 16.7 steps 6
 * and 7
 */
bool sw_fork_consider(struct sw_fork *f, unsigned status, const struct sw_msg *m,
                      const char *failure);

/** True while a branch may still answer that was not passed over. */
bool sw_fork_pending(const struct sw_fork *f);

/** Answers with the best response, or with 408 or 487; then frees what is not needed any more.
 */
void sw_fork_conclude(struct sw_proxy *p, struct sw_fork *f);

/** Frees the context if it was answered and no branch needs it. */
void sw_fork_settle(struct sw_proxy *p, struct sw_fork *f);

/** Starts one target of a choice. False: it could not even be tried. */
bool sw_branch_start(struct sw_proxy *p, struct sw_fork *f, struct sw_choice *c,
                     const struct sw_target *t);

/** Cancels a branch: at once, or as soon as RFC 3261 9.1 allows. */
void sw_branch_cancel(struct sw_proxy *p, struct sw_branch *b);

/** Ends a branch's part in the context; its transaction, if it still absorbs repeats, goes on
 * alone. */
void sw_branch_done(struct sw_proxy *p, struct sw_branch *b);

/** Frees a context and all it holds, answered or not. */
void sw_fork_free(struct sw_proxy *p, struct sw_fork *f);

#endif
