/* What passes between us and a probed address: messages, and the certificates in them. */
#include "cmd/probe.h"

#include "sys/clock.h"
#include "tls/message.h"
#include <stdlib.h>

void probe_text_copy(char *out, size_t cap, const char *s)
{
    struct sw_buf b = sw_buf(out, cap - 1);
    sw_buf_put(&b, s, strnlen(s, cap - 1));
    probe_text_end(&b);
}

void probe_attempt_clear(struct probe_attempt *a)
{
    for (unsigned i = 0; i < a->message_count; i++)
        free(a->messages[i].lists);
    a->message_count = 0;
}

/* ---- what passed ---- */

/* The place for the next message; of endless ones the last is overwritten. */
static struct probe_message *next_message(struct probe_attempt *a)
{
    if (a->message_count == PROBE_MESSAGES_MAX) {
        a->message_count--;
        free(a->messages[a->message_count].lists);
    }
    struct probe_message *m = &a->messages[a->message_count++];
    *m = (struct probe_message){.us = sw_clock_us() - a->start_us};
    return m;
}

static void shown(struct probe_attempt *a, const struct probe_message *m)
{
    if (a->show)
        a->show(a, m);
}

void probe_note_sip(struct probe_attempt *a, bool sent, struct sw_slice name, struct sw_slice line,
                    size_t bytes)
{
    struct probe_message *m = next_message(a);
    struct sw_buf b = sw_buf(m->name, sizeof(m->name) - 1);
    sw_buf_put(&b, name.p, name.n < b.cap ? name.n : b.cap);
    probe_text_end(&b);
    b = sw_buf(m->carries, sizeof(m->carries) - 1);
    sw_buf_put(&b, line.p, line.n < b.cap ? line.n : b.cap);
    probe_text_end(&b);
    m->sent = sent;
    m->sip = true;
    m->bytes = bytes;
    m->encrypted = a->goal->transport == SW_TLS;
    shown(a, m);
}

static void keep_identities(struct probe_cert *c, const struct sw_cert *cert)
{
    struct sw_ident *ident = sw_ident_new(cert, NULL, 0);
    struct sw_buf names = sw_buf(c->names, sizeof(c->names) - 1);
    struct sw_buf ids = sw_buf(c->identities, sizeof(c->identities) - 1);
    struct sw_slice domain;
    sw_ident_put_names(ident, &names);
    for (uint32_t i = 0; ident && i < ident->name_count; i++) {
        if (!sw_domain_identity(ident, i, &domain) || domain.n + 1 > ids.cap - ids.n)
            continue;
        if (ids.n)
            sw_buf_char(&ids, ' ');
        sw_buf_slice(&ids, domain);
    }
    probe_text_end(&names);
    probe_text_end(&ids);
    sw_ident_free(ident);
}

static void keep_cert(struct probe_attempt *a, struct sw_slice der)
{
    struct probe_cert *c = &a->chain[a->chain_count];
    struct sw_certs one;
    char why[SW_WHY_MAX];
    if (sw_certs_parse(der, &one, why) != SW_OK)
        return;
    *c = (struct probe_cert){0};
    sw_cert_facts(one.c[0], &c->facts);
    probe_text_copy(c->facts.subject, sizeof(c->facts.subject), c->facts.subject);
    probe_text_copy(c->facts.issuer, sizeof(c->facts.issuer), c->facts.issuer);
    struct sw_buf b = sw_buf(c->purposes, sizeof(c->purposes) - 1);
    sw_cert_purposes_put(&b, one.c[0]);
    probe_text_end(&b);
    b = sw_buf(c->features, sizeof(c->features) - 1);
    sw_cert_features_put(&b, one.c[0]);
    probe_text_end(&b);
    keep_identities(c, one.c[0]);
    sw_certs_free(&one);
    a->chain_count++;
}

static void keep_chain(struct probe_attempt *a, const struct sw_tls_seen *m)
{
    struct sw_slice der[PROBE_CHAIN_MAX];
    size_t n = sw_tls_message_certificates(m->version, m->bytes, der, PROBE_CHAIN_MAX);
    a->chain_count = 0;
    for (size_t i = 0; i < n; i++)
        keep_cert(a, der[i]);
}

/* TLS 1.3 encrypts all after the ServerHello (RFC 8446 2), TLS 1.2 what follows a side's
 * ChangeCipherSpec, its Finished first (RFC 5246 7.1, 7.3): the library does not show each
 * ChangeCipherSpec. The version of a ServerHello itself is not known yet. */
static bool is_encrypted(struct probe_attempt *a, const struct sw_tls_seen *m, const char *name)
{
    bool modern = m->version >= SW_TLS_1_3;
    if (m->content_type == SW_TLS_CCS)
        return false;
    if (!modern && strcmp(name, "Finished") == 0)
        a->sealed[m->sent] = true;
    bool yes = a->agreed && (modern || a->sealed[m->sent]);
    a->agreed |= strcmp(name, "ServerHello") == 0;
    return yes;
}

void probe_seen(void *user, const struct sw_tls_seen *seen)
{
    enum { LISTS_BYTES = 8192 };
    struct probe_attempt *a = user;
    const char *name = sw_tls_message_name(seen->content_type, seen->bytes);
    struct probe_message *m = next_message(a);
    struct sw_buf b = sw_buf(m->carries, sizeof(m->carries) - 1);
    m->sent = seen->sent;
    m->bytes = seen->bytes.n;
    m->encrypted = is_encrypted(a, seen, name);
    sw_tls_message_describe(&b, seen->content_type, seen->version, seen->bytes);
    probe_text_end(&b);
    bool closes = seen->content_type == SW_TLS_ALERT && strcmp(m->carries, "close_notify") == 0;
    probe_text_copy(m->name, sizeof(m->name), closes ? m->carries : name);
    if (closes)
        m->carries[0] = 0;
    m->lists = calloc(1, LISTS_BYTES);
    if (m->lists) {
        struct sw_buf lists = sw_buf(m->lists, LISTS_BYTES - 8);
        sw_tls_message_lists(&lists, seen->content_type, seen->version, seen->bytes);
        if (lists.full)
            memcpy(m->lists + lists.n, "\n...\n", 6);
    }
    if (!seen->sent && strcmp(name, "Certificate") == 0)
        keep_chain(a, seen);
    a->certificate_wanted |= !seen->sent && strcmp(name, "CertificateRequest") == 0;
    a->confirmed |= !seen->sent && strcmp(name, "NewSessionTicket") == 0;
    shown(a, m);
}
