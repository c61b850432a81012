/* The INVITE server transaction: RFC 3261 17.2.1 with RFC 6026 7.1 and 8.5. */
#include "txn/txn.h"

static struct sw_txn_out proceeding(struct sw_txn *t, enum sw_txn_event event)
{
    switch (event) {
    case SW_TXN_START:
        return sw_txn_do(SW_DO_PASS);
    case SW_TXN_REQUEST: /* the most recent provisional response again */
    case SW_TXN_1XX:
        return sw_txn_do(SW_DO_SEND);
    case SW_TXN_2XX:
        t->state = SW_TXN_ACCEPTED;
        return (struct sw_txn_out){SW_DO_SEND, 0, SW_T_LIFE_MS}; /* Timer L */
    case SW_TXN_3TO6XX:                                          /* Timers G and H */
        t->state = SW_TXN_COMPLETED;
        t->interval_ms = SW_T1_MS;
        return (struct sw_txn_out){SW_DO_SEND, t->reliable ? 0 : SW_T1_MS, SW_T_LIFE_MS};
    case SW_TXN_ERROR: /* state is kept, so that repeats stay absorbed: RFC 6026 7.1 */
        return sw_txn_do(SW_DO_FAIL);
    case SW_TXN_ACK:
    case SW_TXN_RETRY:
    case SW_TXN_LIFE:
        break;
    }
    return sw_txn_do(0);
}

static struct sw_txn_out completed(struct sw_txn *t, enum sw_txn_event event)
{
    switch (event) {
    case SW_TXN_REQUEST:
        return sw_txn_do(SW_DO_SEND);
    case SW_TXN_RETRY: /* Timer G: MIN(2*T1, T2) and so on */
        t->interval_ms = (uint16_t)(t->interval_ms * 2 > SW_T2_MS ? SW_T2_MS : t->interval_ms * 2);
        return (struct sw_txn_out){SW_DO_SEND, t->interval_ms, -1};
    case SW_TXN_LIFE: /* Timer H: the ACK never came */
        return sw_txn_end(t, SW_DO_TIMEOUT);
    case SW_TXN_ACK: /* Timer I is zero on reliable transports */
        if (t->reliable)
            return sw_txn_end(t, 0);
        t->state = SW_TXN_CONFIRMED;
        return (struct sw_txn_out){0, 0, SW_T4_MS};
    case SW_TXN_ERROR:
        return sw_txn_do(SW_DO_FAIL);
    case SW_TXN_START:
    case SW_TXN_1XX:
    case SW_TXN_2XX:
    case SW_TXN_3TO6XX:
        break;
    }
    return sw_txn_do(0);
}

static struct sw_txn_out accepted(struct sw_txn *t, enum sw_txn_event event)
{
    switch (event) {
    case SW_TXN_2XX: /* the user repeats it, or another branch answered */
        return sw_txn_do(SW_DO_SEND);
    case SW_TXN_ACK:
        return sw_txn_do(SW_DO_PASS);
    case SW_TXN_LIFE: /* Timer L */
        return sw_txn_end(t, 0);
    case SW_TXN_ERROR:
        return sw_txn_do(SW_DO_FAIL);
    case SW_TXN_START:
    case SW_TXN_1XX:
    case SW_TXN_3TO6XX:
    case SW_TXN_REQUEST: /* absorbed */
    case SW_TXN_RETRY:
        break;
    }
    return sw_txn_do(0);
}

struct sw_txn_out sw_ist_event(struct sw_txn *t, enum sw_txn_event event)
{
    switch ((enum sw_txn_state)t->state) {
    case SW_TXN_PROCEEDING:
        return proceeding(t, event);
    case SW_TXN_COMPLETED:
        return completed(t, event);
    case SW_TXN_ACCEPTED:
        return accepted(t, event);
    case SW_TXN_CONFIRMED: /* repeats of INVITE and ACK are absorbed until Timer I */
        return event == SW_TXN_LIFE ? sw_txn_end(t, 0) : sw_txn_do(0);
    case SW_TXN_CALLING:
    case SW_TXN_TRYING:
    case SW_TXN_TERMINATED:
        break;
    }
    return sw_txn_do(0);
}
