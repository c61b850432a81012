#include "tls/hello.h"

#include "tls/message.h"
#include "tls/offer.h"

enum { CLIENT_HELLO = 1, EXT_PSK = 41 };

bool sw_tls_hello_psk(struct sw_slice body, struct sw_slice *identity)
{
    struct sw_slice list;
    return sw_tls_take(&body, 2, &list) && sw_tls_take(&list, 2, identity);
}

/* The extension's body; false: it is not there. */
static bool find_psk(struct sw_slice extensions, struct sw_slice *body)
{
    while (extensions.n > 2) {
        unsigned type =
            (unsigned)(uint8_t)extensions.p[0] << 8 | (unsigned)(uint8_t)extensions.p[1];
        extensions = sw_slice_from(extensions, 2);
        if (!sw_tls_take(&extensions, 2, body))
            return false;
        if (type == EXT_PSK)
            return true;
    }
    return false;
}

bool sw_tls_hello_session(struct sw_slice wire, struct sw_slice *id)
{
    enum { RECORD_HEAD = 3, VERSION_RANDOM = 2 + 32 };
    struct sw_slice record, hello, session, run, psk;
    if (wire.n < RECORD_HEAD || (uint8_t)wire.p[0] != SW_TLS_HANDSHAKE)
        return false;
    wire = sw_slice_from(wire, RECORD_HEAD);
    if (!sw_tls_take(&wire, 2, &record) || record.n < 1 || (uint8_t)record.p[0] != CLIENT_HELLO)
        return false;
    record = sw_slice_from(record, 1);
    if (!sw_tls_take(&record, 3, &hello) || hello.n < VERSION_RANDOM)
        return false;
    hello = sw_slice_from(hello, VERSION_RANDOM);
    if (!sw_tls_take(&hello, 1, &session) || !sw_tls_take(&hello, 2, &run) ||
        !sw_tls_take(&hello, 1, &run))
        return false;
    if (sw_tls_take(&hello, 2, &run) && find_psk(run, &psk) && !sw_tls_hello_psk(psk, &session))
        return false;
    *id = session;
    return session.n == SW_TLS_SESSION_ID_BYTES;
}
