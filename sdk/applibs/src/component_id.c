#include "component_id.h"
#include <stddef.h>
#include <string.h>

bool applibs_is_component_id(const char *text)
{
	if (strnlen(text, COMPONENT_ID_SIZE) != COMPONENT_ID_SIZE - 1)
		return false;
	for (size_t at = 0; at < COMPONENT_ID_SIZE - 1; at++) {
		bool is_dash = at == 8 || at == 13 || at == 18 || at == 23;

		if (is_dash ? text[at] != '-' : !strchr("0123456789abcdefABCDEF", text[at]))
			return false;
	}
	return true;
}
