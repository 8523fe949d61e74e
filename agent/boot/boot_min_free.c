/* boot_min_free: see the header. */
#include "boot/boot_min_free.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

#include "base/file.h"
#include "base/strings.h"

#define MIN_FREE "/proc/sys/vm/min_free_kbytes"

static uint64_t square_root(uint64_t n)
{
	uint64_t root = 0;

	for (uint64_t bit = 1ull << 31; bit; bit >>= 1)
		if ((root + bit) * (root + bit) <= n)
			root += bit;
	return root;
}

uint64_t boot_min_free_kib(uint64_t mem_total_kib)
{
	uint64_t kib = square_root(mem_total_kib * 16);

	if (kib < 128)
		return 128;
	return kib > 262144 ? 262144 : kib;
}

int boot_min_free_set(struct error *err)
{
	uint64_t total, now;
	char meminfo[8192], text[32];
	ssize_t len = file_read("/proc/meminfo", meminfo, sizeof(meminfo));
	int r;

	if (len < 0)
		return error_errno(err, (int)-len, "read /proc/meminfo");
	if (sscanf(meminfo, "MemTotal: %" SCNu64, &total) != 1)
		return error_errno(err, EPROTO, "find MemTotal in /proc/meminfo");
	r = file_read_u64(MIN_FREE, &now);
	if (r < 0)
		return error_errno(err, -r, "read %s", MIN_FREE);
	if (now <= boot_min_free_kib(total))
		return 0;
	str_format(text, sizeof(text), "%" PRIu64, boot_min_free_kib(total));
	r = file_write(MIN_FREE, text);
	return r < 0 ? error_errno(err, -r, "write %s to %s", text, MIN_FREE) : 0;
}
