#include "txn/txn.h"

struct sw_txn_out sw_txn_event(struct sw_txn *t, enum sw_txn_event event)
{
    switch ((enum sw_txn_kind)t->kind) {
    case SW_ICT:
        return sw_ict_event(t, event);
    case SW_NICT:
        return sw_nict_event(t, event);
    case SW_IST:
        return sw_ist_event(t, event);
    case SW_NIST:
        return sw_nist_event(t, event);
    }
    return sw_txn_do(0);
}

const char *sw_txn_state_name(enum sw_txn_state s)
{
    static const char *const names[] = {"calling",   "trying",   "proceeding", "completed",
                                        "confirmed", "accepted", "terminated"};
    return s <= SW_TXN_TERMINATED ? names[s] : "unknown";
}
