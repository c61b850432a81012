/* Topology hiding: a peer with `hide_inside` sees us where it would see the systems behind us. What
 * is taken out of a message leaves in it, sealed, as a parameter of our own Via, Record-Route or
 * Contact, and is put back when the message, or a later one of the dialog, comes back: no state is
 * kept. docs/hiding.md; RFC 3261 8.1.1.7, 12.1.1, 20.10; RFC 3323 5.1; RFC 5853 3.1 */
#ifndef SW_PROXY_HIDE_H
#define SW_PROXY_HIDE_H

#include "proxy/policy.h"

/* What a sealed text is: one kind can never be opened as another. */
enum sw_hide_kind {
    SW_HIDE_VIA = 'v',     /* Via rows, in ";sv=" of our Via; bound to its branch */
    SW_HIDE_ROUTE = 'r',   /* the seal of our Record-Route, which names addresses, and values of
                            * others, in ";sw=" of ours; bound to the Call-ID */
    SW_HIDE_CONTACT = 'c', /* owner and URI, in ";sc=" of one of ours; bound to nothing: it may be
                            * called */
    SW_HIDE_PATH = 'p', /* owner and Path or Service-Route values, in ";sw=P" of ours; likewise */
};

/* Bytes that one sealed text hides: five Via or Record-Route values of usual length take 500. What
 * does not fit is not sent: the request gets 500, a response is lost and logged. */
enum { SW_HIDE_TEXT_MAX = 2048 };

/* The id of the peer behind which a Contact or Path is stands before it. */
enum { SW_HIDE_OWNER_BYTES = 4 };

/* Rows that one sealed text can hold. */
enum { SW_HIDE_ITEMS_MAX = 64 };

/* Names of the parameters. */
#define SW_HIDE_PARAM_VIA     SW_SLICE("sv")
#define SW_HIDE_PARAM_CONTACT SW_SLICE("sc")
#define SW_HIDE_PARAM_SEAL    SW_SLICE("sw")
#define SW_HIDE_PARAM_LOOP    SW_SLICE("sl")

/* A text to be sealed: rows or values, each with its length before it. */
struct sw_hide_list {
    char bytes[SW_HIDE_TEXT_MAX];
    struct sw_buf b;
    uint32_t count;
};

void sw_hide_list_init(struct sw_hide_list *x);
void sw_hide_list_add(struct sw_hide_list *x, struct sw_slice item);

/** Takes the next item off an opened text; false: there is none, or it is cut short. */
bool sw_hide_list_next(struct sw_slice *rest, struct sw_slice *item);

/**
 * Appends a sealed text; `context` is what it must come back with. b->full: too long, or no room.
 * No allocation.
 */
void sw_hide_put(struct sw_buf *b, const struct sw_proxy_conf *c, enum sw_hide_kind kind,
                 struct sw_slice context, struct sw_slice text);

/**
 * Opens a sealed text with any of the keys of `seal_key` into `bytes`, in which `*out` then stands.
 * SW_DENIED_SEAL: forged, damaged, of another key, kind or context.
 */
SW_MUST_USE enum sw_status sw_hide_get(const struct sw_proxy_conf *c, enum sw_hide_kind kind,
                                       struct sw_slice context, struct sw_slice text,
                                       char bytes[SW_HIDE_TEXT_MAX], struct sw_slice *out);

/** Takes the owner off an opened Contact or Path; false: there is none. */
bool sw_hide_owner(struct sw_slice *rest, uint32_t *peer);

/** True for the letter of a Record-Route value of ours that hides: A and T those of a request from
 * the peer, B and S those of one to it. */
static inline bool sw_hide_letter(char letter)
{
    return letter == 'A' || letter == 'B' || letter == 'S' || letter == 'T';
}

/**
 * Opens such a value: the letters of its seal, as a value that hides nothing has them, and the
 * items behind. Statuses as sw_hide_get.
 */
SW_MUST_USE enum sw_status sw_hide_route_open(const struct sw_proxy_conf *c,
                                              struct sw_slice call_id, struct sw_slice text,
                                              char bytes[SW_HIDE_TEXT_MAX], struct sw_buf *letters,
                                              struct sw_slice *items);

/** True if the inside is hidden from the peer with this id. */
static inline bool sw_hide_wanted(const struct sw_proxy_conf *c, uint32_t peer)
{
    if (!c->hides)
        return false;
    const struct sw_peer_conf *p = sw_proxy_peer(c, peer);
    return p && p->hide_inside;
}

/* Out: towards a peer from which the inside is hidden. In hide_out.c. */

/** Appends the marks of the request's Vias, and ";sv=" with all Via rows of the request as it came,
 * the top value stamped. RFC 3261 18.2.1 */
void sw_hide_put_vias(struct sw_buf *b, const struct sw_proxy_conf *c, const struct sw_msg *m,
                      const struct sw_vitals *v, const struct sw_flow *in, struct sw_slice branch);

/** Appends one Record-Route row, which stands for both of ours and all that the request brought. */
void sw_hide_put_record_route(struct sw_buf *b, const struct sw_proxy_conf *c,
                              const struct sw_msg *m, struct sw_slice call_id,
                              const struct sw_seal *seal, bool sips);

/**
 * Takes out of a request what the two above have sealed, and replaces Contact and Path. `edits`
 * has all insertions before the rows of Via and Record-Route already. `of` is the peer that sent
 * it. SW_LIMIT: it does not fit, or a Contact cannot be read.
 */
SW_MUST_USE enum sw_status sw_hide_request(const struct sw_proxy_conf *c, const struct sw_msg *m,
                                           const struct sw_flow *out, uint32_t of,
                                           struct sw_buf *room, struct sw_edits *edits);

/** The same for a response to a request that came by `in`: Record-Route, Contact, Service-Route;
 * Path goes. */
SW_MUST_USE enum sw_status sw_hide_response(const struct sw_proxy_conf *c, const struct sw_msg *m,
                                            const struct sw_vitals *v, const struct sw_flow *in,
                                            uint32_t of, struct sw_buf *room,
                                            struct sw_edits *edits);

/** The room that the edits of a message take at most. */
size_t sw_hide_room(const struct sw_msg *m);

/* What somebody hands on, in hide_told.c. `to` is the id of who is to get it: it is told if the
 * inside is not hidden from it, or if it is the one whose it is. */

/**
 * Puts back what a Contact of ours in Refer-To stands for; what does not open stays. `room` needs
 * SW_HIDE_TEXT_MAX beside the length of the value. RFC 3515 2.1
 */
void sw_unhide_refer_to(const struct sw_proxy_conf *c, const struct sw_msg *m, uint32_t to,
                        struct sw_buf *room, struct sw_edits *edits);

/** The same for the Contacts of a response. `room` needs no more than the message has. */
void sw_unhide_contacts(const struct sw_proxy_conf *c, const struct sw_msg *m, uint32_t to,
                        struct sw_buf *room, struct sw_edits *edits);

/** The same for one URI of it. False: it is no sealed Contact. */
bool sw_unhide_contact(const struct sw_proxy_conf *c, const struct sw_msg *m, uint32_t to,
                       struct sw_slice uri, struct sw_buf *room, struct sw_edits *edits);

/* Back in, in hide_in.c. */

/**
 * Puts back what a request brings with it: the Request-URI, if it is a Contact of ours, and what
 * our topmost Route stands for; q->r->opened_of says whose they are. SW_AGAIN: there is nothing
 * hidden in it; SW_DENIED_SEAL: one does not hold, and `out` says what it is answered with.
 */
SW_MUST_USE enum sw_status sw_unhide_request(const struct sw_proxy_conf *c,
                                             const struct sw_request *q, struct sw_buf *room,
                                             struct sw_edits *edits, struct sw_refusal *out);

/* Shorter parameters of a URI of ours hold no sealed URI: ";sc=" and 36 letters are "sip:a". */
enum { SW_HIDE_URI_PARAMS_MIN = 40 };

static inline bool sw_hide_in_uri(const struct sw_uri *u)
{
    return u->params.n >= SW_HIDE_URI_PARAMS_MIN;
}

/* Shorter parameters of a Via hold no sealed rows: what hides nothing is not looked through. */
enum { SW_HIDE_VIA_PARAMS_MIN = 80 };

/** True if a Via may hide others; sw_unhide_via finds out. */
static inline bool sw_hide_in_via(const struct sw_via *via)
{
    return via->params.n >= SW_HIDE_VIA_PARAMS_MIN;
}

/* Marks of what is hidden, in hide_marks.c. */

/** Appends ";sl=" with a mark of each Via of the request that a gateway like this one wrote, the
 * newest first and 16 at most, and those that stand in them; nothing if there is none. */
void sw_hide_put_marks(struct sw_buf *b, const struct sw_msg *m);

bool sw_hide_has_marks(const struct sw_via *via);

/** True if a pass with this hash (sw_policy_loop_hash) is marked in a Via. RFC 5393 4.2.2 */
bool sw_hide_marked(const struct sw_via *via, uint64_t loop);

/**
 * Opens what a Via of ours hides, rows with one or more values each. SW_AGAIN: it hides nothing;
 * SW_DENIED_SEAL: it does not hold, or is not ours.
 */
SW_MUST_USE enum sw_status sw_unhide_via(const struct sw_proxy_conf *c, const struct sw_via *via,
                                         char bytes[SW_HIDE_TEXT_MAX], struct sw_slice *items);

/** Puts back what a response from `peer` brings: Via, Record-Route, Path. `*why`: static
 * text of what does not hold. */
SW_MUST_USE enum sw_status sw_unhide_response(const struct sw_proxy_conf *c, uint32_t peer,
                                              const struct sw_msg *m, const struct sw_vitals *v,
                                              struct sw_buf *room, struct sw_edits *edits,
                                              const char **why);

#endif
