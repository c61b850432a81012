/* URIs: parts lie inside, a URI equals itself, and what was parsed parses again. */
#include "sip/uri.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *copy = malloc(size + 1);
    struct sw_uri u, v;
    struct sw_param x;
    struct sw_parse_error err;
    memcpy(copy, data, size);
    struct sw_slice s = sw_slice(copy, size);
    if (sw_uri_parse(s, &u, &err) != SW_OK) {
        if (err.offset > size || !err.rule)
            abort();
        free(copy);
        return 0;
    }
    const struct sw_slice parts[] = {u.user,    u.userinfo,  u.host, u.params,
                                     u.headers, u.transport, u.maddr};
    for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++)
        if (parts[i].n && (parts[i].p < copy || parts[i].p + parts[i].n > copy + size))
            abort();
    if (!sw_uri_eq(&u, &u))
        abort();
    if (sw_uri_is_sip(&u) && u.host.n == 0)
        abort();
    (void)sw_uri_param_find(&u, SW_SLICE("lr"), &x);
    if (sw_uri_parse(u.text, &v, NULL) != SW_OK || !sw_uri_eq(&u, &v))
        abort();
    free(copy);
    return 0;
}
