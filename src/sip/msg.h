/* A parsed SIP message: an index over its bytes. Positions are offsets, so that the index stays
 * good when the bytes are copied elsewhere. What a header's value means is read when it is asked
 * for. */
#ifndef SW_SIP_MSG_H
#define SW_SIP_MSG_H

#include "sip/addr.h"
#include "sip/tables.h"
#include "sip/via.h"

/* Header rows that a message may have at most, whatever the limit `headers` says: real ones have 10
 * to 40; more is an attack on memory. */
enum { SW_HDRS_MAX = 512 };

struct sw_hdr {
    uint32_t at;      /* of the name */
    uint32_t value;   /* of the value, white space trimmed */
    uint32_t value_n; /* its length; it may contain folded line ends */
    uint32_t end;     /* behind the line end */
    uint16_t name_n;
    uint16_t next; /* the next row with the same id, as index + 1; 0: none */
    uint8_t id;    /* enum sw_hdr_id */
};

struct sw_msg {
    const char *p;       /* the bytes, borrowed */
    struct sw_hdr *hdrs; /* the rows, borrowed */
    uint32_t n;          /* bytes in all */
    uint32_t hdr_count;
    uint32_t uri_at, uri_n;       /* of a request */
    uint32_t reason_at, reason_n; /* of a response */
    uint32_t method_n;            /* of a request; the method stands at offset 0 */
    uint32_t headers_at;          /* behind the start line */
    uint32_t blank_at;            /* of the empty line */
    uint32_t body_at;
    uint16_t status;              /* of a response; 0: this is a request */
    uint16_t first[SW_HDR_COUNT]; /* the first row of each id, as index + 1; 0: none */
    uint8_t method;               /* of a request, enum sw_method */
    struct sw_parse_error bad; /* .rule: the first part that the grammar does not allow; or NULL */
};

static inline bool sw_msg_is_request(const struct sw_msg *m)
{
    return m->status == 0;
}

static inline struct sw_slice sw_msg_method(const struct sw_msg *m)
{
    return sw_slice(m->p, m->method_n);
}

static inline struct sw_slice sw_msg_uri(const struct sw_msg *m)
{
    return sw_slice(m->p + m->uri_at, m->uri_n);
}

static inline struct sw_slice sw_msg_body(const struct sw_msg *m)
{
    return sw_slice(m->p + m->body_at, m->n - m->body_at);
}

static inline struct sw_slice sw_hdr_name(const struct sw_msg *m, const struct sw_hdr *h)
{
    return sw_slice(m->p + h->at, h->name_n);
}

static inline struct sw_slice sw_hdr_value(const struct sw_msg *m, const struct sw_hdr *h)
{
    return sw_slice(m->p + h->value, h->value_n);
}

/** The first row of this header, or NULL. */
static inline const struct sw_hdr *sw_msg_hdr(const struct sw_msg *m, enum sw_hdr_id id)
{
    return m->first[id] ? &m->hdrs[m->first[id] - 1] : NULL;
}

/** The next row with the same id, or NULL. */
static inline const struct sw_hdr *sw_hdr_next(const struct sw_msg *m, const struct sw_hdr *h)
{
    return h->next ? &m->hdrs[h->next - 1] : NULL;
}

/** The value of the first row of this header; .p is NULL if it is not there. */
static inline struct sw_slice sw_msg_value(const struct sw_msg *m, enum sw_hdr_id id)
{
    const struct sw_hdr *h = sw_msg_hdr(m, id);
    return h ? sw_hdr_value(m, h) : (struct sw_slice){NULL, 0};
}

/* Walks the values of a listed header over all its rows. */
struct sw_values {
    const struct sw_msg *msg;
    const struct sw_hdr *hdr; /* the row of the value found last; NULL before the first */
    struct sw_lex lex;
    const struct sw_hdr *next_hdr;
};

/** A walk over the values of `id`, from the first. */
struct sw_values sw_values(const struct sw_msg *m, enum sw_hdr_id id);

/**
 * The next address (Route, Record-Route, Contact). SW_AGAIN: no more; SW_PEER_SYNTAX: it is none,
 * or a row is empty or ends with a comma. RFC 3261 20.34, 25.1
 */
SW_MUST_USE enum sw_status sw_values_addr(struct sw_values *v, struct sw_addr *out);

/** The next Via; empty rows are passed over. SW_AGAIN: no more; SW_PEER_SYNTAX. */
SW_MUST_USE enum sw_status sw_values_via(struct sw_values *v, struct sw_via *out);

/**
 * The next token (Proxy-Require, Supported, ...). SW_AGAIN: no more; SW_PEER_SYNTAX: it is none, or
 * a row is empty (Supported may be) or ends with a comma. RFC 3261 20.29, 20.37, 25.1
 */
SW_MUST_USE enum sw_status sw_values_token(struct sw_values *v, struct sw_slice *out);

/**
 * Indexes a message: start line, header rows, body, in one pass. `p` and `hdrs` (of `cap` rows) are
 * borrowed. The body is all that follows the empty line; whether Content-Length agrees is for
 * sip/check.h. A request with a broken line is indexed all the same, so that it can be answered,
 * and says so in `out->bad`. SW_PEER_SYNTAX: neither request nor response, or a broken response,
 * with `out->bad`; SW_LIMIT: more than `cap` rows. RFC 3261 7
 */
SW_MUST_USE enum sw_status sw_msg_parse(const char *p, size_t n, struct sw_hdr *hdrs, size_t cap,
                                        struct sw_msg *out);

#endif
