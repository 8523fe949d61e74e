/* resident: see the header. */
#include "base/resident.h"

#include <errno.h>
#include <malloc.h>
#include <stdbool.h>
#include <sys/mman.h>

static bool locked;

int resident_lock(void)
{
	if (mlockall(MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT) < 0)
		return -errno;
	locked = true;
	return 0;
}

void resident_trim(void)
{
	if (locked)
		munlockall();
	malloc_trim(0);
	/* as it was: what was locked can be locked again, it is less now */
	if (locked)
		resident_lock();
}
