/* The standard names of cipher suites, by their numbers at IANA. */
#ifndef SW_BASE_SUITE_H
#define SW_BASE_SUITE_H

/** The name of a suite, such as "TLS_AES_128_GCM_SHA256"; NULL: it has none here. */
const char *sw_suite_name(unsigned number);

#endif
