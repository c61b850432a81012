/* Handshake messages in words: broken bytes give less text, never a failure. */
#include "tls/hello.h"
#include "tls/message.h"
#include "tls/offer.h"
#include "tls/wire.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char text[512];
    if (size < 1)
        return 0;
    char *copy = malloc(size);
    memcpy(copy, data + 1, size - 1);
    struct sw_slice s = sw_slice(copy, size - 1);
    struct sw_buf b = sw_buf(text, sizeof(text));
    unsigned type = 20 + (data[0] & 3), version = data[0] & 4 ? 0x0304 : 0x0303;
    if (!sw_tls_message_name(type, s))
        abort();
    sw_tls_message_describe(&b, type, version, s);
    b = sw_buf(text, sizeof(text));
    sw_tls_message_lists(&b, type, version, s);
    struct sw_slice der[4];
    if (sw_tls_message_certificates(version, s, der, 4) > 4)
        abort();
    struct sw_slice id;
    if (sw_tls_hello_session(s, &id) && (id.p < s.p || id.p + id.n > s.p + s.n))
        abort();
    struct sw_tls_offer offer;
    for (unsigned gap = 0; gap <= SW_TLS_GAP_SIGNATURE && sw_tls_offer_read(s, &offer); gap++) {
        b.n = 0;
        sw_tls_offer_put_gap(&b, &offer, (enum sw_tls_gap)gap);
        b.n = 0;
        sw_tls_offer_put(&b, &offer);
    }
    if (sw_tls_wire_of(s) == SW_WIRE_TLS && size == 1)
        abort();
    if (sw_tls_wire_hello_bytes(s) >> 24)
        abort();
    free(copy);
    return 0;
}
