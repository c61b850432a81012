/* What the files of the location share. */
#ifndef SW_SIP_LOCATE_INSIDE_H
#define SW_SIP_LOCATE_INSIDE_H

#include "sip/locate.h"

/* What is being asked for. */
enum sw_locate_phase {
    SW_LOCATE_PHASE_NAPTR,
    SW_LOCATE_PHASE_SRV, /* and the addresses of the servers */
    SW_LOCATE_PHASE_OWN, /* the addresses of the domain itself */
};

/** The place of a question, asked before or not; -1: no name, or too many questions. */
int sw_locate_ask(struct sw_locate *x, struct sw_slice name, enum sw_dns_type type);

/** Follows a service whose SRV records are at `name`. */
void sw_locate_add_service(struct sw_locate *x, struct sw_slice name, enum sw_transport t);

/** Takes the NAPTR records of an answer: their services are asked for. RFC 3263 4.1 */
void sw_locate_read_naptr(struct sw_locate *x, struct sw_locate_step *s,
                          const struct sw_dns_answer *answer);

/** Takes the SRV records of service `service`. RFC 3263 4.2, RFC 2782 */
void sw_locate_read_srv(struct sw_locate *x, uint8_t service, const struct sw_dns_answer *answer,
                        struct sw_prng *prng);

/** Takes addresses of the family that was asked for. */
void sw_locate_read_addresses(struct sw_locate *x, struct sw_locate_step *s,
                              const struct sw_dns_answer *answer);

/**
 * Addresses are answered: asks for the TLSA records of servers of TLS where all that led to them is
 * signed. False: there are none to ask for. RFC 7673 3.1 to 3.3
 */
bool sw_locate_ask_tlsa(struct sw_locate *x);

/** Takes the TLSA records of an answer that can be used, if it is signed. RFC 6698 4.1 */
void sw_locate_read_tlsa(struct sw_locate *x, struct sw_locate_step *s,
                         const struct sw_dns_answer *answer);

/** True if a server must not be connected to: whether it has TLSA records is not known, so they may
 * have been suppressed. RFC 7673 3.4 */
bool sw_locate_tlsa_failed(const struct sw_locate *x, const struct sw_locate_server *server);

/** Asks for the addresses of a server, of the families that can be reached. RFC 3263 4.2 */
void sw_locate_ask_addresses(struct sw_locate *x, struct sw_slice name,
                             struct sw_locate_server *server);

#endif
