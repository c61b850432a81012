/* What a listener shows by server name: names to identities, looked up in one step however many
 * there are. Built once, then immutable: any thread may look. */
#ifndef SW_TLS_NAMES_H
#define SW_TLS_NAMES_H

#include "base/slice.h"
#include "base/status.h"

struct sw_tls_identity;
struct sw_tls_names;

/** Room for about `expected` names. NULL: memory is out. */
struct sw_tls_names *sw_tls_names_new(size_t expected);
void sw_tls_names_free(struct sw_tls_names *n);

/**
 * Adds a name of a certificate, which the identity then stands for; `n` copies it. Case and a
 * trailing dot do not matter. SW_DENIED: another identity has the name already, and keeps it.
 * SW_PEER_SYNTAX: it is empty or longer than a name can be. SW_LIMIT_MEMORY
 */
SW_MUST_USE enum sw_status sw_tls_names_add(struct sw_tls_names *n, struct sw_slice name,
                                            const struct sw_tls_identity *identity);

/**
 * The identity that has this name, or else the one whose certificate has it with a wildcard in
 * place of the first label; NULL: nobody has. A wildcard that is asked for as such is no name.
 * RFC 6066 3; RFC 9325 3.7
 */
const struct sw_tls_identity *sw_tls_names_find(const struct sw_tls_names *n, struct sw_slice name);

#endif
