/* Certificates, keys and revocation lists from files, with a clear word for each way this can fail.
 */
#ifndef SW_CERT_LOAD_H
#define SW_CERT_LOAD_H

#include "crypto/trust.h"
#include "tls/session.h"

/* Bytes of one PEM file: some ten thousand certificates. */
enum { SW_CERT_FILE_MAX = 64 << 20 };

/** Reads a PEM chain, leaf first, or one certificate in DER. SW_SYS, SW_LIMIT_SIZE, SW_PEER_SYNTAX
 * with `why`. */
SW_MUST_USE enum sw_status sw_cert_load_chain(const char *path, struct sw_certs *out,
                                              char why[SW_WHY_MAX]);

/** Reads a private key. Statuses as above. */
SW_MUST_USE enum sw_status sw_cert_load_key(const char *path, struct sw_key **out,
                                            char why[SW_WHY_MAX]);

/** True if a key of the configuration names one in a token: a "pkcs11:" URI. RFC 7512 */
bool sw_cert_key_is_in_token(const char *name);

/**
 * Reads the private key of a file, which may be encrypted, or finds the one that a "pkcs11:" URI
 * names. `passphrase` (.p NULL: none) opens the file or the token; nobody is asked for one.
 * Statuses as above.
 */
SW_MUST_USE enum sw_status sw_cert_open_key(const char *name, struct sw_slice passphrase,
                                            struct sw_key **out, char why[SW_WHY_MAX]);

/* Bytes of a passphrase. */
enum { SW_PASSPHRASE_MAX = 1024 };

/**
 * Reads a passphrase without the line end behind it: a file, or "credential:NAME", which systemd
 * has put below $CREDENTIALS_DIRECTORY. Give it back with sw_cert_drop_passphrase, which wipes it.
 * Statuses as above.
 */
SW_MUST_USE enum sw_status sw_cert_load_passphrase(const char *name, struct sw_slice *out,
                                                   char why[SW_WHY_MAX]);
void sw_cert_drop_passphrase(struct sw_slice *passphrase);

/** The permission bits of a file; 0: it cannot be asked for them. */
unsigned sw_cert_file_mode(const char *path);

/** True if there is a folder of this name. */
bool sw_cert_is_folder(const char *path);

/**
 * Calls `each` with the path of each file in a folder whose name ends in .crl, .pem or .der, sorted
 * by name. SW_SYS, SW_LIMIT_MEMORY with `why`.
 */
SW_MUST_USE enum sw_status sw_cert_folder(const char *path, void (*each)(void *user, const char *p),
                                          void *user, char why[SW_WHY_MAX]);

/** Reads revocation lists. Statuses as above. */
SW_MUST_USE enum sw_status sw_cert_load_crls(const char *path, struct sw_crls *out,
                                             char why[SW_WHY_MAX]);

#endif
