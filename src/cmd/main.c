#include "cmd/cmd.h"

#include "crypto/mem.h"
#include <stdio.h>
#include <string.h>

static const struct sw_cmd commands[] = {
    {"run", "-c FILE", "run the gateway in the foreground",
     "The log goes to standard error. event=ready tells that every listener is up.\n"
     "\n"
     "  -c FILE   the configuration\n"
     "\n"
     "SIGHUP            reload: loads beside what runs, proves it, then takes it up, or says why "
     "not\n"
     "SIGTERM, SIGINT   no new connections; transactions without final response get\n"
     "                  limits.drain, then every connection gets close_notify\n"
     "\n"
     "Exit: 0 stopped in good order; 1 it could not serve, or broke; 2 the arguments or the\n"
     "configuration are wrong (each mistake as FILE:LINE:COLUMN: what (what would be right)).\n",
     sw_cmd_run, false},
    {"check", "-c FILE [--strict] [--json]", "read a configuration and say what is wrong or weak",
     "Reads the configuration and every file that it names, and starts nothing. Each identity\n"
     "shakes hands with itself. Warnings tell what breaks next: certificates, CAs and lists that\n"
     "end within 30 days, purposes that lack, intermediates that are missing, a clock that is not\n"
     "synchronised, keys that others may read, names that do not match `domains`.\n"
     "\n"
     "  -c FILE    the configuration\n"
     "  --strict   exit 1 if there are warnings\n"
     "  --json     the findings as a JSON array, on standard output\n"
     "\n"
     "Exit: 0 it can run; 1 it can, but weakly, with --strict; 2 it cannot.\n",
     sw_cmd_check, false},
    {"ctl", "[-s SOCKET] [--json] QUESTION [PEER]", "ask the running gateway",
     "  status         what it is, since when, how much it has to do\n"
     "  peers          each peer, and whether it is up\n"
     "  connections    each connection: whose, what it proved, version and suite, traffic\n"
     "  transactions   each request that is being answered, or whose repeats are absorbed\n"
     "  calls          the last answered calls: how each hop was secured, as far as can be seen\n"
     "  certificates   what it shows and believes, with names, dates, days left, fingerprint, "
     "users\n"
     "  revocation     what was fetched or stapled: OCSP answers and lists, until when, what "
     "failed\n"
     "  registrations  not in this version\n"
     "  avoided        places that failed lately: until when others are tried before them\n"
     "  failures       connections that failed or were refused, and why\n"
     "  reload         takes up a changed configuration and changed files, or says why not\n"
     "  drain          stops in good order, as SIGTERM does\n"
     "\n"
     "  -s SOCKET   the gateway's admin.socket; without it ./sipward.sock, then\n"
     "              /run/sipward/sipward.sock\n"
     "  --json      the answer as it came: one JSON object, whose member QUESTION has the rows\n"
     "  PEER        with `peers`, `connections` and `failures`: this one alone;\n"
     "              with `avoided`: this peer's, or a domain's\n"
     "\n"
     "Exit: 0 answered; 1 no gateway answers, it refused, or has no such peer; 2 the arguments are "
     "wrong.\n",
     sw_cmd_ctl, false},
    {"probe", "[URI] [OPTION ...]", "connect to a peer and tell the handshake, message by message",
     "Connects as a client: TCP, TLS handshake, identity (RFC 5922); then OPTIONS and its answer,\n"
     "then close_notify. URI is a sip: or sips: URI, HOST or HOST:PORT; TLS unless it says\n"
     "transport=tcp or transport=udp. Names are looked up as RFC 3263 says, and told.\n"
     "\n"
     "  --cert FILE --key FILE  the certificate to show, PEM, leaf first (none without)\n"
     "  --ca FILE               the CAs to believe (the system's store without)\n"
     "  --domain NAME           the name it must prove, also sent as server name (the URI's host)\n"
     "  --via HOST[:PORT]       where to connect, whatever the URI says\n"
     "  --policy NAME           modern, standard (without) or legacy\n"
     "  -c FILE --peer NAME     all this, and the URI, as a peer of a configuration has it\n"
     "  --timeout S             seconds for each of the phases and for OPTIONS (5)\n"
     "  --json                  one JSON object instead of text\n"
     "\n"
     "Exit: 0 all phases passed and OPTIONS was answered; 1 a phase failed, which is named; 2 the\n"
     "arguments, or a file that they name, are wrong.\n",
     sw_cmd_probe, false},
    {"explain", "-c FILE URI [--from SOURCE] [--method M] [--header H ...] [--json]",
     "say where a request would go, and why, without sending anything",
     "Lets the gateway's own code decide on a request for URI, and sends nothing: who the sender\n"
     "is, which route takes it, and for each place in turn its transport, address, listener, the\n"
     "certificate shown, the identity expected, trust, policy, the connection that is reused, its\n"
     "order and weight in the route, and the peer's limits, hide_inside, reverse and\n"
     "asserted_identity; or what it is refused with, and why.\n"
     "\n"
     "  -c FILE         the configuration\n"
     "  --from SOURCE   a peer's name; an address, which is looked up as that of a sender without\n"
     "                  certificate; verified: a proved domain that is no peer's; nobody. Without\n"
     "                  it: the first peer whose request goes somewhere\n"
     "  --method M      INVITE without\n"
     "  --header H      NAME: VALUE, a header that it has beside those that it must have, or in\n"
     "                  place of its Max-Forwards, From, To or Contact; 32 times at most\n"
     "  --json          one JSON object; `request` is what would leave\n"
     "\n"
     "A gateway that runs with this configuration is asked, at its admin.socket, for its\n"
     "connections, the peers that are down, and the places that it avoids just now.\n"
     "\n"
     "Exit: 0 it goes somewhere, or is answered with 2xx; 1 it is refused or dropped; 2 the\n"
     "arguments or the configuration are wrong.\n",
     sw_cmd_explain, false},
    {"pki", "init|issue|revoke|crl|list|show ...", "a small private CA, and what certificates say",
     "  init DIR                         make a CA\n"
     "  issue DIR NAME --domain D ...    make a key and a certificate for a SIP domain\n"
     "  revoke DIR NAME                  revoke it, and renew the revocation list\n"
     "  crl DIR                          renew the revocation list\n"
     "  list DIR                         what was issued\n"
     "  show FILE                        certificates, revocation lists and keys in words\n"
     "\n"
     "`sipward help pki COMMAND` says more of each.\n"
     "\n"
     "Exit: 0 done; 1 it failed; 2 wrong arguments.\n",
     sw_cmd_pki, true},
    {"version", "[--json]", "print the version, the TLS library and the features",
     "  --json   one JSON object: version, tls, features\n"
     "\n"
     "Exit: 0 done; 2 the arguments are wrong.\n",
     sw_cmd_version, false},
};

enum { COMMANDS = sizeof(commands) / sizeof(commands[0]) };

static const struct sw_cmd *find(const char *name)
{
    for (size_t i = 0; i < COMMANDS; i++)
        if (strcmp(commands[i].name, name) == 0)
            return &commands[i];
    return NULL;
}

int sw_cmd_usage(const char *name, const char *wrong)
{
    const struct sw_cmd *c = find(name);
    fprintf(stderr, "sipward %s: %s\n", name, wrong);
    fprintf(stderr, "usage: sipward %s %s\n", name, c ? c->usage : "");
    fprintf(stderr, "`sipward help %s` says more\n", name);
    return SW_EXIT_USAGE;
}

int sw_cmd_help(const char *name)
{
    const struct sw_cmd *c = find(name);
    if (!c)
        return SW_EXIT_USAGE;
    printf("usage: sipward %s %s\n\n%s.\n\n%s", c->name, c->usage, c->summary, c->help);
    return SW_EXIT_OK;
}

static void overview(FILE *out)
{
    fputs("sipward " SW_VERSION ", a secure SIP gateway\n\nusage: sipward COMMAND [OPTION ...]\n\n",
          out);
    for (size_t i = 0; i < COMMANDS; i++)
        fprintf(out, "  %-9s %s\n", commands[i].name, commands[i].summary);
    fputs("  help      print this, or the help of a command: sipward help COMMAND\n\n"
          "Exit codes: 0 done; 1 it ran and failed; 2 wrong arguments or configuration.\n",
          out);
}

static int unknown(const char *name)
{
    fprintf(stderr, "sipward: there is no command \"%s\"\n\n", name);
    overview(stderr);
    return SW_EXIT_USAGE;
}

static int help(int argc, char **argv)
{
    if (argc < 2) {
        overview(stdout);
        return SW_EXIT_OK;
    }
    const struct sw_cmd *c = find(argv[1]);
    if (!c)
        return unknown(argv[1]);
    if (c->has_commands && argc > 2)
        return c->run(3, (char *[]){argv[1], argv[2], "--help"});
    return sw_cmd_help(c->name);
}

static int asks_for_help(int argc, char **argv)
{
    for (int i = 1; i < argc; i++)
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0)
            return 1;
    return 0;
}

int main(int argc, char **argv)
{
    sw_crypto_mem_start();
    if (argc < 2) {
        overview(stderr);
        return SW_EXIT_USAGE;
    }
    if (strcmp(argv[1], "help") == 0 || strcmp(argv[1], "--help") == 0 ||
        strcmp(argv[1], "-h") == 0)
        return help(argc - 1, argv + 1);
    if (strcmp(argv[1], "--version") == 0)
        return sw_cmd_version(1, argv + 1);
    const struct sw_cmd *c = find(argv[1]);
    if (!c)
        return unknown(argv[1]);
    if (!c->has_commands && asks_for_help(argc - 1, argv + 1))
        return sw_cmd_help(c->name);
    return c->run(argc - 1, argv + 1);
}
