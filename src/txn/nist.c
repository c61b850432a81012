/* The non-INVITE server transaction: RFC 3261 17.2.2, figure 8, with RFC 4320 4.1. */
#include "txn/txn.h"

static struct sw_txn_out completed(struct sw_txn *t)
{
    /* Timer J is zero on reliable transports. */
    if (t->reliable)
        return sw_txn_end(t, SW_DO_SEND);
    t->state = SW_TXN_COMPLETED;
    return (struct sw_txn_out){SW_DO_SEND, 0, SW_T_LIFE_MS};
}

static struct sw_txn_out trying(struct sw_txn *t, enum sw_txn_event event)
{
    switch (event) {
    case SW_TXN_START:
        return (struct sw_txn_out){SW_DO_PASS, SW_T_TRYING_MS, -1};
    case SW_TXN_RETRY: /* a 100 is due if nothing was answered by now: RFC 4320 4.1 */
        return sw_txn_do(SW_DO_TRYING);
    case SW_TXN_1XX:
        t->state = SW_TXN_PROCEEDING;
        return (struct sw_txn_out){SW_DO_SEND, 0, -1};
    case SW_TXN_2XX:
    case SW_TXN_3TO6XX:
        return completed(t);
    case SW_TXN_ERROR:
        return sw_txn_end(t, SW_DO_FAIL);
    case SW_TXN_REQUEST: /* nothing to repeat yet: discarded */
    case SW_TXN_ACK:
    case SW_TXN_LIFE:
        break;
    }
    return sw_txn_do(0);
}

static struct sw_txn_out proceeding(struct sw_txn *t, enum sw_txn_event event)
{
    switch (event) {
    case SW_TXN_REQUEST:
    case SW_TXN_1XX:
        return sw_txn_do(SW_DO_SEND);
    case SW_TXN_2XX:
    case SW_TXN_3TO6XX:
        return completed(t);
    case SW_TXN_ERROR:
        return sw_txn_end(t, SW_DO_FAIL);
    case SW_TXN_START:
    case SW_TXN_ACK:
    case SW_TXN_RETRY:
    case SW_TXN_LIFE:
        break;
    }
    return sw_txn_do(0);
}

struct sw_txn_out sw_nist_event(struct sw_txn *t, enum sw_txn_event event)
{
    switch ((enum sw_txn_state)t->state) {
    case SW_TXN_TRYING:
        return trying(t, event);
    case SW_TXN_PROCEEDING:
        return proceeding(t, event);
    case SW_TXN_COMPLETED:
        if (event == SW_TXN_REQUEST)
            return sw_txn_do(SW_DO_SEND);
        if (event == SW_TXN_LIFE) /* Timer J */
            return sw_txn_end(t, 0);
        return event == SW_TXN_ERROR ? sw_txn_end(t, SW_DO_FAIL) : sw_txn_do(0);
    case SW_TXN_CALLING:
    case SW_TXN_CONFIRMED:
    case SW_TXN_ACCEPTED:
    case SW_TXN_TERMINATED:
        break;
    }
    return sw_txn_do(0);
}
