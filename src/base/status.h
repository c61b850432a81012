/* What a fallible function says: a class that callers react to, and a code that the log names. */
#ifndef SW_BASE_STATUS_H
#define SW_BASE_STATUS_H

enum sw_status_class {
    SW_CLASS_OK = 0,     /* done */
    SW_CLASS_AGAIN = 1,  /* not yet: more bytes, or a later answer */
    SW_CLASS_PEER = 2,   /* the peer's input is bad */
    SW_CLASS_DENIED = 3, /* policy says no */
    SW_CLASS_LIMIT = 4,  /* a named limit is reached */
    SW_CLASS_SYS = 5,    /* the operating system refused */
    SW_CLASS_CRYPTO = 6, /* TLS or certificate failure */
    SW_CLASS_BUG = 7,    /* a caller broke the contract */
};

/* The class stands in the upper byte, so that a new code needs no new list of cases. */
enum sw_status {
    SW_OK = 0x000,
    SW_AGAIN = 0x100,
    SW_PEER_SYNTAX = 0x200,     /* bytes that the grammar does not allow */
    SW_PEER_MISSING = 0x201,    /* a part that must be there is not */
    SW_PEER_CLOSED = 0x202,     /* the peer closed in good order */
    SW_PEER_RESET = 0x203,      /* the peer broke the connection */
    SW_PEER_TIMEOUT = 0x204,    /* the peer did not answer in time */
    SW_PEER_REFUSED = 0x205,    /* the peer refused the connection */
    SW_PEER_PROTOCOL = 0x206,   /* the peer speaks another protocol */
    SW_PEER_NO_NAME = 0x207,    /* the name does not exist in the DNS */
    SW_PEER_DNS = 0x208,        /* the name servers fail or are silent */
    SW_DENIED = 0x300,          /* policy */
    SW_DENIED_IDENTITY = 0x301, /* the certificate proves another name */
    SW_DENIED_SEAL = 0x302,     /* a sealed value does not hold */
    SW_DENIED_PURPOSE = 0x303,  /* the certificate is not made for this use */
    SW_DENIED_BOGUS = 0x304,    /* a DNS answer is not what its owner signed */
    SW_DENIED_UNSIGNED = 0x305, /* a DNS answer is not signed, and must be */
    SW_LIMIT = 0x400,           /* a named limit */
    SW_LIMIT_MEMORY = 0x401,    /* the allocator gave nothing */
    SW_LIMIT_SIZE = 0x402,      /* larger than allowed */
    SW_LIMIT_PEER = 0x403,      /* a limit of one peer */
    SW_SYS = 0x500,             /* errno tells */
    SW_SYS_UNREACHABLE = 0x501, /* no route to the address */
    SW_SYS_AWAY = 0x502,        /* our own address is not on this machine */
    SW_CRYPTO = 0x600,          /* the TLS library tells */
    SW_CRYPTO_VERIFY = 0x601,   /* the certificate chain was refused */
    SW_CRYPTO_ALERT = 0x602,    /* the peer sent a fatal alert */
    SW_CRYPTO_NO_CERT = 0x603,  /* a certificate was required and none came */
    SW_BUG = 0x700,
};

#define SW_MUST_USE __attribute__((warn_unused_result))

/** The class of a status: what a caller reacts to. */
static inline enum sw_status_class sw_status_class(enum sw_status s)
{
    return (enum sw_status_class)(s >> 8);
}

/** The stable word for a status as logs and scripts see it, such as "peer_closed". Static memory.
 */
const char *sw_status_name(enum sw_status s);

#endif
