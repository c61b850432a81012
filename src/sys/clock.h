/* Time of the machine. Protocol code is given it and never asks. */
#ifndef SW_SYS_CLOCK_H
#define SW_SYS_CLOCK_H

#include <stdint.h>

/** Milliseconds of a clock that never goes back. Any thread. */
int64_t sw_clock_ms(void);

/** Microseconds of the same clock, for measuring turns. Any thread. */
int64_t sw_clock_us(void);

/** Seconds since 1970, for certificates. Any thread. */
int64_t sw_clock_wall_s(void);

/** Milliseconds since 1970, for the log. Any thread. */
int64_t sw_clock_wall_ms(void);

#endif
