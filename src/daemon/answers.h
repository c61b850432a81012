/* The content of the answers on the admin socket. */
#ifndef SW_DAEMON_ANSWERS_H
#define SW_DAEMON_ANSWERS_H

#include "daemon/reload.h"

/* A JSON document that grows; .p is from malloc. After `failed` it takes nothing more. */
struct sw_answer {
    char *p;
    size_t n, cap;
    bool failed; /* memory is out */
};

/** Appends text as it is. */
void sw_answer_text(struct sw_answer *a, const char *p, size_t n);

/** Appends an object; "," before it unless it is the first. */
void sw_answer_row(struct sw_answer *a, bool *first, const struct sw_field *f, size_t n);

/* "2026-11-21T08:00:00Z" */
enum { SW_DATE_BYTES = 24 };

/** A moment in seconds since 1970 as text; "-" for 0. */
const char *sw_answer_date(int64_t at_s, char out[SW_DATE_BYTES]);

/** Answers `certificates`: a row for each certificate that is shown or believed, and each list. */
void sw_answer_certificates(const struct sw_daemon *d, struct sw_answer *a);

/** The rows of what is shown alone. */
void sw_answer_identities(const struct sw_daemon *d, struct sw_answer *a, bool *first);

/** Answers `revocation`: a row for each OCSP answer and each list that came over the network. */
void sw_answer_revocation(const struct sw_daemon *d, struct sw_answer *a);

/** Answers one of the words of sw_answer_words; `arg` is a peer's name or "". False: not known. */
bool sw_answer_question(struct sw_daemon *d, const char *word, const char *arg,
                        struct sw_answer *a);

/** What came of a reload, with the fingerprints that are served now. */
void sw_answer_reload(struct sw_daemon *d, const struct sw_reload_result *r, struct sw_answer *a);

/** True if a question is about one peer, and nobody has its name. */
bool sw_answer_is_nobody(const struct sw_daemon *d, const char *word, const char *arg);

/** The error that there is no peer of this name. */
void sw_answer_no_peer(struct sw_answer *a, const char *name);

/** {"error": text} */
void sw_answer_error(struct sw_answer *a, const char *text);

#endif
