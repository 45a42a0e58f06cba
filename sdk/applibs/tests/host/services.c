/* What app-services answers: services.py stands in for it. */
#include "check.h"
#include "fake.h"
#include <applibs/application.h>
#include <applibs/applications.h>
#include <applibs/certstore.h>
#include <applibs/networking.h>
#include <applibs/powermanagement.h>
#include <applibs/rtc.h>
#include <applibs/sysevent.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

void figures_and_power(void)
{
	Applications_OsVersion version;
	struct timespec time = { .tv_sec = 1800000000, .tv_nsec = 5000000 };

	CHECK(Applications_GetTotalMemoryUsageInKB() == 1200 && Applications_GetUserModeMemoryUsageInKB() == 1200);
	CHECK(Applications_GetPeakUserModeMemoryUsageInKB() == 2049);
	CHECK(!Applications_GetOsVersion(&version) && strlen(version.version) > 2);
	CHECK_ERROR(Applications_GetOsVersion(NULL), EFAULT);
	CHECK_ERROR(PowerManagement_ForceSystemReboot(), EACCES);
	CHECK_ERROR(PowerManagement_ForceSystemPowerDown(0), EINVAL);
	CHECK_ERROR(PowerManagement_ForceSystemPowerDown(60), ENOTSUP);
	pass("BUTTON:CLOCK", (int[]){ file_with(""), file_with("") }, 2);
	fake.on = fake.has_clock = true;
	CHECK(!PowerManagement_ForceSystemPowerDown(60));
	CHECK(fake.is_alarm_on && fake.alarm.tm_year == 127 && fake.alarm.tm_mon == 0);
	CHECK(fake.alarm.tm_mday == 1 && fake.alarm.tm_sec == 30);
	CHECK(!clock_settime(CLOCK_REALTIME, &time) && !clock_systohc());
	time.tv_sec = 1;
	CHECK_ERROR(clock_settime(CLOCK_REALTIME, &time), EINVAL);
	time.tv_nsec = 1000000000;
	CHECK_ERROR(clock_settime(CLOCK_REALTIME, &time), EINVAL);
}

void certificates(void)
{
	const char cert[] = "-----BEGIN CERTIFICATE-----\nAA==\n-----END CERTIFICATE-----\n", key[] = "a key\n";
	CertStore_Identifier identifier;
	struct CertStore_SubjectName subject;
	struct CertStore_IssuerName issuer;
	struct tm time;

	CHECK(CertStore_GetCertificateCount() == 0);
	CHECK(!CertStore_InstallClientCertificate("mine", cert, sizeof(cert), key, sizeof(key) - 1, NULL));
	CHECK(!CertStore_InstallRootCACertificate("root.1", cert, sizeof(cert) - 1));
	CHECK(CertStore_GetCertificateCount() == 2 && CertStore_GetAvailableSpace() == 24576 - 200);
	CHECK(!CertStore_GetCertificateIdentifierAt(1, &identifier) && !strcmp(identifier.identifier, "root.1"));
	CHECK_ERROR(CertStore_GetCertificateIdentifierAt(2, &identifier), ERANGE);
	CHECK(!CertStore_GetCertificateSubjectName("mine", &subject) && !strcmp(subject.name, "CN=mine"));
	CHECK(!CertStore_GetCertificateIssuerName("mine", &issuer) && !strncmp(issuer.name, "CN=", 3) && strlen(issuer.name) == 300);
	CHECK(!CertStore_GetCertificateNotBefore("mine", &time) && time.tm_year == 70 && time.tm_mday == 2);
	CHECK(!CertStore_GetCertificateNotAfter("mine", &time) && time.tm_year == 127);
	CHECK(!CertStore_MoveCertificate("mine", "yours") && !CertStore_DeleteCertificate("yours"));
	CHECK_ERROR(CertStore_DeleteCertificate("yours"), ENOENT);
	CHECK_ERROR(CertStore_GetCertificateSubjectName("mine", &subject), ENOENT);
	CHECK_ERROR(CertStore_DeleteCertificate("no good"), EINVAL);
	CHECK_ERROR(CertStore_DeleteCertificate("more.than.16.characters"), EINVAL);
	CHECK_ERROR(CertStore_DeleteCertificate(NULL), EFAULT);
	CHECK_ERROR(CertStore_InstallClientCertificate("mine", cert, sizeof(cert), key, sizeof(key), "word"), ENOTSUP);
	CHECK_ERROR(CertStore_InstallRootCACertificate("mine", cert, 0), ERANGE);
	CHECK_ERROR(CertStore_InstallRootCACertificate("mine", "\xff\xfe", 2), EINVAL);
}

void links_and_peers(void)
{
	Networking_NetworkInterface links[4];
	Networking_InterfaceConnectionStatus status;
	bool ready = false;
	char text[16];
	int end;

	CHECK(!Networking_IsNetworkingReady(&ready) && ready && Networking_GetInterfaceCount() == 2);
	CHECK(Networking_GetInterfaces(links, 4) == 2 && !strcmp(links[0].interfaceName, "eth0") && links[0].isEnabled);
	CHECK(links[0].interfaceMediumType == Networking_InterfaceMedium_Ethernet && Networking_GetInterfaces(links, 1) == 1);
	CHECK_ERROR(Networking_GetInterfaces(links, 0), ERANGE);
	CHECK(!Networking_GetInterfaceConnectionStatus("eth0", &status) && status == 15);
	CHECK(!Networking_GetInterfaceConnectionStatus("eth1", &status) && status == 0);
	CHECK_ERROR(Networking_GetInterfaceConnectionStatus("eth2", &status), ENOENT);
	end = Application_Connect("25025d2c-66da-4448-bae1-ac26fcdd3627");
	CHECK(end >= 0 && fcntl(end, F_GETFD) == FD_CLOEXEC && send(end, "hello", 5, 0) == 5);
	CHECK(recv(end, text, sizeof(text), 0) == 5 && !strncmp(text, "olleh", 5) && !close(end));
	CHECK_ERROR(Application_Connect("00000000-66da-4448-bae1-ac26fcdd3627"), EAGAIN);
	/* A reply without the end that it speaks of, and one that is no reply. */
	CHECK_ERROR(Application_Connect("11111111-66da-4448-bae1-ac26fcdd3627"), EPROTO);
	CHECK_ERROR(Application_Connect("22222222-66da-4448-bae1-ac26fcdd3627"), EPROTO);
	/* One that ends the connection instead, and one with a descriptor beside a refusal: it is closed, as the connection is. */
	CHECK_ERROR(Application_Connect("33333333-66da-4448-bae1-ac26fcdd3627"), EAGAIN);
	end = open("/dev/null", O_RDONLY | O_CLOEXEC);
	close(end);
	CHECK_ERROR(Application_Connect("44444444-66da-4448-bae1-ac26fcdd3627"), EIO);
	CHECK(fcntl(end, F_GETFD) < 0 && fcntl(end + 1, F_GETFD) < 0);
}

static char events[512];
static EventRegistration *updates;

static void on_update(SysEvent_Events event, SysEvent_Status status, const SysEvent_Info *info, void *context)
{
	SysEvent_Info_UpdateData data = { 0 };
	EventLoop *el = context;
	size_t length = strlen(events);
	int known = SysEvent_Info_GetUpdateData(info, &data);

	snprintf(events + length, sizeof(events) - length, "%u/%u/%u ", event, status,
		 known < 0 ? 999 : data.max_deferral_time_in_minutes);
	if (event == SysEvent_Events_UpdateReadyForInstall && status == SysEvent_Status_Pending)
		CHECK(!SysEvent_DeferEvent(event, 5));
	if (event == SysEvent_Events_UpdateReadyForInstall && status == SysEvent_Status_Deferred)
		CHECK(!SysEvent_ResumeEvent(event));
	if (event == SysEvent_Events_UpdateReadyForInstall && status == SysEvent_Status_Complete) {
		/* The next event would be that there is no update: it is not told any more. */
		CHECK(!SysEvent_UnregisterForEventNotifications(updates));
		CHECK(!EventLoop_Stop(el));
	}
}

void updates_are_told_in_the_loop(void)
{
	EventLoop *el = EventLoop_Create();

	CHECK_ERROR(SysEvent_DeferEvent(SysEvent_Events_UpdateStarted, 5), EINVAL);
	CHECK_ERROR(SysEvent_DeferEvent(SysEvent_Events_UpdateReadyForInstall, 0), EINVAL);
	CHECK_ERROR(SysEvent_ResumeEvent(SysEvent_Events_UpdateReadyForInstall), ENOENT);
	CHECK(!SysEvent_RegisterForEventNotifications(el, 0x10, on_update, el) && errno == EINVAL);
	updates = SysEvent_RegisterForEventNotifications(el, SysEvent_Events_Mask, on_update, el);
	CHECK(updates && EventLoop_Run(el, 10000, false) == EventLoop_Run_Finished);
	/* None; started; the connection broke meanwhile; ready and put off; deferred and let come; final; installed. */
	fprintf(stderr, "events: %s\n", events);
	CHECK(!strcmp(events, "4/4/999 2/4/1440 1/1/1440 1/3/1435 1/2/0 1/4/0 "));
	/* Closing the loop ends a registration too. */
	updates = SysEvent_RegisterForEventNotifications(el, SysEvent_Events_Mask, on_update, el);
	CHECK(updates);
	EventLoop_Close(el);
}
