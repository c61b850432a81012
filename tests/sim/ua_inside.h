/* What the files of the simulation's user agent share. */
#ifndef TESTS_SIM_UA_INSIDE_H
#define TESTS_SIM_UA_INSIDE_H

#include "sim/ua.h"

/* The gateway's connections, as this agent's directory knows them. */
enum { UA_PEER_GATEWAY = 77 };

enum { UA_TK_NEXT = SW_TK_USER, UA_TK_AGAIN };

/* ---- ua.c: calls, responses and time ---- */

struct ua_call *ua_call_new(struct ua *u, bool caller);

/** The last call with a Call-ID, or NULL. */
struct ua_call *ua_call_find(struct ua *u, struct sw_slice call_id, bool caller);

/* ---- ua_send.c: requests, and what a dialog needs of them ---- */

/** HOST:PORT, in static memory. */
const char *ua_own_address(const struct ua *u);

/** Sends the request of `c` over `flow`, with a transaction unless it is an ACK. */
void ua_transmit(struct ua *u, struct ua_call *c, const struct sw_flow *flow);

/** Makes a request with everything but its Via, which is put in when it is sent; sends it, over a
 * connection once that is there. */
void ua_compose(struct ua *u, struct ua_call *c, const char *method, const char *body);

void ua_copy_text(char *to, size_t cap, struct sw_slice s);

/** Takes route set and remote target from a message: reversed for the caller. */
void ua_learn_routes(struct ua_call *c, const struct sw_msg *m, bool reversed);
void ua_hang_up(struct ua *u, struct ua_call *c);

/* ---- ua_answer.c: requests that come ---- */

void ua_on_request(struct ua *u, const struct sw_event *ev);

/** The 2xx again until the ACK. RFC 3261 13.3.1.4 */
void ua_ok_again(struct ua *u, struct ua_call *c);

/** The next thing a callee does: ring, answer, hang up. */
void ua_next_callee(struct ua *u, struct ua_call *c);

#endif
