/* What the files of `sipward pki` share: its options, the directory of a private CA, the index of
 * what was issued, and files that are put in place whole or not at all. */
#ifndef SW_CMD_PKI_H
#define SW_CMD_PKI_H

#include "crypto/issue.h"
#include <stdio.h>
#include <sys/types.h>

enum {
    SW_PKI_DOMAINS_MAX = 64,    /* --domain and --ip, each: a hosted gateway's */
    SW_PKI_NAME_MAX = 64,       /* also the longest common name: RFC 5280 appendix A.1 */
    SW_PKI_FILE_MAX = 64 << 20, /* bytes of a file that is read */
    SW_PKI_STAGE_MAX = 4,       /* files that are put in place together */
    SW_PKI_BACKDATE_S = 3600,   /* a peer's clock may be behind ours */
    SW_PKI_CA_DAYS = 3650,
    SW_PKI_CERT_DAYS = 365,
    SW_PKI_CRL_DAYS = 90,
};

/* The arguments of one sub-command. */
struct sw_pki_options {
    const char *command;                       /* "issue" */
    const char *place;                         /* DIR or FILE */
    const char *name;                          /* NAME; NULL: the command has none */
    const char *domains[SW_PKI_DOMAINS_MAX];   /* lower case */
    char domain_text[SW_PKI_DOMAINS_MAX][256]; /* their memory */
    struct sw_endpoint addresses[SW_PKI_DOMAINS_MAX];
    size_t domain_count, address_count;
    unsigned days, crl_days, rsa_bits; /* 0: not given */
    const char *passphrase_file, *serial, *ca_name;
    bool client, server, encrypt, renew, json;
};

int sw_pki_init(const struct sw_pki_options *o);
int sw_pki_issue(const struct sw_pki_options *o);
int sw_pki_revoke(const struct sw_pki_options *o);
int sw_pki_crl(const struct sw_pki_options *o);
int sw_pki_list(const struct sw_pki_options *o);
int sw_pki_show(const struct sw_pki_options *o);

/** Prints "sipward pki COMMAND: text" to stderr; returns SW_EXIT_FAILED. */
int sw_pki_fail(const struct sw_pki_options *o, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

int sw_pki_no_memory(const struct sw_pki_options *o);

/* "2026-11-21T11:47:12Z", or "-" for 0. */
enum { SW_PKI_TIME_MAX = 24 };
const char *sw_pki_time(int64_t seconds, char text[SW_PKI_TIME_MAX]);

/** A JSON string with its quotes. Bytes that are no UTF-8 stand as the character of their number.
 */
void sw_pki_json(FILE *out, struct sw_slice text);

/* ---- the index: one line for each certificate, fields between tabs ---- */

struct sw_pki_row {
    const char *serial; /* hexadecimal, 2 * SW_SERIAL_BYTES digits */
    const char *name;
    const char *proves; /* domains and addresses with commas between */
    const char *subject;
    int64_t not_before_s, not_after_s;
    int64_t revoked_s; /* 0: it is not */
};

struct sw_pki_index {
    struct sw_pki_row *row; /* oldest first */
    size_t count;
    char *text; /* what the rows were read from */
};

/** Reads an index; takes `text`, which has a NUL behind its end. 0, or the line that is wrong. */
unsigned sw_pki_index_parse(struct sw_slice text, struct sw_pki_index *out);

/** Adds a row, whose strings are borrowed. False: memory is out. */
bool sw_pki_index_add(struct sw_pki_index *x, const struct sw_pki_row *row);

/** The whole index as text, to be freed. p NULL: memory is out. */
struct sw_slice sw_pki_index_text(const struct sw_pki_index *x);
void sw_pki_index_free(struct sw_pki_index *x);

/** The bytes of a row's serial. */
void sw_pki_row_serial(const struct sw_pki_row *row, uint8_t out[SW_SERIAL_BYTES]);

/* ---- the directory ---- */

/* A file that waits beside its place. */
struct sw_pki_staged {
    char name[SW_PKI_NAME_MAX + 8];
    bool replace; /* else it must not be there yet */
};

struct sw_pki_dir {
    int fd;     /* locked while it is open */
    char *path; /* absolute */
    struct sw_pki_staged staged[SW_PKI_STAGE_MAX];
    size_t staged_count;
};

struct sw_pki_ca {
    struct sw_certs certs;
    struct sw_key *key;
    struct sw_cert_facts facts;
    struct sw_issuer issuer; /* both of them */
};

/** Opens and locks DIR, `make`: makes it if it is not there. Says why not; SW_EXIT_OK or another.
 */
int sw_pki_dir_open(const struct sw_pki_options *o, bool make, struct sw_pki_dir *d);

/** Drops what is still staged, and the lock. */
void sw_pki_dir_close(struct sw_pki_dir *d);

/** True if a file of that name is in the directory. */
bool sw_pki_dir_has(const struct sw_pki_dir *d, const char *name);

/** Reads a file of the directory, to be given to sw_pem_free. False: errno tells. */
bool sw_pki_dir_read(const struct sw_pki_dir *d, const char *name, struct sw_slice *out);

/**
 * Writes a file beside its place and syncs it. Nothing is in place before sw_pki_commit, which
 * then needs no more room on the disk. SW_EXIT_OK, or says why not.
 */
int sw_pki_stage(const struct sw_pki_options *o, struct sw_pki_dir *d, const char *name,
                 struct sw_slice text, mode_t mode, bool replace);

/** The same for a text that may not have been made (p NULL), and frees it. */
int sw_pki_stage_text(const struct sw_pki_options *o, struct sw_pki_dir *d, const char *name,
                      struct sw_slice *text, mode_t mode, bool replace);
int sw_pki_stage_index(const struct sw_pki_options *o, struct sw_pki_dir *d,
                       const struct sw_pki_index *x, bool replace);

/** Stages a CRL of what the index says, and tells its dates. */
int sw_pki_stage_crl(const struct sw_pki_options *o, struct sw_pki_dir *d,
                     const struct sw_issuer *by, const struct sw_pki_index *x,
                     struct sw_crl_dates *dates);

/** Puts the staged files in place, in their order. */
int sw_pki_commit(const struct sw_pki_options *o, struct sw_pki_dir *d);

/** A second name for a file, that stays when the first is replaced. */
int sw_pki_keep(const struct sw_pki_options *o, const struct sw_pki_dir *d, const char *name,
                const char *as);

/** Reads the CA, and asks for the passphrase of its key if `with_key`. */
int sw_pki_ca_open(const struct sw_pki_options *o, const struct sw_pki_dir *d, bool with_key,
                   struct sw_pki_ca *ca);
void sw_pki_ca_close(struct sw_pki_ca *ca);

int sw_pki_index_open(const struct sw_pki_options *o, const struct sw_pki_dir *d,
                      struct sw_pki_index *x);

/**
 * The passphrase of the CA's key from --passphrase-file or the terminal, `twice` for a new one.
 * sw_pem_free gives it back.
 */
int sw_pki_passphrase(const struct sw_pki_options *o, bool twice, struct sw_slice *out);

/** Prints the path of a file NAME END in double quotes, as YAML and JSON read it. */
void sw_pki_print_path(const char *folder, const char *name, const char *end);

/** Prints the trust entry of a configuration for this CA. */
void sw_pki_print_trust(const char *folder);
void sw_pki_print_crl(const struct sw_pki_dir *d, const struct sw_crl_dates *dates);

#endif
