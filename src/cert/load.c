#include "cert/load.h"

#include "sys/file.h"
#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

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
    return sw_cert_open_key(path, (struct sw_slice){0}, out, why);
}

bool sw_cert_key_is_in_token(const char *name)
{
    return sw_slice_starts_case(sw_slice_str(name), SW_SLICE("pkcs11:"));
}

enum sw_status sw_cert_open_key(const char *name, struct sw_slice passphrase, struct sw_key **out,
                                char why[SW_WHY_MAX])
{
    struct sw_slice text;
    if (sw_cert_key_is_in_token(name))
        return sw_key_from_token(name, passphrase, out, why);
    enum sw_status s = read_text(name, &text, why);
    if (s != SW_OK)
        return s;
    s = sw_key_open(text, passphrase, out, why);
    drop_text(&text);
    return s;
}

static enum sw_status refuse(char why[SW_WHY_MAX], const char *what)
{
    struct sw_buf b = sw_buf(why, SW_WHY_MAX - 1);
    sw_buf_str(&b, what);
    why[b.n] = 0;
    return SW_PEER_SYNTAX;
}

/* The file of a passphrase. */
static enum sw_status passphrase_path(const char *name, char path[PATH_MAX], char why[SW_WHY_MAX])
{
    static const char prefix[] = "credential:";
    const char *dir = "", *slash = "", *file = name;
    if (strncmp(name, prefix, sizeof(prefix) - 1) == 0) {
        file = name + sizeof(prefix) - 1;
        dir = getenv("CREDENTIALS_DIRECTORY");
        slash = "/";
        if (!*file || strchr(file, '/') || *file == '.')
            return refuse(why, "a credential's name is neither empty nor a path");
        if (!dir || !*dir)
            return refuse(why, "$CREDENTIALS_DIRECTORY is not set: the process was not started as "
                               "a service with LoadCredential");
    }
    int n = snprintf(path, PATH_MAX, "%s%s%s", dir, slash, file);
    return n > 0 && n < PATH_MAX ? SW_OK : refuse(why, "the path is too long");
}

enum sw_status sw_cert_load_passphrase(const char *name, struct sw_slice *out, char why[SW_WHY_MAX])
{
    struct sw_slice text;
    char path[PATH_MAX];
    enum sw_status s = passphrase_path(name, path, why);
    if (s == SW_OK)
        s = read_text(path, &text, why);
    if (s != SW_OK)
        return s;
    size_t n = text.n;
    while (n && (text.p[n - 1] == '\n' || text.p[n - 1] == '\r'))
        n--;
    if (n == 0 || n > SW_PASSPHRASE_MAX) {
        drop_text(&text);
        return refuse(why, n ? "longer than 1024 bytes" : "no passphrase in it");
    }
    sw_wipe((char *)(uintptr_t)text.p + n, text.n - n);
    *out = sw_slice(text.p, n);
    return SW_OK;
}

void sw_cert_drop_passphrase(struct sw_slice *passphrase)
{
    if (passphrase->p)
        drop_text(passphrase);
    *passphrase = (struct sw_slice){0};
}

unsigned sw_cert_file_mode(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 ? st.st_mode & 07777 : 0;
}

bool sw_cert_is_folder(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

static int is_wanted(const struct dirent *d)
{
    static const char *const ends[] = {".crl", ".pem", ".der"};
    size_t n = strlen(d->d_name);
    for (size_t i = 0; i < 3 && d->d_name[0] != '.'; i++)
        if (n > 4 && strcmp(d->d_name + n - 4, ends[i]) == 0)
            return 1;
    return 0;
}

enum sw_status sw_cert_folder(const char *path, void (*each)(void *user, const char *p), void *user,
                              char why[SW_WHY_MAX])
{
    struct dirent **names = NULL;
    char file[PATH_MAX], error[128];
    int n = scandir(path, &names, is_wanted, alphasort);
    if (n < 0) {
        snprintf(why, SW_WHY_MAX, "%s", strerror_r(errno, error, sizeof(error)));
        return errno == ENOMEM ? SW_LIMIT_MEMORY : SW_SYS;
    }
    for (int i = 0; i < n; i++) {
        if (snprintf(file, sizeof(file), "%s/%s", path, names[i]->d_name) < (int)sizeof(file))
            each(user, file);
        free(names[i]);
    }
    free(names);
    return SW_OK;
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
