/* What the files of `sipward probe` share: what is wanted, what came of one address, how to show
 * it. */
#ifndef SW_CMD_PROBE_H
#define SW_CMD_PROBE_H

#include "conn/attempt.h"
#include "crypto/feature.h"
#include "daemon/config.h"
#include "proxy/ingress.h"
#include "sip/locate.h"

enum probe_phase {
    PROBE_DNS,
    PROBE_TCP,
    PROBE_HANDSHAKE,
    PROBE_IDENTITY,
    PROBE_OPTIONS,
    PROBE_PHASES
};

/* Addresses of one name that are tried; messages and certificates that are kept of one address. */
enum { PROBE_ADDRESSES_MAX = 16, PROBE_MESSAGES_MAX = 64, PROBE_CHAIN_MAX = 16 };

/* ---- what is wanted: probe_goal.c ---- */

struct probe_args {
    const char *uri, *cert, *key, *ca, *domain, *via, *policy, *config, *peer;
    int64_t timeout_ms; /* of each phase */
    bool json;
};

struct probe_goal {
    struct sw_slice uri; /* of the OPTIONS */
    struct sw_slice to;  /* the same without what a To must not have */
    enum sw_transport transport;
    bool sips;
    char host[256]; /* to look up; empty: `addresses` are given */
    uint16_t port;  /* 0: as the DNS says */
    bool by_name, named_transport;
    struct sw_endpoint addresses[PROBE_ADDRESSES_MAX];
    struct sw_dane dane[PROBE_ADDRESSES_MAX]; /* what is signed of the certificate there */
    size_t address_count;
    struct sw_endpoint from;   /* where to connect from; family 0: anywhere */
    struct sw_slice from_host; /* that the From names; empty: the local address */
    const char *how;           /* the address came to be so */
    struct sw_peer_conf peer;  /* what the server must prove */
    struct sw_endpoint named;  /* an address that stands for a name; family 0: none */
    struct sw_tls_params tls;
    const struct sw_tls_policy *policies;
    unsigned policy_count;
    int64_t timeout_ms;
    char wanted[320], shown[320], believed[4608], dns[4096];
    /* owned */
    char *text; /* the URI */
    struct sw_tls_policy builtin[SW_POLICIES];
    char domain[256], domain_lower[256], server_name[256];
    struct sw_slice domains[1];
    struct sw_tls_identity identity;
    struct sw_ident *ident; /* of `identity` */
    struct sw_trust_entry entry;
    struct sw_trust *trust;
    struct sw_config config;
    struct sw_locate at;
    struct sw_locate_tlsa tlsa;
    bool has_config;
};

/** Reads what the arguments name. False: `wrong` was printed, or said in `why`. */
bool probe_goal_make(const struct probe_args *args, struct probe_goal *g, char why[512]);
void probe_goal_free(struct probe_goal *g);

/* ---- where it is: probe_locate.c ---- */

/** Looks for the addresses, if they are not given; what the DNS said is in `dns`. False: there are
 * none. RFC 3263 4 */
bool probe_locate(struct probe_goal *g);

/* ---- what came of one address: probe_try.c, probe_note.c ---- */

struct probe_message {
    char name[40];
    char carries[512];
    char *lists; /* lines, or NULL */
    int64_t us;  /* since the start of the attempt */
    size_t bytes;
    bool sent, encrypted, sip;
};

struct probe_cert {
    struct sw_cert_facts facts;
    char purposes[128];
    char features[SW_FEATURES_MAX]; /* of TLS, RFC 7633 */
    char names[512];
    char identities[256];
};

struct probe_answer {
    unsigned status; /* 0: none */
    char reason[128], server[128], allow[256], supported[256], contact[256], warning[256];
};

struct probe_failure {
    enum probe_phase phase;
    enum sw_status status;
    char why[SW_WHY_MAX], wanted[512], came[512], certificate[256];
    int alert; /* -1: none */
    bool alert_sent;
    const char *help;
};

enum probe_result {
    PROBE_NOT_REACHED,
    PROBE_UNCONFIRMED, /* a TLS 1.3 handshake that the server may still refuse */
    PROBE_PASSED,
    PROBE_FAILED,
    PROBE_SKIPPED,
};

struct probe_attempt {
    const struct probe_goal *goal;
    struct sw_endpoint remote, local;
    struct sw_dane dane;
    int64_t start_us;
    enum probe_result result[PROBE_PHASES];
    int64_t took_us[PROBE_PHASES];
    struct probe_message messages[PROBE_MESSAGES_MAX];
    unsigned message_count;
    bool agreed;    /* a ServerHello came */
    bool sealed[2]; /* until TLS 1.2: what is received, what is sent */
    bool certificate_wanted;
    bool heard;     /* application bytes came */
    bool confirmed; /* the server went on after our Finished */
    struct probe_cert chain[PROBE_CHAIN_MAX];
    size_t chain_count;
    char version[16], suite[64], group[32];
    const char *verdict; /* of the identity; NULL: not reached */
    char identity[256];  /* that counted, or the first that did not */
    struct probe_answer answer;
    struct probe_failure failure;
    /* called for each message as it passes; NULL: not wanted */
    void (*show)(const struct probe_attempt *a, const struct probe_message *m);
    void (*phase_done)(const struct probe_attempt *a, enum probe_phase p);
};

/** All phases with one address. True if they passed. */
bool probe_try(struct probe_attempt *a, struct sw_tls_worker *w);
void probe_attempt_clear(struct probe_attempt *a);

/** A handshake message passed: see struct sw_tls_seen; `user` is the attempt. */
void probe_seen(void *user, const struct sw_tls_seen *m);

/** Fills `a->failure` for names that have no address. */
void probe_dns_failed(struct probe_attempt *a);

/* ---- bytes: probe_link.c ---- */

enum { PROBE_READ_BYTES = 16 * 1024, PROBE_SIP_BYTES = 64 * 1024 };

struct probe_link {
    int fd;
    enum sw_transport transport;
    struct sw_tls_worker *worker;
    struct sw_tls *tls; /* NULL: plain */
    bool open;          /* its handshake is done */
    int64_t deadline_ms;
    size_t in_n; /* bytes of the last read */
    char in[PROBE_READ_BYTES];
};

/** Connects before the deadline; SW_OK, or why not. */
SW_MUST_USE enum sw_status probe_link_connect(struct probe_link *l, const struct sw_endpoint *to,
                                              const struct sw_endpoint *from);
SW_MUST_USE enum sw_status probe_link_handshake(struct probe_link *l);
SW_MUST_USE enum sw_status probe_link_send(struct probe_link *l, struct sw_slice bytes);

/** Reads some bytes: SW_PEER_TIMEOUT at the deadline, SW_PEER_CLOSED at the end. */
SW_MUST_USE enum sw_status probe_link_read(struct probe_link *l, char *p, size_t cap, size_t *n);

/** Closes in good order: close_notify, and waits a moment for the peer's. RFC 8446 6.1 */
void probe_link_close(struct probe_link *l);

/* ---- SIP: probe_sip.c ---- */

/** OPTIONS and its final answer. Statuses of the link; SW_PEER_SYNTAX: what came is not SIP. */
SW_MUST_USE enum sw_status probe_options(struct probe_attempt *a, struct probe_link *l);

/** Notes a message that is SIP. */
void probe_note_sip(struct probe_attempt *a, bool sent, struct sw_slice name, struct sw_slice text,
                    size_t bytes);

/* ---- text: probe_print.c, probe_json.c ---- */

/** Closes a text with NUL and makes what a terminal or JSON could mistake in it harmless. */
void probe_text_end(struct sw_buf *b);

/** Copies a text of ours or of the library, closed in the same way. */
void probe_text_copy(char *out, size_t cap, const char *s);

const char *probe_phase_name(enum probe_phase p);
const char *probe_result_name(enum probe_result r);

void probe_print_start(const struct probe_goal *g);
void probe_print_addresses(const struct probe_goal *g);
void probe_print_message(const struct probe_attempt *a, const struct probe_message *m);
void probe_print_phase(const struct probe_attempt *a, enum probe_phase p);
void probe_print_end(const struct probe_attempt *a);

void probe_json_start(const struct probe_goal *g);
void probe_json_attempt(const struct probe_attempt *a, bool first);
void probe_json_end(bool ok);

#endif
