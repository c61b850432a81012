/* One key=value of an event: how every room says something to the log, and what a NOTE carries. */
#ifndef SW_BASE_FIELD_H
#define SW_BASE_FIELD_H

#include "base/slice.h"

enum sw_level {
    SW_LEVEL_ERROR, /* an operator must act */
    SW_LEVEL_WARN,  /* degraded */
    SW_LEVEL_INFO,  /* lifecycle */
    SW_LEVEL_DEBUG, /* decisions */
    SW_LEVEL_TRACE, /* bytes */
};

enum sw_field_type { SW_FIELD_TEXT, SW_FIELD_NUMBER };

struct sw_field {
    const char *name;
    enum sw_field_type type;
    struct sw_slice text;
    int64_t number;
};

static inline struct sw_field sw_field_text(const char *name, struct sw_slice text)
{
    return (struct sw_field){.name = name, .type = SW_FIELD_TEXT, .text = text};
}

static inline struct sw_field sw_field_str(const char *name, const char *text)
{
    return sw_field_text(name, sw_slice_str(text));
}

static inline struct sw_field sw_field_number(const char *name, int64_t number)
{
    return (struct sw_field){.name = name, .type = SW_FIELD_NUMBER, .number = number};
}

#endif
