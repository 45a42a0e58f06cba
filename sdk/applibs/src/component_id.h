/* The GUID of an app: xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx. */
#pragma once

#include <stdbool.h>

/* Its length, with its end. */
#define COMPONENT_ID_SIZE 37

bool applibs_is_component_id(const char *text);
