/* The station where a message waits until the DNS has said where it goes: it carries the questions
 * of a location, and before it those of ENUM, to the executor and their answers back. RFC 3263 4 */
#ifndef SW_PROXY_STATION_H
#define SW_PROXY_STATION_H

#include "proxy/number.h"
#include "proxy/proxy.h"
#include "sip/enum.h"
#include "sip/locate.h"

enum {
    /* 32 MiB of a worker's memory, with ENUM 48, with DANE 16 more; more than that many are not
     * under way at once unless the name servers are silent */
    SW_LOCATIONS_MAX = 2048,
    /* Then what is not answered counts as silence: an INVITE's caller gives up after 32 s. */
    SW_LOCATION_WAIT_MS = 10000,
};

/* One location that is under way, or over and about to be taken up. */
struct sw_location {
    struct sw_ref ref;
    struct sw_timer timer; /* the answers may be lost in a full mailbox */
    struct sw_locate *locate;
    struct sw_locate_tlsa *tlsa; /* NULL: nobody is believed by TLSA records */
    struct sw_enum *number; /* NULL: no ENUM; else it is first, and `locate` begins with its URI */
    struct sw_locate_goal rest; /* what the URI found does not say: have, families, tls_only */
    uint16_t listener;          /* with `number`: of those who are no peer */
    uint8_t as;                 /* enum sw_number_as; likewise of ENUM: */
    uint8_t unfit;              /* enum sw_number_fit of the first URI that was passed over */
    uint8_t located;            /* URIs that were looked for */
    bool forged;                /* one that was passed over for that */
    bool asks_host;             /* `locate` is about the URI that was found */
    void *user;
    struct sw_ref user_ref; /* SW_USER_PARKED: the parked send in place of `user` */
    uint8_t user_kind;      /* as of clients and parked sends */
};

/**
 * Begins to look for a host; `dane`: its servers may be believed by TLSA records. The location may
 * be over at once (see sw_location_over), else its user is told by sw_location_answered or
 * sw_location_due. NULL: SW_LOCATIONS_MAX, or memory is out.
 */
struct sw_location *sw_location_start(struct sw_proxy *p, const struct sw_locate_goal *goal,
                                      bool dane, void *user, uint8_t user_kind);

/** The same for a number, as from sw_enum_number: first its URI, then that, which decides whether
 * TLSA records count: as its peer has it, else `listener`. A URI that does not fit or cannot be
 * located is passed over, if another one can be. RFC 6116 3.2, 3.4.2 */
struct sw_location *sw_location_start_number(struct sw_proxy *p, const char *number,
                                             struct sw_slice suffix, enum sw_number_as as,
                                             const struct sw_locate_goal *rest, uint16_t listener,
                                             void *user, uint8_t user_kind);

/** True if nothing more is waited for: places are found, or there are none. */
bool sw_location_over(const struct sw_location *x);

/** True if the URI that was found for a number leaves as sips. RFC 5630 5.3 */
bool sw_location_demands_tls(const struct sw_location *x);

/** True if an answer that it got was forged: DNSSEC. */
bool sw_location_forged(const struct sw_location *x);

/** The location with this reference, or NULL. */
struct sw_location *sw_location_get(const struct sw_proxy *p, struct sw_ref ref);

/** SW_EV_ANSWER: the location that is over with it, to be given to its user; NULL: none. */
struct sw_location *sw_location_answered(struct sw_proxy *p, const struct sw_event *ev);

/** Its time is up: what lacks an answer is silent. It is over then. */
void sw_location_due(struct sw_proxy *p, struct sw_location *x);

/** Frees a location; answers that still come find nothing. */
void sw_location_drop(struct sw_proxy *p, struct sw_ref ref);

/** Frees all. */
void sw_locations_fini(struct sw_proxy *p);

/** Why there are no places, with what came of each question, in scratch memory. */
struct sw_slice sw_location_reason(struct sw_proxy *p, const struct sw_location *x);

/**
 * What is signed of the certificate of a place's server, copied into `a`, in `out`. False: memory
 * is out, and the place must not be used.
 */
SW_MUST_USE bool sw_location_dane(struct sw_arena *a, const struct sw_locate *x,
                                  const struct sw_locate_place *place, struct sw_dane *out);

/** Whether the servers of a host may be believed by TLSA records: as those of a peer if it is one
 * of its domains, as those of who is none if they are dialled from a listener that lets them. A
 * host that is not the peer's is anybody's choice, and its records would prove the peer. RFC
 * 7673 4.1 */
bool sw_location_wants_dane(const struct sw_proxy_conf *c, const struct sw_peer_conf *peer,
                            uint16_t listener, struct sw_slice host);

/** The families that a listener can reach: that of its own address; connections from a wildcard
 * address both. */
uint8_t sw_location_families(const struct sw_proxy_conf *c, uint16_t listener);

#endif
