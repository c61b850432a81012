/* The scene of the tests of the location: a PBX inside (UDP), a gateway, and partners outside that
 * are found by DNS. */
#ifndef TESTS_SIM_LOCATE_H
#define TESTS_SIM_LOCATE_H

#include "sim/raw.h"
#include "sim/world.h"

struct located {
    struct sim *sim;
    struct gate gate;
    struct zone zone;
    struct raw *pbx, *one, *two;
    struct sw_ident *ident_one, *ident_two;
    const char *inside_to; /* the URI in To of what send_inside sends; NULL: sip:b@c */
};

/** A route of anybody to where the DNS says. */
struct sw_route_conf *route_lookup(struct conf *k, enum sw_lookup_rule rule);

/** A gateway that knows peers "partner" (partner.test, no address) and "pbx"; routes follow. `one`
 * shows a certificate of `ident_one`, `two` one of partner.test. */
void located_init(struct located *x, const char *ident_one);

/** Its configuration is complete. */
void located_start(struct located *x);

/** The usual: all of the PBX goes to "partner", whose servers the DNS names. */
void located_partner(struct located *x, const char *ident_one);

/** What it may adopt later (gate_adopt): the PBX, and no partner yet. */
struct conf *located_next(void);

/** Frees all, whatever is going on. */
void located_end(struct located *x);

/** Runs to the end, asserts that nothing is left, and frees all. */
void located_fini(struct located *x);

/** partner.test: `one` by TLS first, then `two`. */
void partner_zone(struct zone *z);

/** A request of the PBX; `more` are header lines. */
void send_request(struct located *x, const char *method, const char *uri, const char *call,
                  const char *more);

/** A message of the PBX inside the dialog that `m` made: the 200 that it got, or the request that
 * it answered with one. */
void send_inside(struct located *x, const char *method, const struct raw_message *m,
                 const char *uri, const char *cseq);

void run_ms(struct located *x, int64_t ms);

#endif
