/* What `reverse: alias` needs: TLS, a certificate of ours, and on both ways the same names in it;
 * and whether domains of ours share connections. */
#include "daemon/config.h"

void sw_config_reuse(struct sw_config_build *b, const struct sw_peer_directive *d,
                     const struct sw_peer_conf *p, const struct sw_conn_peer *cp)
{
    const struct sw_config *c = b->c;
    const struct sw_tls_identity *shown =
        p->listener < c->proxy.listener_count ? c->conn_listeners[p->listener].tls.identity : NULL;
    const struct sw_tls_identity *ours = cp->tls.identity;
    if (p->shares_domains && !p->tls)
        sw_diag_warning(b->diags, d->local_domains.mark,
                        "local_domains: has no effect on a peer without TLS: its connections are "
                        "for all `domains`");
    else if (p->shares_domains && c->d.domains.count > 1)
        sw_diag_warning(b->diags, d->local_domains.mark,
                        "local_domains: shared: a connection that was opened for one of `domains` "
                        "carries requests of the others, which RFC 5923 9.3 forbids");
    else if (p->tls && d->limits.connections.v > 0 &&
             (uint64_t)d->limits.connections.v < c->d.domains.count)
        sw_diag_warning(
            b->diags, d->limits.connections.mark,
            "limits.connections: %lld on peer \"%s\" is less than the %zu `domains`, each "
            "of which has TLS connections of its own (RFC 5923 9.3): requests of those "
            "that come later are refused (raise it, or local_domains: shared)",
            (long long)d->limits.connections.v, d->name.s.p, c->d.domains.count);
    if (p->reverse != SW_REVERSE_ALIAS)
        return;
    if (!p->tls) {
        sw_diag_note(b->diags, d->reverse.mark,
                     "reverse: alias: only TLS connections are reused (RFC 5923 9.3)");
    } else if (!ours) {
        sw_diag_note(b->diags, d->reverse.mark,
                     "reverse: alias: no certificate is shown to the peer, so no connection is "
                     "reused (RFC 5923 9.1; give it an identity)");
    } else if (p->listener < c->proxy.listener_count &&
               c->conn_listeners[p->listener].tls.client_cert == SW_CERT_NONE) {
        sw_diag_note(b->diags, d->reverse.mark,
                     "reverse: alias: listener \"%s\" asks for no client certificate, so no "
                     "connection that the peer opens to it is reused (RFC 5923 9.2; "
                     "client_certificate: request)",
                     c->conn_listeners[p->listener].name);
    } else if (shown && shown->local_id != ours->local_id) {
        sw_diag_note(
            b->diags, d->reverse.mark,
            "reverse: alias: identity \"%s\" and that of listener \"%s\" have other names: "
            "connections that the peer opens are reused only if it is shown the same names",
            ours->name, c->conn_listeners[p->listener].name);
    }
}
