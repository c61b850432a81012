/* What a gateway is busy with, for those who ask. */
#ifndef SW_GATEWAY_LIST_H
#define SW_GATEWAY_LIST_H

#include "gateway/pipeline.h"

/** Names server transactions, or calls, from a slot on as ROW actions, at most SW_LIST_MAX of them.
 */
void sw_gateway_list(struct sw_gateway *g, enum sw_list_what what, uint32_t from);

enum { SW_LIST_MAX = 100 };

#endif
