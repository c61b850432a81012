/* How `sipward ctl failures` is laid out. */
#ifndef SW_CMD_CTL_FAILURES_H
#define SW_CMD_CTL_FAILURES_H

#include <jansson.h>

/** Prints an array of records for people. */
void sw_ctl_failures(json_t *records);

#endif
