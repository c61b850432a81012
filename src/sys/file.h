/* Whole files into memory. */
#ifndef SW_SYS_FILE_H
#define SW_SYS_FILE_H

#include "base/slice.h"
#include "base/status.h"

/**
 * Reads a file of at most `max` bytes; the caller frees `out->p`, which has a NUL behind its end.
 * SW_SYS: errno tells; SW_LIMIT_SIZE: larger than `max`.
 */
SW_MUST_USE enum sw_status sw_file_read(const char *path, size_t max, struct sw_slice *out);

#endif
