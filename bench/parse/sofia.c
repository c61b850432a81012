#include "bench/parse/library.h"

#include <sofia-sip/msg.h>
#include <sofia-sip/msg_addr.h>
#include <sofia-sip/sip.h>
#include <sofia-sip/sip_header.h>
#include <sofia-sip/sip_parser.h>
#include <sofia-sip/sip_util.h>

static msg_t *message;

static bool is_sip(const url_t *u)
{
    return u->url_type == url_sip || u->url_type == url_sips;
}

static bool parse(const char *p, size_t n, struct parse_found *out)
{
    message = msg_make(sip_default_mclass(), 0, p, (ssize_t)n);
    sip_t *sip = sip_object(message);
    if (!sip || sip->sip_error || sip_sanity_check(sip) < 0)
        return false;
    if (sip->sip_request && is_sip(sip->sip_request->rq_url))
        out->uri_host = parse_cstring(sip->sip_request->rq_url->url_host);
    out->branch = parse_cstring(sip->sip_via->v_branch);
    out->from_tag = parse_cstring(sip->sip_from->a_tag);
    out->to_tag = parse_cstring(sip->sip_to->a_tag);
    out->call_id = parse_cstring(sip->sip_call_id->i_id);
    out->cseq = sip->sip_cseq->cs_seq;
    if (sip->sip_route)
        out->route_host = parse_cstring(sip->sip_route->r_url->url_host);
    if (sip->sip_contact)
        out->contact_host = parse_cstring(sip->sip_contact->m_url->url_host);
    return true;
}

static void done(void)
{
    msg_destroy(message);
    message = NULL;
}

static void nothing(void)
{
}

const struct parse_library parse_sofia = {"sofia", parse, done, nothing};
