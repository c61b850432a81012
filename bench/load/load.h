/* The load generator: caller and callee around a gateway, in one process and one thread. */
#ifndef LOAD_H
#define LOAD_H

#include <netinet/in.h>
#include <openssl/ssl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum load_transport { LOAD_UDP, LOAD_TCP, LOAD_TLS };

/* What the command line asks for. */
struct load_options {
    const char *mode;   /* options, calls, handshake, idle */
    const char *domain; /* of the Request-URI and of SNI */
    const char *cert, *key, *ca;
    enum load_transport caller, callee;
    int gateway_port; /* where the caller sends to */
    int callee_port;  /* where the callee listens */
    int conns;        /* connections of the caller */
    int window;       /* units at once */
    long count;       /* units, 0: until the time is over */
    double seconds;   /* at most */
    double rate;      /* units started per second, 0: as the window allows */
    int watch;        /* process of the gateway, 0: none */
    int every;        /* seconds between lines on memory, 0: none */
    bool resume;      /* handshakes: each takes up the session of an earlier one */
    bool bare;        /* the caller shows no certificate */
};

struct load_conn; /* a connection, or a datagram socket */

/* net.c */

typedef void load_on_message(struct load_conn *c, char *msg, size_t head, size_t len);

/** Sets up contexts and the event loop; ends the process with a message if it cannot. */
void load_net_start(const struct load_options *o, load_on_message *on_message);
/** A connection to the gateway, under way. */
struct load_conn *load_connect(void);
/** The callee's socket, or its listener. */
void load_listen(void);
/** Queues one message. */
void load_send(struct load_conn *c, const char *bytes, size_t n);
/** Sends what is queued and serves what is ready, for at most `ms`. */
void load_turn(int ms);
int load_local_port(const struct load_conn *c);
/** Closes with close_notify. */
void load_close(struct load_conn *c);

/* What has become of connections so far. */
struct load_net_count {
    long up, failed, lost, resumed;
};
extern struct load_net_count load_net;
/** Called when a connection to the gateway is up; NULL: nothing is. */
extern void (*load_on_up)(struct load_conn *c, double ms);
/** With `resume`: called when a connection to the gateway has been given a session. */
extern void (*load_on_session)(struct load_conn *c);

/* call.c */

struct load_count {
    long started, done, failed;
};
extern struct load_count load_units;

/** Units over these connections. */
void load_units_start(const struct load_options *o, struct load_conn **conns);
/** Starts a unit; false if the window is full. */
bool load_unit_begin(void);
/** Takes what comes; to be given to load_net_start. */
void load_unit_message(struct load_conn *c, char *msg, size_t head, size_t len);

/* watch.c */

/** CPU time of a process and its threads, seconds. */
double load_cpu_s(int pid);
/** Its memory (PSS), kB. */
double load_pss_kb(int pid);
double load_now_s(void);
/** Times of units, for percentiles. */
void load_time_add(double ms);
double load_time_percentile(double p);

#endif
