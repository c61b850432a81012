/* A secret that the operator types. */
#ifndef SW_CMD_PROMPT_H
#define SW_CMD_PROMPT_H

#include <stdbool.h>
#include <stddef.h>

/**
 * Asks on the terminal of the process, without showing what is typed, and reads one line into
 * `out`, without its end. False: there is no terminal, or the line does not fit or ended
 * early. A signal that ends the process does so once the terminal is as before.
 */
bool sw_prompt_secret(const char *question, char *out, size_t cap);

#endif
