#include "daemon/diag.h"

#include <stdarg.h>
#include <stdlib.h>

void sw_diag(struct sw_diags *x, enum sw_diag_kind kind, struct sw_mark mark, const char *format,
             ...)
{
    struct sw_diag *more = realloc(x->d, (x->count + 1) * sizeof(*more));
    va_list args;
    unsigned *counts[] = {&x->errors, &x->warnings, &x->notes};
    (*counts[kind])++;
    if (!more)
        return;
    x->d = more;
    struct sw_diag *d = &more[x->count];
    if (!mark.line) /* about the whole file: every finding has a place */
        mark = (struct sw_mark){1, 1};
    *d = (struct sw_diag){.kind = kind, .mark = mark};
    va_start(args, format);
    if (vasprintf(&d->text, format, args) < 0)
        d->text = NULL;
    va_end(args);
    x->count++;
}

static int order(const void *a, const void *b)
{
    const struct sw_diag *x = a, *y = b;
    if (x->mark.line != y->mark.line)
        return x->mark.line < y->mark.line ? -1 : 1;
    if (x->mark.column != y->mark.column)
        return x->mark.column < y->mark.column ? -1 : 1;
    return (int)x->kind - (int)y->kind;
}

static void print_json_text(const char *p, FILE *out)
{
    for (; *p; p++) {
        if (*p == '"' || *p == '\\')
            fputc('\\', out);
        if ((unsigned char)*p < ' ')
            fprintf(out, "\\u%04x", (unsigned char)*p);
        else
            fputc(*p, out);
    }
}

static void print_json(const struct sw_diag *d, const char *path, FILE *out, bool first)
{
    static const char *const kinds[] = {"error", "warning", "note"};
    fprintf(out, "%s\n  {\"kind\": \"%s\", \"file\": \"", first ? "" : ",", kinds[d->kind]);
    print_json_text(path, out);
    fprintf(out, "\", \"line\": %u, \"column\": %u, \"text\": \"", d->mark.line, d->mark.column);
    print_json_text(d->text ? d->text : "", out);
    fputs("\"}", out);
}

void sw_diags_print(struct sw_diags *x, FILE *out, bool json)
{
    static const char *const kinds[] = {"", "warning: ", "note: "};
    if (x->count)
        qsort(x->d, x->count, sizeof(*x->d), order);
    if (json)
        fputc('[', out);
    for (size_t i = 0; i < x->count; i++) {
        const struct sw_diag *d = &x->d[i];
        if (json)
            print_json(d, x->path, out, i == 0);
        else
            fprintf(out, "%s:%u:%u: %s%s\n", x->path, d->mark.line, d->mark.column, kinds[d->kind],
                    d->text ? d->text : "out of memory");
    }
    if (json)
        fputs("\n]\n", out);
}

void sw_diags_free(struct sw_diags *x)
{
    for (size_t i = 0; i < x->count; i++)
        free(x->d[i].text);
    free(x->d);
    *x = (struct sw_diags){0};
}

void sw_diag_place(const struct sw_diags *x, const struct sw_diag *d, char *out, size_t cap)
{
    if (d->mark.line)
        snprintf(out, cap, "%s:%u:%u", x->path, d->mark.line, d->mark.column);
    else
        snprintf(out, cap, "%s", x->path);
}
