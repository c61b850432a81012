/* The directory of a private CA: a lock, whole files, the CA's certificate and key. */
#include "cmd/cmd.h"
#include "cmd/pki.h"
#include "cmd/prompt.h"
#include "crypto/hmac.h"
#include "sys/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

enum { BESIDE_MAX = SW_PKI_NAME_MAX + 16, PASSPHRASE_MIN = 8, PASSPHRASE_MAX = 1023 };

int sw_pki_dir_open(const struct sw_pki_options *o, bool make, struct sw_pki_dir *d)
{
    *d = (struct sw_pki_dir){.fd = -1};
    if (make && mkdir(o->place, 0755) != 0 && errno != EEXIST)
        return sw_pki_fail(o, "cannot make the directory \"%s\": %s", o->place, strerror(errno));
    d->fd = open(o->place, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (d->fd < 0)
        return sw_pki_fail(o, "cannot open the directory \"%s\": %s%s", o->place, strerror(errno),
                           errno == ENOENT ? " (`sipward pki init DIR` makes it)" : "");
    /* one command at a time: two would lose each other's line of the index */
    while (flock(d->fd, LOCK_EX) != 0)
        if (errno != EINTR)
            return sw_pki_fail(o, "cannot lock \"%s\": %s", o->place, strerror(errno));
    d->path = realpath(o->place, NULL);
    return d->path ? SW_EXIT_OK : sw_pki_fail(o, "\"%s\": %s", o->place, strerror(errno));
}

/* Where a file waits. A leftover of an interrupted command is ours: we hold the lock. */
static const char *beside(const char *name, char out[BESIDE_MAX])
{
    snprintf(out, BESIDE_MAX, ".%s.new", name);
    return out;
}

void sw_pki_dir_close(struct sw_pki_dir *d)
{
    char tmp[BESIDE_MAX];
    for (size_t i = 0; i < d->staged_count; i++)
        unlinkat(d->fd, beside(d->staged[i].name, tmp), 0);
    if (d->fd >= 0)
        close(d->fd);
    free(d->path);
    *d = (struct sw_pki_dir){.fd = -1};
}

bool sw_pki_dir_has(const struct sw_pki_dir *d, const char *name)
{
    struct stat st;
    return fstatat(d->fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0;
}

bool sw_pki_dir_read(const struct sw_pki_dir *d, const char *name, struct sw_slice *out)
{
    char *path = NULL;
    if (asprintf(&path, "%s/%s", d->path, name) < 0)
        return false;
    enum sw_status s = sw_file_read(path, SW_PKI_FILE_MAX, out);
    int e = s == SW_LIMIT_SIZE ? EFBIG : errno;
    free(path);
    errno = e;
    return s == SW_OK;
}

static bool write_all(int fd, struct sw_slice text)
{
    while (text.n) {
        ssize_t n = write(fd, text.p, text.n);
        if (n < 0 && errno != EINTR)
            return false;
        if (n > 0)
            text = sw_slice_from(text, (size_t)n);
    }
    return fsync(fd) == 0;
}

int sw_pki_stage(const struct sw_pki_options *o, struct sw_pki_dir *d, const char *name,
                 struct sw_slice text, mode_t mode, bool replace)
{
    char tmp[BESIDE_MAX];
    beside(name, tmp);
    if (!replace && sw_pki_dir_has(d, name))
        return sw_pki_fail(o, "%s/%s is there already (move it away)", d->path, name);
    unlinkat(d->fd, tmp, 0);
    int fd = openat(d->fd, tmp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, mode);
    if (fd < 0)
        return sw_pki_fail(o, "cannot write in \"%s\": %s", d->path, strerror(errno));
    struct sw_pki_staged *s = &d->staged[d->staged_count++];
    snprintf(s->name, sizeof(s->name), "%s", name);
    s->replace = replace;
    bool ok = write_all(fd, text);
    int e = errno;
    if (close(fd) != 0 && ok) {
        ok = false;
        e = errno;
    }
    return ok ? SW_EXIT_OK
              : sw_pki_fail(o, "cannot write %s/%s: %s (nothing was changed)", d->path, name,
                            strerror(e));
}

/* A link fails if the name is taken; a rename would replace. */
static bool put_in_place(const struct sw_pki_dir *d, const struct sw_pki_staged *s)
{
    char tmp[BESIDE_MAX];
    beside(s->name, tmp);
    if (s->replace)
        return renameat(d->fd, tmp, d->fd, s->name) == 0;
    return linkat(d->fd, tmp, d->fd, s->name, 0) == 0 && unlinkat(d->fd, tmp, 0) == 0;
}

int sw_pki_commit(const struct sw_pki_options *o, struct sw_pki_dir *d)
{
    for (size_t i = 0; i < d->staged_count; i++)
        if (!put_in_place(d, &d->staged[i]) || fsync(d->fd) != 0)
            return sw_pki_fail(o, "cannot put %s/%s in place: %s", d->path, d->staged[i].name,
                               strerror(errno));
    d->staged_count = 0;
    return SW_EXIT_OK;
}

int sw_pki_keep(const struct sw_pki_options *o, const struct sw_pki_dir *d, const char *name,
                const char *as)
{
    /* EEXIST: an interrupted command kept it already, and that is the right one */
    if (linkat(d->fd, name, d->fd, as, 0) == 0 || errno == EEXIST)
        return SW_EXIT_OK;
    return sw_pki_fail(o, "cannot keep %s/%s as %s: %s", d->path, name, as, strerror(errno));
}

int sw_pki_stage_text(const struct sw_pki_options *o, struct sw_pki_dir *d, const char *name,
                      struct sw_slice *text, mode_t mode, bool replace)
{
    int code = text->p ? sw_pki_stage(o, d, name, *text, mode, replace) : sw_pki_no_memory(o);
    sw_pem_free(text);
    return code;
}

int sw_pki_stage_index(const struct sw_pki_options *o, struct sw_pki_dir *d,
                       const struct sw_pki_index *x, bool replace)
{
    struct sw_slice text = sw_pki_index_text(x);
    return sw_pki_stage_text(o, d, "index", &text, 0644, replace);
}

/* ---- the passphrase ---- */

static int from_file(const struct sw_pki_options *o, struct sw_slice *out)
{
    struct sw_slice text;
    enum sw_status s = sw_file_read(o->passphrase_file, PASSPHRASE_MAX + 1, &text);
    if (s != SW_OK)
        return sw_pki_fail(o, "cannot read the passphrase file \"%s\": %s", o->passphrase_file,
                           s == SW_LIMIT_SIZE ? "longer than 1024 bytes" : strerror(errno));
    text.n = sw_slice_find(text, '\n'); /* its first line */
    *out = text;
    return SW_EXIT_OK;
}

static int from_terminal(const struct sw_pki_options *o, bool twice, struct sw_slice *out)
{
    char first[PASSPHRASE_MAX + 1], again[PASSPHRASE_MAX + 1];
    bool ok = sw_prompt_secret(
        twice ? "new passphrase of the CA key: " : "passphrase of the CA key: ", first,
        sizeof(first));
    bool same = true;
    if (ok && twice) {
        ok = sw_prompt_secret("the same again: ", again, sizeof(again));
        same = ok && strcmp(first, again) == 0;
        sw_wipe(again, sizeof(again));
    }
    char *copy = ok && same ? strdup(first) : NULL;
    sw_wipe(first, sizeof(first));
    if (!ok)
        return sw_pki_fail(o, "no passphrase of the CA key was given "
                              "(without a terminal, --passphrase-file FILE)");
    if (!same)
        return sw_pki_fail(o, "the two passphrases differ (nothing was changed)");
    *out = sw_slice_str(copy);
    return SW_EXIT_OK;
}

int sw_pki_passphrase(const struct sw_pki_options *o, bool twice, struct sw_slice *out)
{
    struct sw_slice text = {0};
    int code = o->passphrase_file ? from_file(o, &text) : from_terminal(o, twice, &text);
    if (code == SW_EXIT_OK && twice && text.n < PASSPHRASE_MIN) {
        sw_pem_free(&text);
        return sw_pki_fail(o, "the passphrase is too short (at least %d bytes)", PASSPHRASE_MIN);
    }
    *out = text;
    return code;
}

/* ---- the CA ---- */

static int unlock(const struct sw_pki_options *o, const struct sw_pki_dir *d, struct sw_slice text,
                  struct sw_key **out)
{
    struct sw_slice passphrase;
    int code = sw_pki_passphrase(o, false, &passphrase);
    if (code != SW_EXIT_OK)
        return code;
    enum sw_status s = sw_key_unlock(text, passphrase, out);
    sw_pem_free(&passphrase);
    return s == SW_OK ? SW_EXIT_OK
                      : sw_pki_fail(o, "the passphrase does not open %s/ca.key", d->path);
}

static int read_key(const struct sw_pki_options *o, const struct sw_pki_dir *d,
                    struct sw_pki_ca *ca)
{
    struct sw_slice text;
    char why[SW_WHY_MAX];
    int code = SW_EXIT_OK;
    if (!sw_pki_dir_read(d, "ca.key", &text))
        return sw_pki_fail(o, "cannot read %s/ca.key: %s", d->path, strerror(errno));
    if (sw_key_is_locked(text))
        code = unlock(o, d, text, &ca->key);
    else if (sw_key_parse(text, &ca->key, why) != SW_OK)
        code = sw_pki_fail(o, "%s/ca.key: %s", d->path, why);
    sw_pem_free(&text);
    if (code == SW_EXIT_OK && !sw_key_fits(ca->key, ca->certs.c[0]))
        code = sw_pki_fail(o, "%s/ca.key does not belong to ca.pem", d->path);
    return code;
}

int sw_pki_ca_open(const struct sw_pki_options *o, const struct sw_pki_dir *d, bool with_key,
                   struct sw_pki_ca *ca)
{
    struct sw_slice text;
    char why[SW_WHY_MAX];
    *ca = (struct sw_pki_ca){0};
    if (!sw_pki_dir_read(d, "ca.pem", &text))
        return sw_pki_fail(o, "no CA in \"%s\": ca.pem: %s (`sipward pki init DIR` makes one)",
                           d->path, strerror(errno));
    enum sw_status s = sw_certs_parse(text, &ca->certs, why);
    sw_pem_free(&text);
    if (s != SW_OK)
        return sw_pki_fail(o, "%s/ca.pem: %s", d->path, why);
    sw_cert_facts(ca->certs.c[0], &ca->facts);
    int code = with_key ? read_key(o, d, ca) : SW_EXIT_OK;
    ca->issuer = (struct sw_issuer){ca->certs.c[0], ca->key};
    return code;
}

void sw_pki_ca_close(struct sw_pki_ca *ca)
{
    sw_certs_free(&ca->certs);
    sw_key_free(ca->key);
    *ca = (struct sw_pki_ca){0};
}

int sw_pki_index_open(const struct sw_pki_options *o, const struct sw_pki_dir *d,
                      struct sw_pki_index *x)
{
    struct sw_slice text;
    *x = (struct sw_pki_index){0};
    if (!sw_pki_dir_read(d, "index", &text))
        return sw_pki_fail(o, "cannot read %s/index: %s", d->path, strerror(errno));
    unsigned line = sw_pki_index_parse(text, x);
    if (line)
        return sw_pki_fail(o, "%s/index:%u: not a line of the index (restore it from a backup)",
                           d->path, line);
    return SW_EXIT_OK;
}

void sw_pki_print_path(const char *folder, const char *name, const char *end)
{
    char *path = NULL;
    if (asprintf(&path, "%s/%s%s", folder, name, end) < 0)
        return;
    sw_pki_json(stdout, sw_slice_str(path));
    free(path);
}

void sw_pki_print_trust(const char *folder)
{
    fputs("  trust:\n    - {name: private, ca: ", stdout);
    sw_pki_print_path(folder, "ca", ".pem");
    fputs(", crl: ", stdout);
    sw_pki_print_path(folder, "ca", ".crl");
    fputs("}\n", stdout);
}
