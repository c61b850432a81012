#include "cert/load.h"

#include "sys/file.h"
#include <errno.h>
#include <stdlib.h>

static enum sw_status read_text(const char *path, struct sw_slice *text, char why[SW_WHY_MAX])
{
    enum sw_status s = sw_file_read(path, SW_CERT_FILE_MAX, text);
    struct sw_buf b = sw_buf(why, SW_WHY_MAX - 1);
    if (s == SW_OK)
        return SW_OK;
    char error[128];
    sw_buf_str(&b,
               s == SW_LIMIT_SIZE ? "larger than 64 MiB" : strerror_r(errno, error, sizeof(error)));
    why[b.n] = 0;
    return s;
}

static void drop_text(struct sw_slice *text)
{
    sw_wipe((void *)(uintptr_t)text->p, text->n); /* it may have been a key */
    free((void *)(uintptr_t)text->p);
}

enum sw_status sw_cert_load_chain(const char *path, struct sw_certs *out, char why[SW_WHY_MAX])
{
    struct sw_slice text;
    enum sw_status s = read_text(path, &text, why);
    if (s != SW_OK)
        return s;
    s = sw_certs_parse(text, out, why);
    drop_text(&text);
    return s;
}

enum sw_status sw_cert_load_key(const char *path, struct sw_key **out, char why[SW_WHY_MAX])
{
    struct sw_slice text;
    enum sw_status s = read_text(path, &text, why);
    if (s != SW_OK)
        return s;
    s = sw_key_parse(text, out, why);
    drop_text(&text);
    return s;
}

enum sw_status sw_cert_load_crls(const char *path, struct sw_crls *out, char why[SW_WHY_MAX])
{
    struct sw_slice text;
    enum sw_status s = read_text(path, &text, why);
    if (s != SW_OK)
        return s;
    s = sw_crls_parse(text, out, why);
    drop_text(&text);
    return s;
}
