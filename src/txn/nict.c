/* The non-INVITE client transaction: RFC 3261 17.1.2, figure 6. */
#include "txn/txn.h"

static struct sw_txn_out completed(struct sw_txn *t)
{
    /* Timer K is zero on reliable transports. */
    if (t->reliable)
        return sw_txn_end(t, SW_DO_PASS);
    t->state = SW_TXN_COMPLETED;
    return (struct sw_txn_out){SW_DO_PASS, 0, SW_T4_MS};
}

static struct sw_txn_out retry(struct sw_txn *t)
{
    /* Timer E: MIN(2*T1, T2) and so on while Trying, T2 while Proceeding */
    uint32_t next = t->state == SW_TXN_PROCEEDING ? SW_T2_MS : (uint32_t)t->interval_ms * 2;
    t->interval_ms = (uint16_t)(next > SW_T2_MS ? SW_T2_MS : next);
    return (struct sw_txn_out){SW_DO_SEND, t->interval_ms, -1};
}

static struct sw_txn_out waiting(struct sw_txn *t, enum sw_txn_event event)
{
    switch (event) {
    case SW_TXN_START:
        if (t->state == SW_TXN_PROCEEDING)
            break;
        t->interval_ms = SW_T1_MS;
        return (struct sw_txn_out){SW_DO_SEND, t->reliable ? 0 : SW_T1_MS, SW_T_LIFE_MS};
    case SW_TXN_RETRY:
        return retry(t);
    case SW_TXN_LIFE: /* Timer F */
        return sw_txn_end(t, SW_DO_TIMEOUT);
    case SW_TXN_1XX:
        t->state = SW_TXN_PROCEEDING;
        return sw_txn_do(SW_DO_PASS);
    case SW_TXN_2XX:
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

struct sw_txn_out sw_nict_event(struct sw_txn *t, enum sw_txn_event event)
{
    switch ((enum sw_txn_state)t->state) {
    case SW_TXN_TRYING:
    case SW_TXN_PROCEEDING:
        return waiting(t, event);
    case SW_TXN_COMPLETED: /* repeats of the response are absorbed until Timer K */
        return event == SW_TXN_LIFE ? sw_txn_end(t, 0) : sw_txn_do(0);
    case SW_TXN_CALLING:
    case SW_TXN_CONFIRMED:
    case SW_TXN_ACCEPTED:
    case SW_TXN_TERMINATED:
        break;
    }
    return sw_txn_do(0);
}
