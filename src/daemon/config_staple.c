/* What is said of an identity whose certificate promises stapled answers: RFC 7633 4.3.2. */
#include "crypto/feature.h"
#include "crypto/revoke.h"
#include "daemon/config.h"

/* Why no answer can be sent with a certificate, and what would help; NULL: one can. */
static const char *why_none(const struct sw_tls_identity *id, bool staples, const char **help)
{
    *help = "another certificate: its CA should not have issued this one";
    if (!sw_cert_has_responder(id->chain.c[0]))
        return "it names no OCSP responder";
    *help = "add the issuer to its file";
    if (id->chain.count == 1)
        return "its file lacks its issuer";
    *help = "staple: true";
    return staples ? NULL : "staple of the identity is false";
}

void sw_config_check_staple(struct sw_config_build *b, struct sw_mark mark,
                            const struct sw_tls_identity *id, bool staples)
{
    const char *help, *why;
    if (!sw_certs_must_staple(&id->chain) || !(why = why_none(id, staples, &help)))
        return;
    sw_diag_warning(b->diags, mark,
                    "certificate of \"%s\": it promises a stapled OCSP answer (TLS Feature "
                    "status_request, RFC 7633), and none can be sent, for %s: clients that ask for "
                    "one refuse it (%s)",
                    id->name ? id->name : "", why, help);
}
