/* Bytes of a certificate, which may be anything, as JSON. */
#include "cmd/pki.h"

/* The bytes of the UTF-8 character at the start of `s`; 0: there is none. RFC 3629 4 */
static size_t utf8(struct sw_slice s)
{
    const unsigned char *p = (const unsigned char *)s.p;
    size_t n = p[0] < 0x80 ? 1 : p[0] < 0xc2 ? 0 : p[0] < 0xe0 ? 2 : p[0] < 0xf0 ? 3 : 4;
    if (n == 0 || n > s.n || p[0] > 0xf4)
        return 0;
    for (size_t i = 1; i < n; i++)
        if ((p[i] & 0xc0) != 0x80)
            return 0;
    bool beyond = (p[0] == 0xe0 && p[1] < 0xa0) || (p[0] == 0xed && p[1] > 0x9f) ||
                  (p[0] == 0xf0 && p[1] < 0x90) || (p[0] == 0xf4 && p[1] > 0x8f);
    return n > 1 && beyond ? 0 : n;
}

void sw_pki_json(FILE *out, struct sw_slice text)
{
    fputc('"', out);
    while (text.n) {
        unsigned char c = (unsigned char)text.p[0];
        size_t n = utf8(text);
        if (c == '"' || c == '\\')
            fprintf(out, "\\%c", c);
        else if (n == 0 || c < ' ' || c == 0x7f)
            fprintf(out, "\\u%04x", c);
        else
            fwrite(text.p, 1, n, out);
        text = sw_slice_from(text, n ? n : 1);
    }
    fputc('"', out);
}
