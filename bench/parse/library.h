/* One SIP library behind the same few questions, so that the same work can be measured. */
#ifndef BENCH_PARSE_LIBRARY_H
#define BENCH_PARSE_LIBRARY_H

#include "base/slice.h"

/* Text as a library has it: with its length, or as a C string (n is PARSE_CSTRING). */
struct parse_text {
    const char *p;
    size_t n;
};

#define PARSE_CSTRING SIZE_MAX

/* What a proxy wants to know of a message. Text that is not there has .p NULL. */
struct parse_found {
    struct parse_text uri_host; /* of a request with a SIP URI */
    struct parse_text branch;   /* of the top Via */
    struct parse_text from_tag;
    struct parse_text to_tag;
    struct parse_text call_id;
    struct parse_text route_host;   /* of the first Route */
    struct parse_text contact_host; /* of the first Contact */
    uint32_t cseq;
};

struct parse_library {
    const char *name;
    /* Parses and answers; false if it refuses the message. What is found lives until `done`. */
    bool (*parse)(const char *p, size_t n, struct parse_found *out);
    void (*done)(void);
    void (*init)(void);
};

extern const struct parse_library parse_sipward, parse_osip, parse_sofia;

static inline struct parse_text parse_cstring(const char *s)
{
    return (struct parse_text){s, PARSE_CSTRING};
}

#endif
