#include "crypto/siv.h"

/* One block of HKDF-Expand with the prepared key as PRK: HMAC(PRK, info | 0x01). RFC 5869 2.3 */
static void derive(struct sw_hmac_key *k, const struct sw_hmac_key *master, struct sw_slice label,
                   struct sw_slice part)
{
    uint8_t okm[SW_SHA256_BYTES];
    const struct sw_slice info[] = {label, part, SW_SLICE("\x01")};
    sw_hmac(master, info, 3, okm);
    sw_hmac_key_init(k, okm, sizeof(okm));
    sw_wipe(okm, sizeof(okm));
}

void sw_siv_key_init(struct sw_siv_key *k, const struct sw_hmac_key *master, struct sw_slice label)
{
    *k = (struct sw_siv_key){0};
    derive(&k->mac, master, label, SW_SLICE(" mac"));
    derive(&k->stream, master, label, SW_SLICE(" stream"));
}

/* The length of the context goes first, so that none of it can flow into the text. */
static void tag_of(const struct sw_siv_key *k, struct sw_slice context, struct sw_slice text,
                   uint8_t tag[SW_SIV_TAG_BYTES])
{
    uint8_t digest[SW_SHA256_BYTES], length[8];
    for (int i = 0; i < 8; i++)
        length[i] = (uint8_t)((uint64_t)context.n >> 8 * i);
    const struct sw_slice parts[] = {sw_slice((const char *)length, sizeof(length)), context, text};
    sw_hmac(&k->mac, parts, 3, digest);
    memcpy(tag, digest, SW_SIV_TAG_BYTES);
}

/* out = in xor HMAC(stream, tag | 0), HMAC(stream, tag | 1), ... */
static void stream(const struct sw_siv_key *k, const uint8_t tag[SW_SIV_TAG_BYTES],
                   const uint8_t *in, size_t n, uint8_t *out)
{
    uint8_t block[SW_SHA256_BYTES], counter[SW_SIV_TAG_BYTES + 4];
    memcpy(counter, tag, SW_SIV_TAG_BYTES);
    for (size_t at = 0; at < n; at++) {
        if (at % sizeof(block) == 0) {
            for (int i = 0; i < 4; i++)
                counter[SW_SIV_TAG_BYTES + i] = (uint8_t)((at / sizeof(block)) >> 8 * i);
            const struct sw_slice part = sw_slice((const char *)counter, sizeof(counter));
            sw_hmac(&k->stream, &part, 1, block);
        }
        out[at] = in[at] ^ block[at % sizeof(block)];
    }
    sw_wipe(block, sizeof(block));
}

void sw_siv_seal(const struct sw_siv_key *k, struct sw_slice context, struct sw_slice text,
                 uint8_t *out)
{
    tag_of(k, context, text, out);
    stream(k, out, (const uint8_t *)text.p, text.n, out + SW_SIV_TAG_BYTES);
}

bool sw_siv_open(const struct sw_siv_key *k, struct sw_slice context, struct sw_slice sealed,
                 uint8_t *out)
{
    uint8_t tag[SW_SIV_TAG_BYTES];
    if (sealed.n < SW_SIV_TAG_BYTES)
        return false;
    const uint8_t *in = (const uint8_t *)sealed.p;
    size_t n = sealed.n - SW_SIV_TAG_BYTES;
    stream(k, in, in + SW_SIV_TAG_BYTES, n, out);
    tag_of(k, context, sw_slice((const char *)out, n), tag);
    if (sw_equal_const(tag, in, sizeof(tag)))
        return true;
    sw_wipe(out, n);
    return false;
}
