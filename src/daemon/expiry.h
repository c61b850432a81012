/* What ends soon: certificates that we show, CAs that we believe, and revocation lists. */
#ifndef SW_DAEMON_EXPIRY_H
#define SW_DAEMON_EXPIRY_H

#include "daemon/config.h"

/** Warns in `diags` of each that is in use and ends within 30 days, or has ended. A revocation list
 * lives for days only: the last third of its time counts. */
void sw_certs_check(const struct sw_config *c, int64_t now_s, struct sw_diags *diags);

/** The same in the log, a line each: certificate_ends. */
void sw_certs_warn(const struct sw_config *c, int64_t now_s);

/* A day: how often the log is told again while the gateway runs. */
enum { SW_CERTS_WARN_MS = 24 * 3600 * 1000 };

#endif
