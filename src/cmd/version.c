#include "cmd/cmd.h"
#include "tls/session.h"

#include <stdio.h>
#include <string.h>

int sw_cmd_version(int argc, char **argv)
{
    bool json = argc > 1 && strcmp(argv[1], "--json") == 0;
    if (argc > 1 && !json)
        return sw_cmd_usage("version", "an argument is not known");
    if (json)
        printf("{\"version\": \"%s\", \"tls\": \"%s\", \"features\": [\"udp\", \"tcp\", \"tls\", "
               "\"ipv6\"]}\n",
               SW_VERSION, sw_tls_library());
    else
        printf("sipward %s\nTLS: %s\nfeatures: udp tcp tls ipv6\n", SW_VERSION, sw_tls_library());
    return SW_EXIT_OK;
}
