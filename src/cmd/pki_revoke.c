/* `sipward pki revoke`, `crl` and `list`. */
#include "cmd/cmd.h"
#include "cmd/pki.h"
#include "crypto/show.h"
#include "sys/clock.h"

#include <stdlib.h>

enum { DAY_S = 24 * 3600 };

/* ---- the revocation list ---- */

/* Of the list before: how long it was good for, so that the next is as good, and its number. */
struct last_crl {
    int64_t span_s;
    uint64_t number;
};

static struct last_crl last_crl(const struct sw_pki_dir *d)
{
    struct last_crl last = {.span_s = (int64_t)SW_PKI_CRL_DAYS * DAY_S};
    struct sw_slice text;
    struct sw_crls crls = {0};
    char why[SW_WHY_MAX];
    if (!sw_pki_dir_read(d, "ca.crl", &text))
        return last;
    if (sw_crls_parse(text, &crls, why) == SW_OK) {
        struct sw_crl_facts f;
        struct sw_crl_details more;
        sw_crl_facts(crls.c[0], &f);
        sw_crl_details(crls.c[0], &more);
        int64_t span_s = f.next_update_s - f.this_update_s - SW_PKI_BACKDATE_S;
        last.span_s = span_s > 0 ? span_s : last.span_s;
        last.number = strtoull(more.number, NULL, 16);
    }
    sw_crls_free(&crls);
    sw_pem_free(&text);
    return last;
}

static size_t revoked_rows(const struct sw_pki_index *x, struct sw_revoked *out)
{
    size_t n = 0;
    for (size_t i = 0; i < x->count; i++) {
        if (!x->row[i].revoked_s)
            continue;
        sw_pki_row_serial(&x->row[i], out[n].serial);
        out[n++].at_s = x->row[i].revoked_s;
    }
    return n;
}

/* The number is the time, so that it grows even if the list before was lost. RFC 5280 5.2.3 */
int sw_pki_stage_crl(const struct sw_pki_options *o, struct sw_pki_dir *d,
                     const struct sw_issuer *by, const struct sw_pki_index *x,
                     struct sw_crl_dates *dates)
{
    struct last_crl last = last_crl(d);
    struct sw_revoked *rows = calloc(x->count + 1, sizeof(*rows));
    struct sw_crl *crl = NULL;
    struct sw_slice text = {0};
    int64_t now_s = sw_clock_wall_s();
    uint64_t number = (uint64_t)sw_clock_wall_ms();
    *dates = (struct sw_crl_dates){
        .number = number > last.number ? number : last.number + 1,
        .this_update_s = now_s - SW_PKI_BACKDATE_S,
        .next_update_s = now_s + (o->crl_days ? (int64_t)o->crl_days * DAY_S : last.span_s),
    };
    bool ok = rows && sw_issue_crl(by, rows, revoked_rows(x, rows), dates, &crl) == SW_OK &&
              sw_crl_pem(crl, &text) == SW_OK;
    sw_crl_free(crl);
    free(rows);
    return ok ? sw_pki_stage_text(o, d, "ca.crl", &text, 0644, true)
              : sw_pki_fail(o, "the CRL could not be signed");
}

void sw_pki_print_crl(const struct sw_pki_dir *d, const struct sw_crl_dates *dates)
{
    char until[SW_PKI_TIME_MAX];
    printf("made   %s/ca.crl   revocation list, to be renewed before %s\n", d->path,
           sw_pki_time(dates->next_update_s, until));
}

/* ---- revoke and crl ---- */

/* Marks what is to be revoked, by name or by one serial of that name. */
static int mark(const struct sw_pki_options *o, struct sw_pki_index *x, int64_t now_s)
{
    char date[SW_PKI_TIME_MAX];
    int64_t before_s = 0;
    size_t marked = 0;
    for (size_t i = 0; i < x->count; i++) {
        struct sw_pki_row *r = &x->row[i];
        if (strcmp(r->name, o->name) != 0 || (o->serial && strcasecmp(r->serial, o->serial) != 0))
            continue;
        if (r->revoked_s) {
            before_s = r->revoked_s;
            continue;
        }
        r->revoked_s = now_s;
        marked++;
    }
    if (marked)
        return SW_EXIT_OK;
    if (before_s)
        return sw_pki_fail(o, "\"%s\" was revoked on %s already", o->name,
                           sw_pki_time(before_s, date));
    return sw_pki_fail(o, "there is no certificate \"%s\"%s%s (`sipward pki list %s` shows them)",
                       o->name, o->serial ? " with the serial " : "", o->serial ? o->serial : "",
                       o->place);
}

static void print_revoked(const struct sw_pki_options *o, const struct sw_pki_index *x,
                          int64_t now_s)
{
    for (size_t i = 0; i < x->count; i++)
        if (x->row[i].revoked_s == now_s && strcmp(x->row[i].name, o->name) == 0)
            printf("revoked   %s   serial %s\n", o->name, x->row[i].serial);
}

/* The index first: the list is made from it, so that `crl` mends what an interruption left. */
static int renew_crl(const struct sw_pki_options *o, bool revoke)
{
    struct sw_pki_dir d;
    struct sw_pki_ca ca = {0};
    struct sw_pki_index x = {0};
    struct sw_crl_dates dates;
    int64_t now_s = sw_clock_wall_s();
    int code = sw_pki_dir_open(o, false, &d);
    if (code == SW_EXIT_OK)
        code = sw_pki_ca_open(o, &d, true, &ca);
    if (code == SW_EXIT_OK)
        code = sw_pki_index_open(o, &d, &x);
    if (code == SW_EXIT_OK && revoke)
        code = mark(o, &x, now_s);
    if (code == SW_EXIT_OK && revoke)
        code = sw_pki_stage_index(o, &d, &x, true);
    if (code == SW_EXIT_OK)
        code = sw_pki_stage_crl(o, &d, &ca.issuer, &x, &dates);
    if (code == SW_EXIT_OK)
        code = sw_pki_commit(o, &d);
    if (code == SW_EXIT_OK) {
        if (revoke)
            print_revoked(o, &x, now_s);
        sw_pki_print_crl(&d, &dates);
        fputs("\nGive it to each that believes this CA, and put this in its configuration if it is "
              "not there:\n\n",
              stdout);
        sw_pki_print_trust(d.path);
    }
    sw_pki_index_free(&x);
    sw_pki_ca_close(&ca);
    sw_pki_dir_close(&d);
    return code;
}

int sw_pki_revoke(const struct sw_pki_options *o)
{
    return renew_crl(o, true);
}

int sw_pki_crl(const struct sw_pki_options *o)
{
    return renew_crl(o, false);
}

/* ---- list ---- */

static const char *status_of(const struct sw_pki_row *r, int64_t now_s)
{
    return r->revoked_s ? "revoked" : r->not_after_s < now_s ? "expired" : "valid";
}

static void print_row_json(const struct sw_pki_row *r, int64_t now_s, bool first)
{
    char time[SW_PKI_TIME_MAX];
    printf("%s\n  {\"name\": ", first ? "" : ",");
    sw_pki_json(stdout, sw_slice_str(r->name));
    printf(", \"status\": \"%s\", \"serial\": \"%s\"", status_of(r, now_s), r->serial);
    printf(", \"not_before\": \"%s\"", sw_pki_time(r->not_before_s, time));
    printf(", \"not_after\": \"%s\"", sw_pki_time(r->not_after_s, time));
    printf(", \"days_left\": %lld", (long long)((r->not_after_s - now_s) / DAY_S));
    if (r->revoked_s)
        printf(", \"revoked\": \"%s\"", sw_pki_time(r->revoked_s, time));
    fputs(", \"proves\": [", stdout);
    struct sw_slice rest = sw_slice_str(r->proves);
    for (size_t n; rest.n; rest = sw_slice_from(rest, n + 1)) {
        n = sw_slice_find(rest, ',');
        sw_pki_json(stdout, sw_slice(rest.p, n));
        fputs(n < rest.n ? ", " : "", stdout);
    }
    fputs("], \"subject\": ", stdout);
    sw_pki_json(stdout, sw_slice_str(r->subject));
    fputs("}", stdout);
}

int sw_pki_list(const struct sw_pki_options *o)
{
    struct sw_pki_dir d;
    struct sw_pki_index x = {0};
    char date[SW_PKI_TIME_MAX];
    int64_t now_s = sw_clock_wall_s();
    int code = sw_pki_dir_open(o, false, &d);
    if (code == SW_EXIT_OK)
        code = sw_pki_index_open(o, &d, &x);
    if (code == SW_EXIT_OK && o->json)
        fputs("[", stdout);
    for (size_t i = 0; i < x.count; i++) {
        const struct sw_pki_row *r = &x.row[i];
        if (o->json)
            print_row_json(r, now_s, i == 0);
        else
            printf("%-8s %-20s %s until %s   %s\n", status_of(r, now_s), r->name, r->serial,
                   sw_pki_time(r->not_after_s, date), r->proves);
    }
    if (code == SW_EXIT_OK && o->json)
        fputs("\n]\n", stdout);
    sw_pki_index_free(&x);
    sw_pki_dir_close(&d);
    return code;
}
