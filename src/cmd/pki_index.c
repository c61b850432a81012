/* The index of what a CA issued: text that can be read, searched and mended by hand. */
#include "cmd/pki.h"

#include <stdlib.h>
#include <time.h>

enum { FIELDS = 8 };

static const char head[] = "# sipward pki index 1: status name serial from until revoked proves "
                           "subject (a tab between)\n";

const char *sw_pki_time(int64_t seconds, char text[SW_PKI_TIME_MAX])
{
    struct tm tm;
    time_t t = (time_t)seconds;
    if (!seconds)
        return "-";
    gmtime_r(&t, &tm);
    strftime(text, SW_PKI_TIME_MAX, "%Y-%m-%dT%H:%M:%SZ", &tm);
    return text;
}

static bool read_time(const char *s, int64_t *out)
{
    struct tm tm = {0};
    const char *end = strptime(s, "%Y-%m-%dT%H:%M:%SZ", &tm);
    if (!end || *end)
        return false;
    *out = (int64_t)timegm(&tm);
    return true;
}

static int digit(char c)
{
    return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool is_serial(const char *s)
{
    size_t n = 0;
    while (s[n] && digit(s[n]) >= 0)
        n++;
    return !s[n] && n == (size_t)2 * SW_SERIAL_BYTES;
}

void sw_pki_row_serial(const struct sw_pki_row *row, uint8_t out[SW_SERIAL_BYTES])
{
    for (size_t i = 0; i < SW_SERIAL_BYTES; i++)
        out[i] = (uint8_t)(digit(row->serial[2 * i]) << 4 | digit(row->serial[2 * i + 1]));
}

static bool parse_row(char *line, struct sw_pki_row *row)
{
    char *f[FIELDS] = {line};
    for (int i = 1; i < FIELDS; i++) {
        f[i] = strchr(f[i - 1], '\t');
        if (!f[i])
            return false;
        *f[i]++ = 0;
    }
    *row = (struct sw_pki_row){.name = f[1], .serial = f[2], .proves = f[6], .subject = f[7]};
    bool revoked = strcmp(f[0], "revoked") == 0;
    if (!revoked && strcmp(f[0], "valid") != 0)
        return false;
    return is_serial(row->serial) && read_time(f[3], &row->not_before_s) &&
           read_time(f[4], &row->not_after_s) &&
           (revoked ? read_time(f[5], &row->revoked_s) : strcmp(f[5], "-") == 0);
}

unsigned sw_pki_index_parse(struct sw_slice text, struct sw_pki_index *out)
{
    struct sw_pki_index x = {.text = (char *)(uintptr_t)text.p};
    unsigned number = 0;
    for (char *line = x.text, *next; *line; line = next) {
        struct sw_pki_row row;
        char *end = strchr(line, '\n');
        number++;
        next = end ? end + 1 : line + strlen(line);
        if (end)
            *end = 0;
        /* every line that is written whole has its end */
        if (line[0] != '#' && (!end || !parse_row(line, &row) || !sw_pki_index_add(&x, &row))) {
            sw_pki_index_free(&x);
            return number;
        }
    }
    *out = x;
    return 0;
}

bool sw_pki_index_add(struct sw_pki_index *x, const struct sw_pki_row *row)
{
    struct sw_pki_row *more = realloc(x->row, (x->count + 1) * sizeof(*more));
    if (!more)
        return false;
    x->row = more;
    more[x->count++] = *row;
    return true;
}

struct sw_slice sw_pki_index_text(const struct sw_pki_index *x)
{
    char *p = NULL, from[SW_PKI_TIME_MAX], until[SW_PKI_TIME_MAX], revoked[SW_PKI_TIME_MAX];
    size_t n = 0;
    FILE *f = open_memstream(&p, &n);
    if (!f)
        return (struct sw_slice){0};
    bool ok = fputs(head, f) >= 0;
    for (size_t i = 0; ok && i < x->count; i++) {
        const struct sw_pki_row *r = &x->row[i];
        ok = fprintf(f, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n", r->revoked_s ? "revoked" : "valid",
                     r->name, r->serial, sw_pki_time(r->not_before_s, from),
                     sw_pki_time(r->not_after_s, until), sw_pki_time(r->revoked_s, revoked),
                     r->proves, r->subject) > 0;
    }
    if (fclose(f) != 0 || !ok) {
        free(p);
        return (struct sw_slice){0};
    }
    return sw_slice(p, n);
}

void sw_pki_index_free(struct sw_pki_index *x)
{
    free(x->row);
    free(x->text);
    *x = (struct sw_pki_index){0};
}
