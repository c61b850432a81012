/* What is known of revocations from the network: OCSP answers and lists that were fetched. */
#include "crypto/revoke.h"
#include "daemon/answers.h"

struct rows {
    struct sw_answer *a;
    bool first;
};

static const char *or_none(const char *s)
{
    return s && s[0] ? s : "-";
}

static void row(void *user, const struct sw_revocation_row *x)
{
    struct rows *to = user;
    char until[SW_DATE_BYTES], failed[SW_DATE_BYTES];
    const struct sw_field f[] = {
        sw_field_str("kind", x->kind),
        sw_field_str("said", x->said),
        sw_field_str("about", x->of_ours ? "ours" : "theirs"),
        sw_field_str("serial", or_none(x->serial)),
        sw_field_str("subject", or_none(x->subject)),
        sw_field_str("issuer", or_none(x->issuer)),
        sw_field_str("until", sw_answer_date(x->until_s, until)),
        sw_field_str("failed", sw_answer_date(x->failed_s, failed)),
        sw_field_str("failed_why", or_none(x->why)),
        sw_field_str("source", x->url ? x->url : "stapled"),
    };
    sw_answer_row(to->a, &to->first, f, sizeof(f) / sizeof(f[0]));
}

void sw_answer_revocation(const struct sw_daemon *d, struct sw_answer *a)
{
    static const char head[] = "{\"revocation\":[", tail[] = "]}\n";
    struct rows to = {.a = a, .first = true};
    sw_answer_text(a, head, sizeof(head) - 1);
    a->failed = !sw_revocations_list(d->now->learnt, row, &to) || a->failed;
    sw_answer_text(a, tail, sizeof(tail) - 1);
}
