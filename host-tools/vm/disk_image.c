/* disk_image: see the header. */
#include "vm/disk_image.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"

/* linux, include/uapi/linux/magic.h and each file system's on-disk headers. */
static const struct {
	const char *name;
	off_t offset;
	size_t len;
	unsigned char magic[4];
} kinds[] = {
	{"erofs", 1024, 4, {0xe2, 0xe1, 0xf5, 0xe0}},
	{"ext4", 1024 + 56, 2, {0x53, 0xef}},
	{"squashfs", 0, 4, {'h', 's', 'q', 's'}},
	{"xfs", 0, 4, {'X', 'F', 'S', 'B'}},
};

static const char *look(int fd)
{
	unsigned char bytes[4];

	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		if (pread(fd, bytes, kinds[i].len, kinds[i].offset) == (ssize_t)kinds[i].len &&
			memcmp(bytes, kinds[i].magic, kinds[i].len) == 0)
			return kinds[i].name;
	}
	return NULL;
}

int disk_image_open(const char *path, const char **ret_fstype, struct error *err)
{
	_cleanup_fd_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	const char *fstype;
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		return error_errno(err, errno, "disk image %s", path);
	if (!S_ISREG(st.st_mode) && !S_ISBLK(st.st_mode))
		return error_invalid(
			err, "disk image %s is neither a file nor a block device", path);
	fstype = look(fd);
	if (!fstype)
		return error_invalid(err,
			"disk image %s holds none of erofs, ext4, squashfs, xfs (a partition table "
			"is not looked into)",
			path);
	*ret_fstype = fstype;
	return take_fd(&fd);
}
