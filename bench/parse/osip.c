#include "bench/parse/library.h"

#include <osipparser2/osip_parser.h>
#include <stdlib.h>

static osip_message_t *message;

static const char *value(osip_generic_param_t *x)
{
    return x ? x->gvalue : NULL;
}

static const char *host(const osip_uri_t *u)
{
    return u ? u->host : NULL;
}

static bool parse(const char *p, size_t n, struct parse_found *out)
{
    osip_via_t *via = NULL;
    osip_generic_param_t *branch = NULL, *from = NULL, *to = NULL;
    osip_route_t *route = NULL;
    osip_contact_t *contact = NULL;
    if (osip_message_init(&message) != 0)
        return false;
    if (osip_message_parse(message, p, n) != 0 || !message->from || !message->to ||
        !message->call_id || !message->cseq || osip_message_get_via(message, 0, &via) < 0)
        return false;
    osip_via_param_get_byname(via, (char *)"branch", &branch);
    osip_from_get_tag(message->from, &from);
    osip_to_get_tag(message->to, &to);
    osip_message_get_route(message, 0, &route);
    osip_message_get_contact(message, 0, &contact);
    out->uri_host = parse_cstring(host(message->req_uri));
    out->branch = parse_cstring(value(branch));
    out->from_tag = parse_cstring(value(from));
    out->to_tag = parse_cstring(value(to));
    out->call_id = parse_cstring(message->call_id->number);
    out->cseq = (uint32_t)strtoul(message->cseq->number, NULL, 10);
    out->route_host = parse_cstring(route ? host(route->url) : NULL);
    out->contact_host = parse_cstring(contact ? host(contact->url) : NULL);
    return true;
}

static void done(void)
{
    osip_message_free(message);
    message = NULL;
}

static void init(void)
{
    parser_init();
}

const struct parse_library parse_osip = {"osip", parse, done, init};
