/* What an app finds by <applibs/powermanagement.h>. */
#include "found.h"
#include <applibs/powermanagement.h>

int main(int count, char **arguments)
{
	found("profile", PowerManagement_SetSystemPowerProfile(PowerManagement_PowerSaver));
	found("no profile", PowerManagement_SetSystemPowerProfile(7));
	found("down for 0 s", PowerManagement_ForceSystemPowerDown(0));
	/* Goes down as its first argument says. */
	if (count > 1 && !strcmp(arguments[1], "reboot"))
		found("reboot", PowerManagement_ForceSystemReboot());
	if (count > 1 && !strcmp(arguments[1], "off"))
		found("down", PowerManagement_ForceSystemPowerDown(30));
	found_all();
}
