/* Failed connections for people: a paragraph each, the newest last. */
#include "cmd/ctl_failures.h"

#include <stdio.h>
#include <string.h>

static const char *text_of(json_t *record, const char *key)
{
    const char *s = json_string_value(json_object_get(record, key));
    return s ? s : "-";
}

/* What stands in the first lines, and not again below them. */
static int in_head(const char *key)
{
    static const char *const head[] = {"time",     "last", "count",  "direction", "transport",
                                       "listener", "peer", "remote", "local",     "phase",
                                       "reason",   "why",  "chain"};
    for (size_t i = 0; i < sizeof(head) / sizeof(head[0]); i++)
        if (strcmp(head[i], key) == 0)
            return 1;
    return 0;
}

static void print_chain(json_t *chain)
{
    size_t i;
    json_t *c;
    json_array_foreach(chain, i, c)
    {
        printf("  %-16s%zu %s%s\n", i ? "" : "chain", i, text_of(c, "subject"),
               strcmp(text_of(c, "verdict"), "refused") == 0 ? "   <-- refused" : "");
        printf("  %-16s  issuer %s; %s to %s\n", "", text_of(c, "issuer"), text_of(c, "not_before"),
               text_of(c, "not_after"));
        printf("  %-16s  sha256 %s\n", "", text_of(c, "sha256"));
    }
}

static void print_one(json_t *r)
{
    const char *key;
    json_t *v;
    long long count = json_integer_value(json_object_get(r, "count"));
    printf("%s  %s %s  listener %s  peer %s  %s\n", text_of(r, "time"), text_of(r, "direction"),
           text_of(r, "transport"), text_of(r, "listener"), text_of(r, "peer"),
           text_of(r, "remote"));
    if (count > 1)
        printf("  %-16s%lld, the last at %s\n", "times", count, text_of(r, "last"));
    printf("  %-16s%s in phase %s\n", "reason", text_of(r, "reason"), text_of(r, "phase"));
    printf("  %-16s%s\n", "why", text_of(r, "why"));
    json_object_foreach(r, key, v)
    {
        if (in_head(key))
            continue;
        if (json_is_integer(v))
            printf("  %-16s%lld\n", key, (long long)json_integer_value(v));
        else if (json_is_string(v) && json_string_length(v))
            printf("  %-16s%s\n", key, json_string_value(v));
    }
    print_chain(json_object_get(r, "chain"));
}

void sw_ctl_failures(json_t *records)
{
    size_t i;
    json_t *r;
    json_array_foreach(records, i, r)
    {
        if (i)
            putchar('\n');
        print_one(r);
    }
}
