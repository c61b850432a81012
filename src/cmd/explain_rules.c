/* What a route's rules ask and set, in the document of `sipward explain` and for people. */
#include "cmd/explain.h"

#include <stdio.h>

static void put_text(json_t *o, const char *key, const struct sw_text *t)
{
    if (t->s.p)
        json_object_set_new(o, key, json_stringn(t->s.p, t->s.n));
}

static void put_list(json_t *o, const char *key, const struct sw_texts *list)
{
    json_t *a = list->count ? json_array() : NULL;
    for (size_t i = 0; i < list->count; i++)
        json_array_append_new(a, json_stringn(list->t[i].s.p, list->t[i].s.n));
    if (a)
        json_object_set_new(o, key, a);
}

void sw_explain_rules(json_t *route, const struct sw_route_directive *d)
{
    const struct sw_set_directive *x = &d->set;
    json_t *set = x->mark.line ? json_object() : NULL;
    put_text(route, "user_regex", &d->user_regex);
    put_list(route, "header", &d->header);
    put_list(route, "source", &d->source);
    if (!set)
        return;
    put_text(set, "user", &x->user);
    if (x->strip.v)
        json_object_set_new(set, "strip", json_integer(x->strip.v));
    put_text(set, "prefix", &x->prefix);
    put_text(set, "host", &x->host);
    put_list(set, "remove", &x->remove);
    put_list(set, "add", &x->add);
    json_object_set_new(route, "set", set);
}

static void print_value(const json_t *v)
{
    const json_t *x;
    size_t i;
    if (json_is_integer(v))
        printf("%lld", (long long)json_integer_value(v));
    else if (json_is_string(v))
        printf("%s", json_string_value(v));
    json_array_foreach(v, i, x) printf("%s%s", i ? ", " : "", json_string_value(x));
}

void sw_explain_print_rules(const json_t *route)
{
    static const char *const keys[] = {"user", "strip", "prefix", "host", "remove", "add"};
    const json_t *set = json_object_get(route, "set");
    for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
        const json_t *v = json_object_get(set, keys[i]);
        if (!v)
            continue;
        printf("       sets %-7s ", keys[i]);
        print_value(v);
        puts("");
    }
}
