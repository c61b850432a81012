/* A question to the running gateway over its admin socket. */
#ifndef SW_CMD_ASK_H
#define SW_CMD_ASK_H

#include <jansson.h>

/**
 * Sends one line and reads the document that answers it. `*raw` is its text, for free(). NULL: none
 * came.
 */
json_t *sw_ask(int fd, const char *line, char **raw);

/** The same on a connection of its own. NULL: nobody listens at `path`, or no answer came. */
json_t *sw_ask_at(const char *path, const char *line);

#endif
