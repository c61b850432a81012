#include "daemon/lists.h"

#include "sys/log.h"
#include <time.h>

void sw_lists_warn(const struct sw_config *c)
{
    for (const struct sw_config_unread *u = c->unread; u; u = u->next) {
        char since[32] = "-";
        struct tm tm;
        time_t t = (time_t)u->since_s;
        if (gmtime_r(&t, &tm))
            strftime(since, sizeof(since), "%Y-%m-%dT%H:%M:%SZ", &tm);
        SW_LOG(SW_LEVEL_ERROR, "crl_kept", sw_field_str("entry", u->entry),
               sw_field_str("file", u->file), sw_field_str("since", since),
               sw_field_number("lists", u->lists), sw_field_str("why", u->why),
               sw_field_str("help", u->lists
                                        ? "what it had before is used on: put a list in place "
                                          "that can be read; what was revoked since is not known"
                                        : "nothing of it is known: put a list in place that can "
                                          "be read, or take the file away"));
    }
}
