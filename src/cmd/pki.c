/* `sipward pki`: its sub-commands, their arguments and their help. */
#include "cmd/pki.h"

#include "cmd/cmd.h"
#include <stdarg.h>

/* Options that a sub-command may have. */
enum {
    OPT_DOMAIN = 1 << 0,
    OPT_IP = 1 << 1,
    OPT_DAYS = 1 << 2,
    OPT_PURPOSE = 1 << 3,
    OPT_RSA = 1 << 4,
    OPT_CRL_DAYS = 1 << 5,
    OPT_PASSPHRASE = 1 << 6,
    OPT_ENCRYPT = 1 << 7,
    OPT_CA_NAME = 1 << 8,
    OPT_RENEW = 1 << 9,
    OPT_SERIAL = 1 << 10,
    OPT_JSON = 1 << 11,
};

enum { DAYS_MAX = 36500, RSA_MIN = 2048, RSA_MAX = 8192 };

struct command {
    const char *name, *usage, *help;
    unsigned options;
    bool has_name;
    int (*run)(const struct sw_pki_options *o);
};

#define HELP_PASSPHRASE                                                                            \
    "  --passphrase-file FILE   the passphrase of the CA key is its first line; without it, it "   \
    "is\n"                                                                                         \
    "                           asked for on the terminal\n"
#define HELP_CRL_DAYS "  --crl-days N             days until the CRL must be renewed"

static const struct command commands[] = {
    {"init", "DIR [--name TEXT] [--days N] [--crl-days N] [--rsa BITS] [--encrypt]",
     "Makes a private CA in DIR: ca.pem, ca.key, an empty revocation list ca.crl, and index, the\n"
     "list of what it issues. It signs certificates, and no other CAs.\n"
     "\n"
     "  --name TEXT              the CA's name (default: Sipward CA and a random number)\n"
     "  --days N                 days of validity (3650)\n" HELP_CRL_DAYS " (90)\n"
     "  --rsa BITS               an RSA key of 2048 to 8192 bits instead of ECDSA P-256\n"
     "  --encrypt                encrypt ca.key with a passphrase\n" HELP_PASSPHRASE,
     OPT_CA_NAME | OPT_DAYS | OPT_CRL_DAYS | OPT_RSA | OPT_ENCRYPT | OPT_PASSPHRASE, false,
     sw_pki_init},
    {"issue",
     "DIR NAME --domain D [--ip A] [--days N] [--client] [--server] [--rsa BITS] [--renew]",
     "Makes a key and a certificate, DIR/NAME.key and DIR/NAME.pem, signed by the CA in DIR.\n"
     "\n"
     "  --domain D               the SIP domain it proves (RFC 5922), such as sip.example.com; "
     "may\n"
     "                           be given several times\n"
     "  --ip A                   an IP address it proves besides, for peers with verify: address\n"
     "  --days N                 days of validity (365)\n"
     "  --client, --server       only for connections that are opened, or only for those that are\n"
     "                           accepted (default: both, which SIP elements need)\n"
     "  --rsa BITS               an RSA key of 2048 to 8192 bits instead of ECDSA P-256\n"
     "  --renew                  a new key and certificate for a NAME that has one; the old files\n"
     "                           stay as NAME.SERIAL.pem and .key, and are not "
     "revoked\n" HELP_PASSPHRASE,
     OPT_DOMAIN | OPT_IP | OPT_DAYS | OPT_PURPOSE | OPT_RSA | OPT_RENEW | OPT_PASSPHRASE, true,
     sw_pki_issue},
    {"revoke", "DIR NAME [--serial S] [--crl-days N]",
     "Revokes every certificate that was issued as NAME, and renews the revocation list ca.crl.\n"
     "\n"
     "  --serial S               only this one of them\n" HELP_CRL_DAYS
     " (as before)\n" HELP_PASSPHRASE,
     OPT_SERIAL | OPT_CRL_DAYS | OPT_PASSPHRASE, true, sw_pki_revoke},
    {"crl", "DIR [--crl-days N]",
     "Renews the revocation list ca.crl: what is revoked stays, the dates are new.\n"
     "\n" HELP_CRL_DAYS " (as before)\n" HELP_PASSPHRASE,
     OPT_CRL_DAYS | OPT_PASSPHRASE, false, sw_pki_crl},
    {"list", "DIR [--json]",
     "Prints what the CA in DIR issued: status, name, serial, end, and what it proves.\n"
     "\n"
     "  --json                   as a JSON array\n",
     OPT_JSON, false, sw_pki_list},
    {"show", "FILE [--json]",
     "Prints the certificates, revocation lists and keys of a file in PEM or DER: the identities\n"
     "that RFC 5922 finds, dates, purposes, keys, fingerprints, and what is wrong or weak.\n"
     "\n"
     "  --json                   as a JSON array\n",
     OPT_JSON, false, sw_pki_show},
};

enum { COMMANDS = sizeof(commands) / sizeof(commands[0]) };

int sw_pki_fail(const struct sw_pki_options *o, const char *format, ...)
{
    va_list args;
    fprintf(stderr, "sipward pki %s: ", o->command);
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fputc('\n', stderr);
    return SW_EXIT_FAILED;
}

int sw_pki_no_memory(const struct sw_pki_options *o)
{
    return sw_pki_fail(o, "memory is out");
}

/* ---- arguments ---- */

__attribute__((format(printf, 2, 3))) static int usage(const struct command *c, const char *format,
                                                       ...)
{
    va_list args;
    fprintf(stderr, "sipward pki %s: ", c->name);
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fprintf(stderr, "\nusage: sipward pki %s %s\n`sipward help pki %s` says more\n", c->name,
            c->usage, c->name);
    return SW_EXIT_USAGE;
}

static bool read_number(const char *text, unsigned min, unsigned max, unsigned *out)
{
    uint64_t v;
    if (!sw_slice_u64(sw_slice_str(text), max, &v) || v < min)
        return false;
    *out = (unsigned)v;
    return true;
}

static bool is_label(struct sw_slice s)
{
    if (s.n == 0 || s.n > 63 || s.p[0] == '-' || s.p[s.n - 1] == '-')
        return false;
    for (size_t i = 0; i < s.n; i++) {
        char c = sw_ascii_lower(s.p[i]);
        if (!(c >= 'a' && c <= 'z') && !sw_ascii_digit(c) && c != '-')
            return false;
    }
    return true;
}

/* What is wrong with a domain, or NULL. The grammar of a host name: RFC 1123 2.1, RFC 3261 25.1. */
static const char *domain_error(struct sw_slice s)
{
    struct sw_endpoint ip;
    const char *dot = s.n ? memrchr(s.p, '.', s.n) : NULL;
    struct sw_slice rest = s;
    if (memchr(s.p, '*', s.n))
        return "a wildcard proves nothing to a SIP element: RFC 5922 7.2 (each domain by its name)";
    if (memmem(s.p, s.n, "://", 3) || sw_slice_starts_case(s, SW_SLICE("sip:")) ||
        sw_slice_starts_case(s, SW_SLICE("sips:")))
        return "a domain stands without a scheme (such as sip.example.com)";
    if (memchr(s.p, '@', s.n))
        return "a domain stands without a user (such as sip.example.com)";
    if (sw_endpoint_ip_parse(s, &ip))
        return "an address is no domain (--ip, besides a --domain)";
    if (memchr(s.p, ':', s.n))
        return "a domain stands without a port (such as sip.example.com)";
    for (size_t i = 0; i < s.n; i++)
        if ((unsigned char)s.p[i] > '~')
            return "a domain is ASCII (of an international name its form with xn--)";
    if (s.n > 253)
        return "a domain has at most 253 characters";
    while (rest.n) {
        size_t n = sw_slice_find(rest, '.');
        if (!is_label(sw_slice(rest.p, n)) || n + 1 == rest.n)
            return "not a host name (labels of letters, digits and hyphens with dots between, such "
                   "as sip.example.com)";
        rest = sw_slice_from(rest, n + 1);
    }
    if (s.n == 0 || sw_ascii_digit(dot ? dot[1] : s.p[0]))
        return "not a host name (the last label starts with a letter, such as sip.example.com)";
    return NULL;
}

static int add_domain(const struct command *c, struct sw_pki_options *o, const char *text)
{
    const char *error = domain_error(sw_slice_str(text));
    if (error)
        return usage(c, "--domain \"%s\": %s", text, error);
    if (o->domain_count == SW_PKI_DOMAINS_MAX)
        return usage(c, "--domain: at most %d of them", SW_PKI_DOMAINS_MAX);
    char *to = o->domain_text[o->domain_count];
    size_t n = strlen(text);
    for (size_t i = 0; i <= n; i++)
        to[i] = sw_ascii_lower(text[i]);
    for (size_t i = 0; i < o->domain_count; i++)
        if (strcmp(o->domains[i], to) == 0)
            return usage(c, "--domain \"%s\" is given twice", to);
    o->domains[o->domain_count++] = to;
    return SW_EXIT_OK;
}

static int add_address(const struct command *c, struct sw_pki_options *o, const char *text)
{
    if (o->address_count == SW_PKI_DOMAINS_MAX)
        return usage(c, "--ip: at most %d of them", SW_PKI_DOMAINS_MAX);
    struct sw_endpoint *to = &o->addresses[o->address_count];
    if (!sw_endpoint_ip_parse(sw_slice_str(text), to) || to->scope)
        return usage(c, "--ip \"%s\": not an address (such as 192.0.2.1 or 2001:db8::1)", text);
    o->address_count++;
    return SW_EXIT_OK;
}

static int set_ca_name(const struct command *c, struct sw_pki_options *o, const char *text)
{
    size_t n = strlen(text);
    for (size_t i = 0; i < n; i++)
        if ((unsigned char)text[i] < ' ' || (unsigned char)text[i] > '~')
            return usage(c, "--name: printable ASCII only");
    if (n == 0 || n > SW_PKI_NAME_MAX)
        return usage(c, "--name: 1 to %d characters", SW_PKI_NAME_MAX);
    o->ca_name = text;
    return SW_EXIT_OK;
}

static int set_number(const struct command *c, const char *option, const char *text, unsigned min,
                      unsigned max, unsigned *out)
{
    return read_number(text, min, max, out)
               ? SW_EXIT_OK
               : usage(c, "%s \"%s\": not a number from %u to %u", option, text, min, max);
}

/* An option with a value. */
static int set_value(const struct command *c, struct sw_pki_options *o, const char *option,
                     const char *value)
{
    if (strcmp(option, "--domain") == 0)
        return add_domain(c, o, value);
    if (strcmp(option, "--ip") == 0)
        return add_address(c, o, value);
    if (strcmp(option, "--name") == 0)
        return set_ca_name(c, o, value);
    if (strcmp(option, "--days") == 0)
        return set_number(c, option, value, 1, DAYS_MAX, &o->days);
    if (strcmp(option, "--crl-days") == 0)
        return set_number(c, option, value, 1, DAYS_MAX, &o->crl_days);
    if (strcmp(option, "--rsa") == 0)
        return set_number(c, option, value, RSA_MIN, RSA_MAX, &o->rsa_bits);
    if (strcmp(option, "--serial") == 0)
        o->serial = value;
    else
        o->passphrase_file = value;
    return SW_EXIT_OK;
}

static bool *flag_of(struct sw_pki_options *o, const char *option)
{
    if (strcmp(option, "--client") == 0)
        return &o->client;
    if (strcmp(option, "--server") == 0)
        return &o->server;
    if (strcmp(option, "--encrypt") == 0)
        return &o->encrypt;
    if (strcmp(option, "--renew") == 0)
        return &o->renew;
    return &o->json;
}

static const struct option {
    const char *name;
    unsigned bit;
    bool has_value;
} options[] = {
    {"--domain", OPT_DOMAIN, true},     {"--ip", OPT_IP, true},
    {"--days", OPT_DAYS, true},         {"--client", OPT_PURPOSE, false},
    {"--server", OPT_PURPOSE, false},   {"--rsa", OPT_RSA, true},
    {"--crl-days", OPT_CRL_DAYS, true}, {"--passphrase-file", OPT_PASSPHRASE, true},
    {"--encrypt", OPT_ENCRYPT, false},  {"--name", OPT_CA_NAME, true},
    {"--renew", OPT_RENEW, false},      {"--serial", OPT_SERIAL, true},
    {"--json", OPT_JSON, false},
};

static const struct option *find_option(const struct command *c, const char *text)
{
    for (size_t i = 0; i < sizeof(options) / sizeof(options[0]); i++)
        if (strcmp(options[i].name, text) == 0 && (c->options & options[i].bit))
            return &options[i];
    return NULL;
}

static int read_arguments(const struct command *c, int argc, char **argv, struct sw_pki_options *o)
{
    int code = SW_EXIT_OK;
    for (int i = 1; i < argc && code == SW_EXIT_OK; i++) {
        const struct option *option = find_option(c, argv[i]);
        if (option && !option->has_value)
            *flag_of(o, argv[i]) = true;
        else if (option && i + 1 == argc)
            code = usage(c, "%s lacks its value", argv[i]);
        else if (option)
            code = set_value(c, o, option->name, argv[++i]);
        else if (argv[i][0] == '-')
            code = usage(c, "\"%s\" is not an option of it", argv[i]);
        else if (!o->place)
            o->place = argv[i];
        else if (c->has_name && !o->name)
            o->name = argv[i];
        else
            code = usage(c, "\"%s\" is one argument too many", argv[i]);
    }
    return code;
}

/* A name becomes file names and a field of the index; "ca" has files of its own. */
static bool is_name(const char *s)
{
    size_t n = strlen(s);
    if (n == 0 || n > SW_PKI_NAME_MAX || s[0] == '.' || strcmp(s, "ca") == 0)
        return false;
    for (size_t i = 0; i < n; i++) {
        char c = sw_ascii_lower(s[i]);
        if (!(c >= 'a' && c <= 'z') && !sw_ascii_digit(c) && !strchr("._-", c))
            return false;
    }
    return true;
}

static int check_arguments(const struct command *c, const struct sw_pki_options *o)
{
    if (!o->place || !*o->place)
        return usage(c, "%s is missing", c->run == sw_pki_show ? "FILE" : "DIR");
    if (c->has_name && !o->name)
        return usage(c, "NAME is missing");
    if (o->name && !is_name(o->name))
        return usage(c,
                     "\"%s\" is not a NAME (1 to %d letters, digits, dots, hyphens and "
                     "underscores, no dot first, and not \"ca\")",
                     o->name, SW_PKI_NAME_MAX);
    if (c->run == sw_pki_issue && o->domain_count == 0)
        return usage(c, "--domain is missing (the SIP domain that the certificate is to prove)");
    if (c->run == sw_pki_init && o->passphrase_file && !o->encrypt)
        return usage(c, "--passphrase-file is of use with --encrypt only");
    return SW_EXIT_OK;
}

/* ---- dispatch ---- */

static const struct command *find(const char *name)
{
    for (size_t i = 0; i < COMMANDS; i++)
        if (strcmp(commands[i].name, name) == 0)
            return &commands[i];
    return NULL;
}

static bool is_help(const char *s)
{
    return strcmp(s, "--help") == 0 || strcmp(s, "-h") == 0;
}

static int help(const struct command *c)
{
    printf("usage: sipward pki %s %s\n\n%s\nExit: 0 done; 1 it failed; 2 wrong arguments.\n",
           c->name, c->usage, c->help);
    return SW_EXIT_OK;
}

int sw_cmd_pki(int argc, char **argv)
{
    struct sw_pki_options o = {0};
    if (argc < 2)
        return sw_cmd_usage("pki", "which command is missing");
    if (is_help(argv[1]))
        return sw_cmd_help("pki");
    const struct command *c = find(argv[1]);
    if (!c)
        return sw_cmd_usage("pki",
                            "there is no such command (init, issue, revoke, crl, list, show)");
    for (int i = 2; i < argc; i++)
        if (is_help(argv[i]))
            return help(c);
    o.command = c->name;
    int code = read_arguments(c, argc - 1, argv + 1, &o);
    if (code == SW_EXIT_OK)
        code = check_arguments(c, &o);
    return code == SW_EXIT_OK ? c->run(&o) : code;
}
