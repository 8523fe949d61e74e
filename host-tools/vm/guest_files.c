/* guest_files: see the header. */
#include "vm/guest_files.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/strings.h"

int guest_file_default(const char *arch, const char *file, char *out, size_t size)
{
	char self[PATH_MAX], *slash;
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);

	if (n <= 0)
		return -ENOENT;
	self[n] = '\0';
	for (int up = 0; up < 2; up++) {
		slash = strrchr(self, '/');
		if (!slash)
			return -ENOENT;
		*slash = '\0';
	}
	return str_format(out, size, "%s/%s/%s", self, arch, file);
}

/* The initrd's files live in the guest's memory; packed with gzip they are about a third. */
uint64_t guest_unpacked_bytes(const char *initrd)
{
	unsigned char magic[2] = {0};
	_cleanup_file_ FILE *file = fopen(initrd, "re");
	struct stat st;

	if (!file || fstat(fileno(file), &st) < 0 || fread(magic, 1, 2, file) != 2)
		return 0;
	return (uint64_t)st.st_size * (magic[0] == 0x1f && magic[1] == 0x8b ? 3 : 1);
}
