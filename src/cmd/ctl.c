/* Asks the running gateway over its admin socket, and lays the answer out for people. */
#include "cmd/ask.h"
#include "cmd/cmd.h"
#include "cmd/ctl_failures.h"
#include "loop/sock.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { CELL_MAX = 64, COLUMNS_MAX = 32 };

static const char *const words[] = {"status",       "peers",        "connections", "registrations",
                                    "transactions", "certificates", "failures",    "calls",
                                    "avoided",      "revocation",   "reload",      "drain"};

static int is_word(const char *s)
{
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
        if (strcmp(words[i], s) == 0)
            return 1;
    return 0;
}

/* ---- layout ---- */

static const char *cell(const json_t *v, char buf[32])
{
    if (json_is_integer(v)) {
        snprintf(buf, 32, "%lld", (long long)json_integer_value(v));
        return buf;
    }
    const char *s = json_string_value(v);
    return s && *s ? s : "-";
}

static void print_object(json_t *object)
{
    const char *key;
    json_t *v;
    char buf[32];
    size_t wide = 0;
    json_object_foreach(object, key, v) wide = strlen(key) > wide ? strlen(key) : wide;
    json_object_foreach(object, key, v) printf("%-*s  %s\n", (int)wide, key, cell(v, buf));
}

static size_t columns_of(json_t *rows, const char *names[COLUMNS_MAX], size_t wide[COLUMNS_MAX])
{
    size_t n = 0, i;
    json_t *r, *v;
    const char *key;
    char buf[32];
    json_object_foreach(json_array_get(rows, 0), key, v)
    {
        if (n < COLUMNS_MAX) {
            wide[n] = strlen(key);
            names[n++] = key;
        }
    }
    json_array_foreach(rows, i, r)
    {
        for (size_t k = 0; k < n; k++) {
            size_t w = strlen(cell(json_object_get(r, names[k]), buf));
            w = w > CELL_MAX ? CELL_MAX : w;
            wide[k] = w > wide[k] ? w : wide[k];
        }
    }
    return n;
}

/* One line per row; what is long stands last, whole. */
static void print_table(json_t *rows)
{
    const char *names[COLUMNS_MAX];
    size_t wide[COLUMNS_MAX], i, n = columns_of(rows, names, wide);
    json_t *r;
    char buf[32];
    for (size_t k = 0; k < n; k++)
        printf("%-*s  ", (int)(k + 1 < n ? wide[k] : 0), names[k]);
    putchar('\n');
    json_array_foreach(rows, i, r)
    {
        for (size_t k = 0; k < n; k++) {
            const char *s = cell(json_object_get(r, names[k]), buf);
            if (k + 1 < n && strlen(s) > CELL_MAX)
                printf("%.*s...  ", CELL_MAX - 3, s);
            else if (k + 1 < n)
                printf("%-*s  ", (int)wide[k], s);
            else
                printf("%s\n", s);
        }
    }
}

static int is_long(const char *key)
{
    return strcmp(key, "certificates") == 0 || strcmp(key, "serves") == 0;
}

/* A certificate has more to tell than a line holds. */
static void print_blocks(json_t *rows)
{
    size_t i;
    json_t *r;
    json_array_foreach(rows, i, r)
    {
        if (i)
            putchar('\n');
        print_object(r);
    }
}

static void print_answer(json_t *answer)
{
    const char *key;
    json_t *v;
    int first = 1;
    json_object_foreach(answer, key, v)
    {
        if (!first)
            putchar('\n');
        first = 0;
        if (json_is_object(v))
            print_object(v);
        else if (json_is_array(v) && json_array_size(v) == 0)
            printf("%s: none\n", key);
        else if (strcmp(key, "failures") == 0)
            sw_ctl_failures(v);
        else if (json_is_array(v) && is_long(key))
            print_blocks(v);
        else if (json_is_array(v))
            print_table(v);
        else if (json_is_string(v))
            fprintf(stderr, "sipward ctl: %s\n", json_string_value(v));
    }
}

/* ---- the question ---- */

static int failed_reload(json_t *answer)
{
    json_t *errors = json_object_get(json_object_get(answer, "reload"), "errors");
    return json_integer_value(errors) > 0;
}

static int report(const char *socket, int fd, const char *line, int json)
{
    char *raw = NULL;
    json_t *answer = sw_ask(fd, line, &raw);
    int code = SW_EXIT_OK;
    if (!answer) {
        fprintf(stderr,
                "sipward ctl: the gateway at %s gave no answer (it may have stopped: its log says "
                "why)\n",
                socket);
        code = SW_EXIT_FAILED;
    } else {
        if (json)
            fputs(raw, stdout);
        else
            print_answer(answer);
        if (json_object_get(answer, "error") || failed_reload(answer))
            code = SW_EXIT_FAILED;
    }
    json_decref(answer);
    free(raw);
    return code;
}

static int connect_to(const char **socket)
{
    static const char *const places[] = {"sipward.sock", "/run/sipward/sipward.sock"};
    if (*socket)
        return sw_sock_unix_connect(*socket);
    for (size_t i = 0; i < 2; i++) {
        int fd = sw_sock_unix_connect(places[i]);
        *socket = places[i];
        if (fd >= 0)
            return fd;
    }
    return -1;
}

static int no_gateway(const char *socket)
{
    fprintf(
        stderr,
        "sipward ctl: no gateway answers at %s: %s (is it running? name the admin.socket of its "
        "configuration with -s)\n",
        socket, strerror(errno));
    return SW_EXIT_FAILED;
}

int sw_cmd_ctl(int argc, char **argv)
{
    const char *socket = NULL, *word = NULL, *arg = "";
    char line[512];
    int json = 0;
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "-s") == 0 && i + 1 < argc)
            socket = argv[++i];
        else if (strcmp(argv[i], "--json") == 0)
            json = 1;
        else if (argv[i][0] == '-')
            return sw_cmd_usage("ctl", "an argument is not known, or lacks its value");
        else if (!word)
            word = argv[i];
        else
            arg = argv[i];
    }
    if (!word || !is_word(word))
        return sw_cmd_usage("ctl",
                            word ? "that question is not known" : "what is asked is missing");
    if (snprintf(line, sizeof(line), "%s %s\n", word, arg) >= (int)sizeof(line) ||
        strpbrk(arg, "\r\n"))
        return sw_cmd_usage("ctl", "the name is too long");
    int fd = connect_to(&socket);
    if (fd < 0)
        return no_gateway(socket);
    int code = report(socket, fd, line, json);
    close(fd);
    return code;
}
