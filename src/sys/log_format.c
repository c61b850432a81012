#include "sys/log.h"

#include <time.h>

static void put_time(struct sw_buf *b, int64_t wall_ms)
{
    struct tm tm;
    time_t s = (time_t)(wall_ms / 1000);
    char text[32];
    gmtime_r(&s, &tm);
    size_t n = strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S", &tm);
    sw_buf_put(b, text, n);
    int ms = (int)(wall_ms % 1000);
    char rest[5] = {'.', (char)('0' + ms / 100), (char)('0' + ms / 10 % 10), (char)('0' + ms % 10),
                    'Z'};
    sw_buf_put(b, rest, sizeof(rest));
}

static bool plain(struct sw_slice s)
{
    for (size_t i = 0; i < s.n; i++)
        if ((uint8_t)s.p[i] <= ' ' || (uint8_t)s.p[i] >= 127 || s.p[i] == '"' || s.p[i] == '\\' ||
            s.p[i] == '=')
            return false;
    return s.n > 0;
}

/* Quoted, with everything that could confuse a terminal or a parser escaped. */
static void put_quoted(struct sw_buf *b, struct sw_slice s, bool json)
{
    sw_buf_char(b, '"');
    for (size_t i = 0; i < s.n; i++) {
        uint8_t c = (uint8_t)s.p[i];
        if (c == '"' || c == '\\') {
            sw_buf_char(b, '\\');
            sw_buf_char(b, (char)c);
        } else if (c == '\r' || c == '\n' || c == '\t') {
            sw_buf_char(b, '\\');
            sw_buf_char(b, c == '\r' ? 'r' : c == '\n' ? 'n' : 't');
        } else if (c < ' ' || c >= 127) {
            sw_buf_str(b, json ? "\\u00" : "\\x");
            sw_buf_hex(b, &c, 1);
        } else {
            sw_buf_char(b, (char)c);
        }
    }
    sw_buf_char(b, '"');
}

static void put_value(struct sw_buf *b, const struct sw_field *f, bool json)
{
    struct sw_slice s = f->text;
    if (f->type == SW_FIELD_NUMBER) {
        sw_buf_i64(b, f->number);
        return;
    }
    if (s.n > SW_LOG_VALUE_MAX)
        s.n = SW_LOG_VALUE_MAX;
    if (!json && plain(s))
        sw_buf_slice(b, s);
    else
        put_quoted(b, s, json);
}

static const char *level_name(enum sw_level level)
{
    static const char *const names[] = {"error", "warn", "info", "debug", "trace"};
    return names[level];
}

static void put_key(struct sw_buf *b, const char *name, bool json)
{
    if (json)
        sw_buf_lit(b, ",\"");
    else
        sw_buf_char(b, ' ');
    sw_buf_str(b, name);
    sw_buf_str(b, json ? "\":" : "=");
}

size_t sw_log_format(char *out, size_t cap, bool json, int64_t wall_ms, enum sw_level level,
                     const char *event, const struct sw_field *fields, size_t count)
{
    struct sw_buf b = sw_buf(out, cap - 2);
    sw_buf_str(&b, json ? "{\"time\":\"" : "");
    put_time(&b, wall_ms);
    sw_buf_str(&b, json ? "\",\"level\":\"" : " ");
    sw_buf_str(&b, level_name(level));
    sw_buf_str(&b, json ? "\",\"event\":\"" : " event=");
    sw_buf_str(&b, event);
    sw_buf_str(&b, json ? "\"" : "");
    for (size_t i = 0; i < count; i++) {
        size_t before = b.n;
        put_key(&b, fields[i].name, json);
        put_value(&b, &fields[i], json);
        if (b.full) { /* a field that does not fit is left out whole */
            b.n = before;
            break;
        }
    }
    b.cap += 2;
    b.full = false;
    sw_buf_str(&b, json ? "}\n" : "\n");
    return b.n;
}

void sw_log_object(struct sw_buf *b, const struct sw_field *fields, size_t count)
{
    size_t start = b->n;
    for (size_t i = 0; i < count; i++) {
        put_key(b, fields[i].name, true);
        put_value(b, &fields[i], true);
    }
    if (count == 0)
        sw_buf_char(b, ' ');
    if (!b->full)
        b->p[start] = '{'; /* where the first comma stands */
    sw_buf_char(b, '}');
}
