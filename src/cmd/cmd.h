/* The sub-commands of the one binary: a file each, and a row in main.c. */
#ifndef SW_CMD_CMD_H
#define SW_CMD_CMD_H

#include "base/version.h"

#include <stdbool.h>

struct sw_cmd {
    const char *name;
    const char *usage;                 /* behind "sipward NAME" */
    const char *summary;               /* one line */
    const char *help;                  /* what `sipward help NAME` prints besides */
    int (*run)(int argc, char **argv); /* argv[0] is the name; returns the exit code */
    bool has_commands;                 /* with help of their own, which `run` prints on --help */
};

enum { SW_EXIT_OK = 0, SW_EXIT_FAILED = 1, SW_EXIT_USAGE = 2 };

int sw_cmd_run(int argc, char **argv);
int sw_cmd_probe(int argc, char **argv);
int sw_cmd_check(int argc, char **argv);
int sw_cmd_explain(int argc, char **argv);
int sw_cmd_ctl(int argc, char **argv);
int sw_cmd_pki(int argc, char **argv);
int sw_cmd_version(int argc, char **argv);

/** Prints the usage of a sub-command to stderr with what was wrong; returns SW_EXIT_USAGE. */
int sw_cmd_usage(const char *name, const char *wrong);

/** Prints the whole help of a sub-command to stdout; returns SW_EXIT_OK. */
int sw_cmd_help(const char *name);

#endif
