/* Files of sysfs that hold one value as text (Documentation/filesystems/sysfs.rst), read and written from their beginning. */
#pragma once

#include <stddef.h>

/* Longest value, with its end. */
#define ATTRIBUTE_SIZE 64

/* Reads a value without its line end; 0, or -1. */
int applibs_attribute_text(int fd, char text[ATTRIBUTE_SIZE]);

/* Reads a number; 0, or -1. EPROTO: it is none. */
int applibs_attribute_number(int fd, double *number);

/* Writes a value; 0, or -1. */
int applibs_attribute_set(int fd, const char *text);

/* Writes a number; 0, or -1. */
int applibs_attribute_set_number(int fd, unsigned int number);
