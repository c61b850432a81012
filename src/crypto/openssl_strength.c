/* What a certificate may be used for, and whether its key and signature are strong enough. */
#include "crypto/openssl_types.h"

#include <openssl/err.h>
#include <openssl/x509v3.h>

/* One purpose of an extendedKeyUsage. */
static uint8_t one_purpose(const ASN1_OBJECT *o)
{
    static const unsigned char sip_domain[] = {0x2b, 6, 1, 5, 5, 7, 3, 20}; /* RFC 5924 4.1 */
    switch (OBJ_obj2nid(o)) {
    case NID_anyExtendedKeyUsage:
        return SW_USE_PURPOSES;
    case NID_server_auth:
        return SW_USE_SERVER;
    case NID_client_auth:
        return SW_USE_CLIENT;
    default:
        return OBJ_length(o) == sizeof(sip_domain) &&
                       memcmp(OBJ_get0_data(o), sip_domain, sizeof(sip_domain)) == 0
                   ? SW_USE_SIP
                   : 0;
    }
}

uint8_t sw_x509_uses(X509 *x)
{
    int critical;
    EXTENDED_KEY_USAGE *list = X509_get_ext_d2i(x, NID_ext_key_usage, &critical, NULL);
    uint32_t key = X509_get_key_usage(x); /* all bits if there is no such extension */
    uint8_t uses = !list && critical == -1 ? SW_USE_PURPOSES : 0;
    for (int i = 0; list && i < sk_ASN1_OBJECT_num(list); i++)
        uses |= one_purpose(sk_ASN1_OBJECT_value(list, i));
    EXTENDED_KEY_USAGE_free(list);
    if (key & KU_DIGITAL_SIGNATURE)
        uses |= SW_USE_SIGN;
    if (key & KU_KEY_ENCIPHERMENT)
        uses |= SW_USE_ENCIPHER;
    ERR_clear_error();
    return uses;
}

/* Bits of strength: RFC 9325 4.1, 4.5 have no place for less. */
enum { STRENGTH_LEAST = 112, RSA_LEAST = 2048 };

bool sw_x509_weak_key(X509 *x)
{
    return sw_weak_public_key(X509_get0_pubkey(x));
}

bool sw_weak_public_key(const EVP_PKEY *key)
{
    if (!key)
        return true;
    if (EVP_PKEY_is_a(key, "RSA") || EVP_PKEY_is_a(key, "RSA-PSS"))
        return EVP_PKEY_get_bits(key) < RSA_LEAST;
    return EVP_PKEY_get_security_bits(key) < STRENGTH_LEAST;
}

bool sw_x509_weak_signature(X509 *x)
{
    int strength;
    return X509_get_signature_info(x, NULL, NULL, &strength, NULL) != 1 ||
           strength < STRENGTH_LEAST;
}

/* The hash of RSASSA-PSS stands in its parameters, and is SHA-1 if it does not. RFC 4055 3.1 */
static int hash_of_pss(const X509_ALGOR *a)
{
    const void *value;
    int type, digest = NID_sha1;
    X509_ALGOR_get0(NULL, &type, &value, a);
    RSA_PSS_PARAMS *pss =
        type == V_ASN1_SEQUENCE ? ASN1_item_unpack(value, ASN1_ITEM_rptr(RSA_PSS_PARAMS)) : NULL;
    if (pss && pss->hashAlgorithm)
        digest = OBJ_obj2nid(pss->hashAlgorithm->algorithm);
    RSA_PSS_PARAMS_free(pss);
    return digest;
}

bool sw_weak_algorithm(const X509_ALGOR *a)
{
    int digest, nid = OBJ_obj2nid(a->algorithm);
    if (nid == NID_ED25519 || nid == NID_ED448) /* the hash is a part of them */
        return false;
    if (nid == NID_rsassaPss)
        digest = hash_of_pss(a);
    else if (OBJ_find_sigid_algs(nid, &digest, NULL) != 1)
        return true;
    const EVP_MD *md = EVP_get_digestbynid(digest);
    return !md || EVP_MD_get_size(md) * 4 < STRENGTH_LEAST; /* half of the bits: collisions */
}
