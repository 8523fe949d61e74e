/* ccw_id: see ccw_id.h. */
#include "device/ccw_id.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>

#include "base/parse.h"
#include "base/strings.h"

#define SET_MAX	   3
#define DIGITS_MAX 4

/* "0.D.N...": fixed places up to the number. */
static bool parse(const char *text, struct ccw_id *id)
{
	uint64_t number;

	if (!str_starts(text, "0.") || text[2] < '0' || text[2] > '0' + SET_MAX || text[3] != '.' ||
		strlen(text + 4) > DIGITS_MAX || parse_u64_base(text + 4, 16, &number) < 0)
		return false;
	id->set = (uint8_t)(text[2] - '0');
	id->number = (uint16_t)number;
	return true;
}

int ccw_id_parse(const char *text, struct ccw_id *ret, struct error *err)
{
	struct ccw_id id;

	if (str_empty(text) || !parse(text, &id))
		return error_invalid(err,
			"\"%.100s\" is no CCW device number (0.D.NNNN, hexadecimal)",
			text ? text : "");
	*ret = id;
	return 0;
}

int ccw_id_resolve(const struct ccw_id *id, const char *sysfs, char *out, size_t size)
{
	struct stat st;

	if (str_format(out, size, "%s/bus/ccw/devices/0.%x.%04x", sysfs, id->set, id->number) < 0)
		return -ENAMETOOLONG;
	return stat(out, &st) == 0 && S_ISDIR(st.st_mode) ? 0 : -ENOENT;
}
