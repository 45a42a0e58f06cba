/* The app's file, those of its image, and its log. */
#include "check.h"
#include <applibs/log.h>
#include <applibs/storage.h>
#include <fcntl.h>
#include <unistd.h>

void storage_is_one_file_in_the_apps_folder(void)
{
	char folder[] = "/tmp/applibs-XXXXXX", byte, *path;
	int fd;

	unsetenv("HOLDFAST_STORAGE");
	CHECK_ERROR(Storage_OpenMutableFile(), EACCES);
	CHECK(mkdtemp(folder) && !setenv("HOLDFAST_STORAGE", folder, 1));
	CHECK_ERROR(Storage_DeleteMutableFile(), ENOENT);
	fd = Storage_OpenMutableFile();
	CHECK(fd >= 0 && write(fd, "x", 1) == 1 && !close(fd));
	fd = Storage_OpenMutableFile();
	CHECK(fd >= 0 && read(fd, &byte, 1) == 1 && byte == 'x' && fcntl(fd, F_GETFD) == FD_CLOEXEC);
	CHECK(!Storage_DeleteMutableFile() && !rmdir(folder));
	path = Storage_GetAbsolutePathInImagePackage("certs/root..pem");
	CHECK(path && !strcmp(path, "/certs/root..pem"));
	free(path);
	CHECK(!Storage_GetAbsolutePathInImagePackage("/etc/passwd") && errno == EINVAL);
	CHECK(!Storage_GetAbsolutePathInImagePackage("a/../../b") && errno == EINVAL);
	CHECK(!Storage_GetAbsolutePathInImagePackage("..") && errno == EINVAL);
	CHECK(!Storage_GetAbsolutePathInImagePackage("") && errno == EINVAL);
	CHECK(!Storage_GetAbsolutePathInImagePackage(NULL) && errno == EFAULT);
	fd = Storage_OpenFileInImagePackage("etc/passwd");
	CHECK(fd >= 0);
	CHECK_ERROR(Storage_OpenFileInImagePackage("no/such/file"), ENOENT);
}

void log_lines_survive_a_reader_that_is_gone(void)
{
	int ends[2];
	char line[64] = "";

	CHECK(!pipe(ends) && dup2(ends[1], 1) == 1 && !close(ends[1]));
	errno = ENOENT;
	CHECK(!Log_Debug("%s is %d\n", "one", 1) && errno == ENOENT);
	CHECK(read(ends[0], line, sizeof(line)) == 9 && !strncmp(line, "one is 1\n", 9));
	CHECK_ERROR(Log_Debug(NULL), EFAULT);
	close(ends[0]);
	CHECK_ERROR(Log_Debug("nobody reads\n"), EPIPE);
	CHECK_ERROR(Log_Debug("nobody reads\n"), EPIPE);
}
