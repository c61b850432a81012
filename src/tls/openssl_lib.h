/* A library context for one thread that knows what TLS needs and little more. */
#ifndef SW_TLS_OPENSSL_LIB_H
#define SW_TLS_OPENSSL_LIB_H

#include <openssl/crypto.h>
#include <stdbool.h>

struct sw_tls_lib {
    OSSL_LIB_CTX *ctx;  /* for SSL_CTX_new_ex */
    OSSL_LIB_CTX *base; /* holds the library's own provider, which `ctx` passes on */
    OSSL_PROVIDER *provider, *base_provider;
};

/** False: memory is out, or the library has no default provider. */
bool sw_tls_lib_open(struct sw_tls_lib *l);
void sw_tls_lib_close(struct sw_tls_lib *l);

#endif
