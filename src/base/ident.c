#include "base/ident.h"

const struct sw_pin *sw_pin_find(const struct sw_pin *pins, size_t count,
                                 const struct sw_ident *ident)
{
    for (size_t i = 0; i < count; i++) {
        const uint8_t *is = pins[i].of_key ? ident->key_sha256 : ident->fingerprint;
        if (memcmp(pins[i].sha256, is, sizeof(pins[i].sha256)) == 0)
            return &pins[i];
    }
    return NULL;
}

void sw_ident_put_names(const struct sw_ident *ident, struct sw_buf *b)
{
    static const char *const kinds[] = {"URI:", "DNS:", "IP:", "CN:"};
    for (uint32_t i = 0; ident && i < ident->name_count; i++) {
        const struct sw_cert_name *n = &ident->names[i];
        size_t before = b->n;
        if (i)
            sw_buf_char(b, ' ');
        sw_buf_str(b, kinds[n->kind]);
        if (n->kind == SW_NAME_IP)
            sw_endpoint_ip_put(b, &n->ip, false);
        else
            sw_buf_slice(b, n->text);
        if (b->full) {
            b->n = before;
            return;
        }
    }
}
