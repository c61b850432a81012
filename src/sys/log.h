/* The log: one line per event, key=value or JSON. A thread formats into a ring of its own; another
 * thread writes. A full ring drops and counts: nobody waits for the log. */
#ifndef SW_SYS_LOG_H
#define SW_SYS_LOG_H

#include "base/buf.h"
#include "base/field.h"
#include "base/status.h"

/* Bytes of one value; what peers send may be longer and is clipped. */
enum { SW_LOG_VALUE_MAX = 512, SW_LOG_LINE_MAX = 8192 };

struct sw_log_conf {
    int fd; /* where lines go */
    enum sw_level level;
    bool json;
};

/** Starts the writing thread. Once, by the program. SW_SYS, SW_LIMIT_MEMORY */
SW_MUST_USE enum sw_status sw_log_open(const struct sw_log_conf *conf);

/** Writes what is left and ends the thread. Other threads no longer log. */
void sw_log_close(void);

/** Waits until what was logged before is written, but no longer than `timeout_ms`; false: it is
 * not. While the reader of the log is stuck only the first to ask waits. Not for a worker. */
bool sw_log_settle(int timeout_ms);

/** True if lines of this level are written: asked before fields are gathered. Any thread. */
bool sw_log_on(enum sw_level level);

/* Lines of one event that a thread writes per second; more are counted and told once. Debug is not
 * limited: whoever asks for it wants all of it. */
enum { SW_LOG_EVENT_PER_S = 1000 };

/** Writes one line. Text of peers is escaped and clipped. Any thread; never blocks. */
void sw_log(enum sw_level level, const char *event, const struct sw_field *fields, size_t count);

/** The same with the fields in place: SW_LOG(SW_LEVEL_INFO, "ready", sw_field_number("workers",
 * 2)); */
#define SW_LOG(level, event, ...)                                                                  \
    do {                                                                                           \
        if (sw_log_on(level)) {                                                                    \
            const struct sw_field sw_log_fields_[] = {__VA_ARGS__};                                \
            sw_log((level), (event), sw_log_fields_,                                               \
                   sizeof(sw_log_fields_) / sizeof(sw_log_fields_[0]));                            \
        }                                                                                          \
    } while (0)

/** Appends the fields as one JSON object, values escaped and clipped as in the log. */
void sw_log_object(struct sw_buf *b, const struct sw_field *fields, size_t count);

/** Formats one line without its time into `out`, for tests. */
size_t sw_log_format(char *out, size_t cap, bool json, int64_t wall_ms, enum sw_level level,
                     const char *event, const struct sw_field *fields, size_t count);

#endif
