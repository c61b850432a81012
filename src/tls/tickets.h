/* Keys of session tickets. All workers derive the same ones from one secret, each for itself, so
 * that none waits for another: the secret of a period is the hash of that of the period before, and
 * what is over is overwritten. */
#ifndef SW_TLS_TICKETS_H
#define SW_TLS_TICKETS_H

#include "crypto/hmac.h"

enum { SW_TICKET_NAME_BYTES = 16 };

/* RFC 5077 4 has both keys; the name says which they are. */
struct sw_ticket_key {
    uint8_t name[SW_TICKET_NAME_BYTES];
    uint8_t cipher[32]; /* AES-256-CBC */
    uint8_t mac[32];    /* HMAC-SHA-256 */
};

struct sw_ticket_keys {
    struct sw_ticket_key now, before;
    uint8_t secret[SW_SHA256_BYTES]; /* of the period */
    int64_t period;
};

/** The keys of period 0; `secret` is not needed any more. */
void sw_ticket_keys_init(struct sw_ticket_keys *k, const uint8_t secret[SW_SHA256_BYTES]);

/** Goes on to a period; the keys of the one before it are still known, older ones are gone. An
 * earlier period changes nothing. RFC 9325 3.4 */
void sw_ticket_keys_turn(struct sw_ticket_keys *k, int64_t period);

/** The keys with this name, or NULL. */
const struct sw_ticket_key *sw_ticket_keys_find(const struct sw_ticket_keys *k,
                                                const uint8_t name[SW_TICKET_NAME_BYTES]);

void sw_ticket_keys_wipe(struct sw_ticket_keys *k);

#endif
