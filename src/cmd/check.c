#include "cmd/cmd.h"
#include "daemon/expiry.h"
#include "daemon/proof.h"
#include "sys/clock.h"

#include <string.h>

int sw_cmd_check(int argc, char **argv)
{
    struct sw_config config;
    struct sw_diags diags = {0};
    const char *path = NULL;
    bool strict = false, json = false;
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "-c") == 0 && i + 1 < argc)
            path = argv[++i];
        else if (strcmp(argv[i], "--strict") == 0)
            strict = true;
        else if (strcmp(argv[i], "--json") == 0)
            json = true;
        else
            return sw_cmd_usage("check", "an argument is not known, or lacks its value");
    }
    if (!path)
        return sw_cmd_usage("check", "-c FILE is missing");
    bool ok = sw_config_load(path, NULL, &config, &diags) == SW_OK;
    if (ok) {
        sw_certs_check(&config, sw_clock_wall_s(), &diags);
        sw_proof(&config, &diags);
    }
    ok = diags.errors == 0;
    sw_diags_print(&diags, json ? stdout : stderr, json);
    if (!json)
        printf("%s: %s (%u errors, %u warnings, %u notes)\n", path, ok ? "can run" : "cannot run",
               diags.errors, diags.warnings, diags.notes);
    int code = !ok ? SW_EXIT_USAGE : strict && diags.warnings ? SW_EXIT_FAILED : SW_EXIT_OK;
    sw_config_free(&config);
    sw_diags_free(&diags);
    return code;
}
