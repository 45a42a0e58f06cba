/* Certificates and their private keys, which the device keeps encrypted. Wants `CertStore` in the manifest.
 *
 * Each app has a store of its own, of 24 KiB; what another app keeps, it does not see. Thread-safe.
 *
 * EACCES: the manifest does not list it. EAGAIN: it is not ready. ENOENT: there is no such certificate. EFAULT: NULL. EINVAL:
 * not an identifier, which has 1 to 16 letters, digits, `.`, `_` and `-`; or not PEM. */
#pragma once

#include <stddef.h>
#include <sys/types.h>
#include <time.h>

#ifdef __cplusplus
extern "C" {
#endif

#define CERTSTORE_MAX_CERT_SIZE 8192
#define CERTSTORE_MAX_PRIVATE_KEY_PASSWORD_LENGTH 256
#define CERTSTORE_MAX_IDENTIFIER_LENGTH 16
#define CERTSTORE_SUBJECTNAME_MAX_LENGTH 300
#define CERTSTORE_ISSUERNAME_MAX_LENGTH 300

typedef struct CertStore_Identifier {
	char identifier[CERTSTORE_MAX_IDENTIFIER_LENGTH + 1];
} CertStore_Identifier;

typedef struct CertStore_SubjectName {
	char name[CERTSTORE_SUBJECTNAME_MAX_LENGTH + 1];
} CertStore_SubjectName;

typedef struct CertStore_IssuerName {
	char name[CERTSTORE_ISSUERNAME_MAX_LENGTH + 1];
} CertStore_IssuerName;

/* Keeps a certificate and its private key, both in PEM, in place of the one that has this identifier. ERANGE: a length is 0 or
 * too great. ENOSPC: the store is full.
 * @holdfast differs: the key must not be encrypted: with a password it is refused (ENOTSUP); the device encrypts the store
 * itself, and together the two may have 12 KiB */
int CertStore_InstallClientCertificate(const char *identifier, const char *certBlob, size_t certBlobLength,
				       const char *privateKeyBlob, size_t privateKeyBlobLength,
				       const char *privateKeyPassword);

/* Keeps a certificate that certifies others.
 * @holdfast implemented */
int CertStore_InstallRootCACertificate(const char *identifier, const char *certBlob, size_t certBlobLength);

/* Forgets a certificate.
 * @holdfast implemented */
int CertStore_DeleteCertificate(const char *identifier);

/* How many there are, or -1.
 * @holdfast implemented */
ssize_t CertStore_GetCertificateCount(void);

/* The identifier of one of them. ERANGE: there are not so many.
 * @holdfast implemented */
int CertStore_GetCertificateIdentifierAt(size_t index, CertStore_Identifier *outIdentifier);

/* Bytes of PEM that can still be kept, or -1.
 * @holdfast implemented */
ssize_t CertStore_GetAvailableSpace(void);

/* Whose certificate it is.
 * @holdfast differs: written as RFC 4514 has it, `CN=device,O=Example`; cut after 300 bytes */
int CertStore_GetCertificateSubjectName(const char *identifier, struct CertStore_SubjectName *outSubjectName);

/* Who certifies it.
 * @holdfast differs: as CertStore_GetCertificateSubjectName */
int CertStore_GetCertificateIssuerName(const char *identifier, struct CertStore_IssuerName *outIssuerName);

/* From when it is valid, in UTC.
 * @holdfast implemented */
int CertStore_GetCertificateNotBefore(const char *identifier, struct tm *outNotBefore);

/* Until when it is valid, in UTC.
 * @holdfast implemented */
int CertStore_GetCertificateNotAfter(const char *identifier, struct tm *outNotAfter);

/* Gives a certificate another identifier, in place of the one that has it, in one step.
 * @holdfast implemented */
int CertStore_MoveCertificate(const char *oldIdentifier, const char *newIdentifier);

#ifdef __cplusplus
}
#endif
