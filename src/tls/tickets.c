#include "tls/tickets.h"

static void derive(const uint8_t secret[SW_SHA256_BYTES], const char *label,
                   uint8_t out[SW_SHA256_BYTES])
{
    struct sw_hmac_key key;
    const struct sw_slice text = sw_slice_str(label);
    sw_hmac_key_init(&key, secret, SW_SHA256_BYTES);
    sw_hmac(&key, &text, 1, out);
    sw_wipe(&key, sizeof(key));
}

static void make(struct sw_ticket_keys *k)
{
    uint8_t name[SW_SHA256_BYTES];
    derive(k->secret, "name", name);
    memcpy(k->now.name, name, sizeof(k->now.name));
    derive(k->secret, "cipher", k->now.cipher);
    derive(k->secret, "mac", k->now.mac);
}

void sw_ticket_keys_init(struct sw_ticket_keys *k, const uint8_t secret[SW_SHA256_BYTES])
{
    memset(k, 0, sizeof(*k));
    derive(secret, "first period", k->secret);
    make(k);
    k->before = k->now;
}

void sw_ticket_keys_turn(struct sw_ticket_keys *k, int64_t period)
{
    for (; k->period < period; k->period++) {
        uint8_t next[SW_SHA256_BYTES];
        k->before = k->now;
        derive(k->secret, "next period", next);
        memcpy(k->secret, next, sizeof(next));
        sw_wipe(next, sizeof(next));
        make(k);
    }
}

const struct sw_ticket_key *sw_ticket_keys_find(const struct sw_ticket_keys *k,
                                                const uint8_t name[SW_TICKET_NAME_BYTES])
{
    if (memcmp(k->now.name, name, SW_TICKET_NAME_BYTES) == 0)
        return &k->now;
    return memcmp(k->before.name, name, SW_TICKET_NAME_BYTES) == 0 ? &k->before : NULL;
}

void sw_ticket_keys_wipe(struct sw_ticket_keys *k)
{
    sw_wipe(k, sizeof(*k));
}
