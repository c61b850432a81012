/* Names of peers in questions: a typing error is not to look like a peer that is well. */
#include "base/buf.h"
#include "daemon/answers.h"

enum { WHY_BYTES = 512 };

void sw_answer_no_peer(struct sw_answer *a, const char *name)
{
    char why[WHY_BYTES] = {0};
    struct sw_buf b = sw_buf(why, sizeof(why) - 1);
    sw_buf_lit(&b, "no peer of the configuration that runs is named \"");
    sw_buf_str(&b, name);
    sw_buf_lit(&b, "\": `ctl peers` lists them");
    sw_answer_error(a, why);
}

bool sw_answer_is_nobody(const struct sw_daemon *d, const char *word, const char *arg)
{
    const struct sw_proxy_conf *c = &d->now->config.proxy;
    const bool connections = strcmp(word, "connections") == 0;
    if (!arg[0] || (!connections && strcmp(word, "peers") != 0))
        return false;
    for (uint32_t i = 0; i < c->peer_count; i++)
        if (sw_slice_eq(c->peers[i].name, sw_slice_str(arg)))
            return false;
    return !connections || (strcmp(arg, "nobody") != 0 && strcmp(arg, "verified") != 0);
}
