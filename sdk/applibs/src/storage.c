#include "say.h"
#include <applibs/storage.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Where the one file that Azure Sphere has is, in the app's folder. */
#define MUTABLE "mutable"

/* Whether a path stays below where it begins. */
static bool leads_up(const char *path)
{
	while (*path) {
		size_t length = strcspn(path, "/");

		if (length == 2 && !memcmp(path, "..", 2))
			return true;
		path += length;
		path += *path == '/';
	}
	return false;
}

char *Storage_GetAbsolutePathInImagePackage(const char *relativePath)
{
	char *path;

	if (!relativePath) {
		errno = EFAULT;
		return NULL;
	}
	if (!*relativePath || *relativePath == '/' || leads_up(relativePath)) {
		errno = EINVAL;
		return NULL;
	}
	if (asprintf(&path, "/%s", relativePath) >= 0)
		return path;
	errno = ENOMEM;
	return NULL;
}

int Storage_OpenFileInImagePackage(const char *relativePath)
{
	char *path = Storage_GetAbsolutePathInImagePackage(relativePath);
	int fd, error;

	if (!path)
		return -1;
	fd = open(path, O_RDONLY | O_CLOEXEC);
	error = errno;
	free(path);
	errno = error;
	return fd;
}

/* The app's folder, or -1. */
static int open_folder(void)
{
	const char *folder = getenv("HOLDFAST_STORAGE");

	if (folder)
		return open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	applibs_say("there is no storage: does `Capabilities` of the app's manifest list `MutableStorage`?");
	errno = EACCES;
	return -1;
}

static int close_folder(int folder, int result)
{
	int error = errno;

	close(folder);
	errno = error;
	return result;
}

int Storage_OpenMutableFile(void)
{
	int folder = open_folder();

	if (folder < 0)
		return -1;
	return close_folder(folder, openat(folder, MUTABLE, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600));
}

int Storage_DeleteMutableFile(void)
{
	int folder = open_folder();

	if (folder < 0)
		return -1;
	return close_folder(folder, unlinkat(folder, MUTABLE, 0));
}
