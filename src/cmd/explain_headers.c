/* Headers that the request of `sipward explain` has beside its own, by --header. */
#include "cmd/explain.h"
#include "sip/lex.h"
#include "sip/tables.h"

static struct sw_slice name_of(const char *line)
{
    struct sw_slice s = sw_slice_str(line);
    return sw_slice_trim(sw_slice(s.p, sw_slice_find(s, ':')));
}

bool sw_explain_is_utf8(const char *text)
{
    json_t *x = json_string(text);
    json_decref(x);
    return x != NULL;
}

const char *sw_explain_header_wrong(const char *line)
{
    struct sw_slice name = name_of(line);
    struct sw_lex l = sw_lex(name);
    if (!strchr(line, ':') || !sw_lex_run(&l, SW_CH_TOKEN).n || !sw_lex_end(&l))
        return "--header is NAME: VALUE";
    for (const char *p = line; *p; p++)
        if (((unsigned char)*p < ' ' && *p != '\t') || (unsigned char)*p == 127)
            return "--header has a line end or another control character: one header each";
    if (!sw_explain_is_utf8(line))
        return "--header is no UTF-8";
    switch (sw_hdr_find(name)) {
    case SW_HDR_CALL_ID:
    case SW_HDR_CSEQ:
    case SW_HDR_CONTENT_LENGTH:
        return "--header cannot be Call-ID, CSeq or Content-Length";
    default:
        return NULL;
    }
}

bool sw_explain_has_header(const struct sw_explain *x, enum sw_hdr_id id)
{
    for (uint32_t i = 0; i < x->header_count; i++)
        if (sw_hdr_find(name_of(x->headers[i])) == id)
            return true;
    return false;
}
