/* Route and Record-Route: taking our own values off, knowing the dialog they belong to, and putting
 * new ones in. */
#ifndef SW_PROXY_RROUTE_H
#define SW_PROXY_RROUTE_H

#include "proxy/seal.h"
#include "sip/check.h"
#include "sip/edit.h"

/* Route values of one request that are not ours: real ones have one or two. */
enum { SW_ROUTES_MAX = 16 };

/* What the Route rows of a request say once ours are taken off. */
struct sw_routes {
    struct sw_slice value[SW_ROUTES_MAX]; /* those that remain, as they stand */
    struct sw_uri next;                   /* the URI of the first of them */
    struct sw_seal seal;                  /* of our values, if `sealed` */
    struct sw_slice
        uri;            /* a strict router's: the Request-URI it put last in Route; .p NULL: none */
    uint32_t count;     /* of `value` */
    uint32_t opened_of; /* the peer whose sealed Contact or Path was put back; 0: none was */
    bool opened_sips;   /* that Contact is a sips URI, and is called by a sip one */
    bool opened_sip;    /* or the other way round */
    char letter;        /* which side our top value faced: 'a', 'b', or 's' for both */
    bool changed;       /* the rows must be written anew */
    bool ours;          /* at least one value was ours */
    bool first_sips;    /* the topmost value, ours, is a sips URI: it must have come over TLS */
    bool sealed;
    bool bad_seal;  /* a value of ours whose seal does not hold */
    bool bad_value; /* a value that is no address, or one of these: */
    bool too_many;  /* more than SW_ROUTES_MAX */
    bool too_long;  /* a URI above the limit `uri_bytes` */
};

/**
 * Reads the Route rows, and takes off those values at their start that are ours: unsealed ones, and
 * the one or two of one dialog. RFC 3261 16.4, RFC 5658 5
 */
void sw_routes_read(const struct sw_proxy_conf *c, const struct sw_msg *m,
                    const struct sw_vitals *v, struct sw_routes *out);

/** Points everything that was read from the bytes at `from` into their copy at `to`. */
void sw_routes_move(struct sw_routes *r, const char *from, const char *to);

/**
 * Turns the request into the form that a strict router expects, if the next value is one: its URI
 * goes into the Request-URI, and `uri` as last into Route. Returns what the Request-URI becomes.
 * `room` holds the bytes of the new value. RFC 3261 16.6 step 6
 */
struct sw_slice sw_routes_strict(struct sw_routes *r, struct sw_slice uri, struct sw_buf *room);

/** Writes the rows anew if they changed; `room` holds the bytes. */
void sw_routes_edit(const struct sw_msg *m, const struct sw_routes *r, struct sw_buf *room,
                    struct sw_edits *edits);

/**
 * Which side of the dialog `flow` is: 0 or 1 into `*side`. SW_DENIED: neither. Who is no peer is a
 * side if it proves the domain that the dialog is with (proxy/party.h). When both sides are the
 * same, the value's letter and the flow decide.
 */
SW_MUST_USE enum sw_status sw_routes_side(const struct sw_proxy_conf *c, const struct sw_routes *r,
                                          const struct sw_flow *flow, int *side);

/** True if the method can create a dialog, or we cannot know. RFC 3261 16.6 step 4 */
bool sw_record_route_wanted(enum sw_method method);

/**
 * Appends our Record-Route rows: one, or two when the sides differ, the next hop's first. `sips`:
 * the Request-URI or topmost Route is one. RFC 3261 16.6 step 4, 26.3.2.2; RFC 5658 5, RFC 5630 5.3
 */
void sw_record_route_put(struct sw_buf *b, const struct sw_proxy_conf *c, struct sw_slice call_id,
                         const struct sw_seal *seal, bool sips);

/** Appends a URI of ours, without brackets, as the side that this listener faces reaches us.
 * RFC 5630 5.3 */
void sw_own_uri_put(struct sw_buf *b, const struct sw_listener_conf *l, uint8_t transport,
                    bool sips);

/** The same with what makes it a value of our Record-Route: sip for a side without TLS, also if
 * `sips`. RFC 3261 16.6 step 4, 16.7 step 8; RFC 5658 6.2 */
void sw_record_route_uri_put(struct sw_buf *b, const struct sw_listener_conf *l, uint8_t transport,
                             bool sips, char letter, struct sw_slice sealed);

/** True if both sides reach us in the same way, so that one row serves them. RFC 5658 5 */
bool sw_seal_one_row(const struct sw_seal *seal);

/** What stands for a flow's owner in a seal. */
uint32_t sw_side_peer(const struct sw_flow *flow);

#endif
