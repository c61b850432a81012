#include "daemon/run.h"
#include "cmd/cmd.h"

#include <string.h>

int sw_cmd_run(int argc, char **argv)
{
    const char *config = NULL;
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "-c") == 0 && i + 1 < argc)
            config = argv[++i];
        else
            return sw_cmd_usage("run", "an argument is not known, or lacks its value");
    }
    if (!config)
        return sw_cmd_usage("run", "-c FILE is missing");
    return sw_daemon_run(config);
}
