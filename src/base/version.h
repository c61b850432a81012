/* The version of this program, as `sipward version` and `sipward ctl status` tell it. */
#ifndef SW_BASE_VERSION_H
#define SW_BASE_VERSION_H

#define SW_VERSION "0.1.0"

#endif
