/* The INVITE client transaction: RFC 3261 17.1.1 with RFC 6026 7.2 and 8.4. */
#include "txn/txn.h"

static struct sw_txn_out completed(struct sw_txn *t)
{
    /* Timer D is zero on reliable transports: the state is left as it is entered. */
    if (t->reliable)
        return sw_txn_end(t, SW_DO_PASS | SW_DO_ACK);
    t->state = SW_TXN_COMPLETED;
    return (struct sw_txn_out){SW_DO_PASS | SW_DO_ACK, 0, SW_T_D_MS};
}

static struct sw_txn_out accepted(struct sw_txn *t)
{
    t->state = SW_TXN_ACCEPTED;
    return (struct sw_txn_out){SW_DO_PASS, 0, SW_T_LIFE_MS}; /* Timer M */
}

static struct sw_txn_out calling(struct sw_txn *t, enum sw_txn_event event)
{
    switch (event) {
    case SW_TXN_START:
        t->interval_ms = SW_T1_MS;
        return (struct sw_txn_out){SW_DO_SEND, t->reliable ? 0 : SW_T1_MS, SW_T_LIFE_MS};
    case SW_TXN_RETRY: /* Timer A doubles each time */
        t->interval_ms = (uint16_t)(t->interval_ms < 32000 ? t->interval_ms * 2 : 32000);
        return (struct sw_txn_out){SW_DO_SEND, t->interval_ms, -1};
    case SW_TXN_LIFE: /* Timer B */
        return sw_txn_end(t, SW_DO_TIMEOUT);
    case SW_TXN_1XX: /* neither A nor B matters any more; the proxy's Timer C goes on */
        t->state = SW_TXN_PROCEEDING;
        return (struct sw_txn_out){SW_DO_PASS, 0, 0};
    case SW_TXN_2XX:
        return accepted(t);
    case SW_TXN_3TO6XX:
        return completed(t);
    case SW_TXN_ERROR:
        return sw_txn_end(t, SW_DO_FAIL);
    case SW_TXN_REQUEST:
    case SW_TXN_ACK:
        break;
    }
    return sw_txn_do(0);
}

static struct sw_txn_out proceeding(struct sw_txn *t, enum sw_txn_event event)
{
    switch (event) {
    case SW_TXN_1XX:
        return sw_txn_do(SW_DO_PASS);
    case SW_TXN_2XX:
        return accepted(t);
    case SW_TXN_3TO6XX:
        return completed(t);
    case SW_TXN_ERROR: /* the connection closed: RFC 3261 8.1.3.1, 18.4 */
        return sw_txn_end(t, SW_DO_FAIL);
    case SW_TXN_LIFE: /* cancelled, and no answer came: RFC 3261 9.1 */
        return sw_txn_end(t, SW_DO_TIMEOUT);
    case SW_TXN_START:
    case SW_TXN_RETRY:
    case SW_TXN_REQUEST:
    case SW_TXN_ACK:
        break;
    }
    return sw_txn_do(0);
}

struct sw_txn_out sw_ict_event(struct sw_txn *t, enum sw_txn_event event)
{
    switch ((enum sw_txn_state)t->state) {
    case SW_TXN_CALLING:
        return calling(t, event);
    case SW_TXN_PROCEEDING:
        return proceeding(t, event);
    case SW_TXN_COMPLETED:
        if (event == SW_TXN_3TO6XX)
            return sw_txn_do(SW_DO_ACK);
        if (event == SW_TXN_LIFE) /* Timer D */
            return sw_txn_end(t, 0);
        return event == SW_TXN_ERROR ? sw_txn_end(t, SW_DO_FAIL) : sw_txn_do(0);
    case SW_TXN_ACCEPTED:
        if (event == SW_TXN_2XX)
            return sw_txn_do(SW_DO_PASS);
        return event == SW_TXN_LIFE ? sw_txn_end(t, 0) : sw_txn_do(0); /* Timer M */
    case SW_TXN_TRYING:
    case SW_TXN_CONFIRMED:
    case SW_TXN_TERMINATED:
        break;
    }
    return sw_txn_do(0);
}
