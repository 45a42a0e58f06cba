/* Files of the app: those of its image, and one that it may write.
 *
 * Thread-safe. */
#pragma once

#ifdef __cplusplus
extern "C" {
#endif

/* The path of a file of the image, from malloc(), or NULL. EFAULT: NULL. EINVAL: it begins with `/`, or leads up by `..`.
 * @holdfast implemented */
char *Storage_GetAbsolutePathInImagePackage(const char *relativePath);

/* Opens a file of the image to read: a descriptor, or -1.
 * @holdfast implemented */
int Storage_OpenFileInImagePackage(const char *relativePath);

/* Opens the file that the app may write, and makes it if there is none: a descriptor, or -1. EACCES: the manifest does not list
 * `MutableStorage`.
 * @holdfast differs: it is the file `mutable` in the app's folder, which is encrypted and may have others besides; a write beyond
 * `SizeKB` fails with EDQUOT or ENOSPC */
int Storage_OpenMutableFile(void);

/* Deletes it. ENOENT: there is none.
 * @holdfast implemented */
int Storage_DeleteMutableFile(void);

#ifdef __cplusplus
}
#endif
