/* What an app finds by <applibs/certstore.h>. */
#include "found.h"
#include <applibs/certstore.h>

/* A certificate for nobody, whose key was thrown away. */
static const char certificate[] =
	"-----BEGIN CERTIFICATE-----\n"
	"MIIBjzCCATWgAwIBAgIUb973JZVnfZcDthTAgxzud5lGYTcwCgYIKoZIzj0EAwIw\n"
	"HDEaMBgGA1UEAwwRYXBwbGlicyB0ZXN0IHJvb3QwIBcNMjYxMTI3MDg0NjAwWhgP\n"
	"MjA4MTA4MzAwODQ2MDBaMBwxGjAYBgNVBAMMEWFwcGxpYnMgdGVzdCByb290MFkw\n"
	"EwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEtlvUH93FDwhHn+Dn9fADwTajnDtb8YBy\n"
	"IdO96bu/fm9PC/xffDMzd3JtcSRL7guy1S504WKqycYnKibjZz24WaNTMFEwHQYD\n"
	"VR0OBBYEFGsAXuw4hmJ3ri28AUaW1YU8hfg3MB8GA1UdIwQYMBaAFGsAXuw4hmJ3\n"
	"ri28AUaW1YU8hfg3MA8GA1UdEwEB/wQFMAMBAf8wCgYIKoZIzj0EAwIDSAAwRQIg\n"
	"X8D8x0v+XFc19OBY/25sUUVo71E5rR4217dMrsiOWD0CIQCuSzX5MSP/qcghZcH8\n"
	"omrPNu8TfVzGkkkPLk6cPQmV/w==\n"
	"-----END CERTIFICATE-----\n";

int main(void)
{
	CertStore_Identifier identifier = { 0 };
	struct CertStore_SubjectName subject = { 0 };
	struct CertStore_IssuerName issuer = { 0 };
	struct tm time = { 0 };

	found("space", CertStore_GetAvailableSpace());
	found("install", CertStore_InstallRootCACertificate("first", certificate, strlen(certificate)));
	found("move", CertStore_MoveCertificate("first", "root"));
	found("count", CertStore_GetCertificateCount());
	found("identifier", CertStore_GetCertificateIdentifierAt(0, &identifier));
	Log_Debug("identifier 0: %s\n", identifier.identifier);
	found("subject", CertStore_GetCertificateSubjectName("root", &subject));
	Log_Debug("subject of root: %s\n", subject.name);
	found("issuer", CertStore_GetCertificateIssuerName("root", &issuer));
	Log_Debug("issuer of root: %s\n", issuer.name);
	found("not after", CertStore_GetCertificateNotAfter("root", &time));
	Log_Debug("year of its end: %d\n", time.tm_year + 1900);
	found("not before", CertStore_GetCertificateNotBefore("root", &time));
	found("delete", CertStore_DeleteCertificate("root"));
	found("delete again", CertStore_DeleteCertificate("root"));
	found("with a password", CertStore_InstallClientCertificate("mine", certificate, strlen(certificate), "key", 3, "word"));
	found_all();
}
