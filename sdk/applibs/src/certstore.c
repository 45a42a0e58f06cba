#include "say.h"
#include "services.h"
#include <applibs/certstore.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

/* Whether a text is there and is a name in the store. */
static bool is_identifier(const char *text)
{
	static const char characters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-";
	size_t length;

	if (!text) {
		errno = EFAULT;
		return false;
	}
	errno = EINVAL;
	length = strnlen(text, CERTSTORE_MAX_IDENTIFIER_LENGTH + 1);
	return length > 0 && length <= CERTSTORE_MAX_IDENTIFIER_LENGTH && strspn(text, characters) == length;
}

static bool is_blob(const char *blob, size_t length)
{
	errno = blob ? ERANGE : EFAULT;
	return blob && length > 0 && length <= CERTSTORE_MAX_CERT_SIZE;
}

/* Puts a request's parameters together and sends it. A text that is not UTF-8 is no PEM. */
static int put(const char *identifier, const char *certificate, size_t length, const char *key, size_t key_length)
{
	json_t *parameters = json_object();
	int result = json_object_set_new(parameters, "name", json_string(identifier));

	result |= json_object_set_new(parameters, "certificate", json_stringn(certificate, length));
	if (key)
		result |= json_object_set_new(parameters, "private_key", json_stringn(key, key_length));
	if (!result)
		return applibs_services_do("put-certificate", parameters);
	json_decref(parameters);
	errno = EINVAL;
	return -1;
}

/* The end of a C string is no part of PEM, though some programs count it. */
static size_t without_end(const char *blob, size_t length)
{
	return length > 0 && blob[length - 1] == '\0' ? length - 1 : length;
}

int CertStore_InstallClientCertificate(const char *identifier, const char *certBlob, size_t certBlobLength,
				       const char *privateKeyBlob, size_t privateKeyBlobLength, const char *privateKeyPassword)
{
	if (!is_identifier(identifier) || !is_blob(certBlob, certBlobLength) || !is_blob(privateKeyBlob, privateKeyBlobLength))
		return -1;
	if (privateKeyPassword && *privateKeyPassword) {
		applibs_say("a private key with a password is not kept: put it without, the device encrypts what it keeps");
		errno = ENOTSUP;
		return -1;
	}
	return put(identifier, certBlob, without_end(certBlob, certBlobLength), privateKeyBlob,
		   without_end(privateKeyBlob, privateKeyBlobLength));
}

int CertStore_InstallRootCACertificate(const char *identifier, const char *certBlob, size_t certBlobLength)
{
	if (!is_identifier(identifier) || !is_blob(certBlob, certBlobLength))
		return -1;
	return put(identifier, certBlob, without_end(certBlob, certBlobLength), NULL, 0);
}

int CertStore_DeleteCertificate(const char *identifier)
{
	if (!is_identifier(identifier))
		return -1;
	return applibs_services_do("remove-certificate", json_pack("{s:s}", "name", identifier));
}

int CertStore_MoveCertificate(const char *oldIdentifier, const char *newIdentifier)
{
	if (!is_identifier(oldIdentifier) || !is_identifier(newIdentifier))
		return -1;
	return applibs_services_do("rename-certificate", json_pack("{s:s, s:s}", "from", oldIdentifier, "to", newIdentifier));
}

/* What is kept, with the list in it; or NULL. */
static json_t *ask_list(const json_t **list)
{
	json_t *store = applibs_services_ask("certificates", NULL, NULL);

	*list = json_object_get(store, "certificates");
	if (store && !json_is_array(*list)) {
		json_decref(store);
		errno = EPROTO;
		return NULL;
	}
	return store;
}

ssize_t CertStore_GetCertificateCount(void)
{
	const json_t *list;
	json_t *store = ask_list(&list);
	ssize_t count = store ? (ssize_t)json_array_size(list) : -1;

	json_decref(store);
	return count;
}

/* Copies a member that is a text, cut to size; 0, or -1 and EPROTO. */
static int copy_text(const json_t *object, const char *member, char *into, size_t size)
{
	const char *text = json_string_value(json_object_get(object, member));

	if (!text) {
		errno = EPROTO;
		return -1;
	}
	snprintf(into, size, "%s", text);
	return 0;
}

int CertStore_GetCertificateIdentifierAt(size_t index, CertStore_Identifier *outIdentifier)
{
	const json_t *list;
	json_t *store;
	int result = -1;

	if (!outIdentifier) {
		errno = EFAULT;
		return -1;
	}
	store = ask_list(&list);
	if (!store)
		return -1;
	if (index < json_array_size(list))
		result = copy_text(json_array_get(list, index), "name", outIdentifier->identifier, sizeof(outIdentifier->identifier));
	else
		errno = ERANGE;
	json_decref(store);
	return result;
}

ssize_t CertStore_GetAvailableSpace(void)
{
	json_t *store = applibs_services_ask("certificates", NULL, NULL);
	json_int_t used, limit;
	ssize_t space = -1;

	if (store && !applibs_services_number(store, "used_bytes", &used) &&
	    !applibs_services_number(store, "limit_bytes", &limit))
		space = used > limit ? 0 : (ssize_t)(limit - used);
	json_decref(store);
	return space;
}

/* The entry of one certificate, with the store that it is in; or NULL. */
static json_t *ask_entry(const char *identifier, const json_t **entry)
{
	const json_t *list;
	json_t *store = is_identifier(identifier) ? ask_list(&list) : NULL;
	const char *name;

	if (!store)
		return NULL;
	for (size_t at = 0; at < json_array_size(list); at++) {
		*entry = json_array_get(list, at);
		name = json_string_value(json_object_get(*entry, "name"));
		if (name && !strcmp(name, identifier))
			return store;
	}
	json_decref(store);
	errno = ENOENT;
	return NULL;
}

static int entry_text(const char *identifier, const char *member, char *into, size_t size)
{
	const json_t *entry;
	json_t *store = ask_entry(identifier, &entry);
	int result = store ? copy_text(entry, member, into, size) : -1;

	json_decref(store);
	return result;
}

int CertStore_GetCertificateSubjectName(const char *identifier, struct CertStore_SubjectName *outSubjectName)
{
	if (!outSubjectName) {
		errno = EFAULT;
		return -1;
	}
	return entry_text(identifier, "subject", outSubjectName->name, sizeof(outSubjectName->name));
}

int CertStore_GetCertificateIssuerName(const char *identifier, struct CertStore_IssuerName *outIssuerName)
{
	if (!outIssuerName) {
		errno = EFAULT;
		return -1;
	}
	return entry_text(identifier, "issuer", outIssuerName->name, sizeof(outIssuerName->name));
}

static int entry_time(const char *identifier, const char *member, struct tm *into)
{
	const json_t *entry;
	json_t *store;
	json_int_t seconds;
	int result = -1;

	if (!into) {
		errno = EFAULT;
		return -1;
	}
	store = ask_entry(identifier, &entry);
	if (store && !applibs_services_number(entry, member, &seconds)) {
		time_t time = (time_t)seconds;

		result = gmtime_r(&time, into) ? 0 : -1;
	}
	json_decref(store);
	return result;
}

int CertStore_GetCertificateNotBefore(const char *identifier, struct tm *outNotBefore)
{
	return entry_time(identifier, "not_before", outNotBefore);
}

int CertStore_GetCertificateNotAfter(const char *identifier, struct tm *outNotAfter)
{
	return entry_time(identifier, "not_after", outNotAfter);
}
