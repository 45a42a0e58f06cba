/* What an app finds by <applibs/storage.h>. */
#include "found.h"
#include <applibs/storage.h>
#include <stdlib.h>

/* Writes until there is no room: fails in the end. */
static int fill(int fd)
{
	static const char block[4096];

	for (int at = 1; at < 64; at++)
		if (pwrite(fd, block, sizeof(block), (off_t)at * 4096) < 0)
			return ftruncate(fd, 4096) < 0 ? -2 : -1;
	return 0;
}

int main(void)
{
	char *path = Storage_GetAbsolutePathInImagePackage("app_manifest.json");
	int fd = Storage_OpenMutableFile(), starts = 0;

	found("open", fd);
	if (read(fd, &starts, sizeof(starts)) != sizeof(starts))
		starts = 0;
	starts++;
	found("write", pwrite(fd, &starts, sizeof(starts), 0));
	found("flush", fsync(fd));
	found("starts", starts);
	found("too much", fill(fd));
	found("close", close(fd));
	Log_Debug("path: %s\n", path ? path : "none");
	free(path);
	found("image", Storage_OpenFileInImagePackage("bin/app"));
	found("no file", Storage_OpenFileInImagePackage("bin/none"));
	found("upwards", Storage_OpenFileInImagePackage("../bin/app"));
	/* Kept over one restart, deleted at the second. */
	if (starts > 1)
		found("delete", Storage_DeleteMutableFile());
	found_all();
}
