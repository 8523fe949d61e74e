/* image_build: tar and mkfs.erofs; under fakeroot where we are an ordinary user. */
#include "run/image_build.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/path.h"
#include "base/strings.h"
#include "run/tool.h"

#define ACCOUNT_FILE_MAX (1u << 20)

/*
 * Debian 12's mkfs.erofs reads no tar: unpack and pack in one go, so that under fakeroot owners and
 * device nodes survive (lab-notes.md). $1 tar, $2 folder, $3 image.
 */
static const char tar_script[] =
	"mkdir \"$2\" && tar -x -p --numeric-owner --force-local -f \"$1\" -C \"$2\" && "
	"mkfs.erofs --quiet \"$3\" \"$2\"";
/* Root can set file capabilities; fakeroot's are not worth the risk of a tar that fails. */
static const char tar_script_root[] = "mkdir \"$2\" && tar -x -p --numeric-owner --force-local "
				      "--xattrs '--xattrs-include=*' -f \"$1\" -C "
				      "\"$2\" && mkfs.erofs --quiet \"$3\" \"$2\"";

static int pack_folder(const char *rootfs, const char *image, struct error *err)
{
	const char *as_root[] = {"mkfs.erofs", "--quiet", image, rootfs, NULL};
	const char *as_user[] = {"mkfs.erofs", "--quiet", "--all-root", image, rootfs, NULL};

	return tool_run("packing the root file system", geteuid() == 0 ? as_root : as_user, err);
}

static int pack_tar(const char *rootfs, const char *folder, const char *image, struct error *err)
{
	const char *as_root[] = {"sh", "-c", tar_script_root, "sh", rootfs, folder, image, NULL};
	const char *as_user[] = {
		"fakeroot", "--", "sh", "-c", tar_script, "sh", rootfs, folder, image, NULL};

	return tool_run("unpacking and packing the root file system",
		geteuid() == 0 ? as_root : as_user, err);
}

/* `docker save` and OCI layouts are tars too, but of layers. */
static int check_folder(const char *rootfs, const char *folder, struct error *err)
{
	static const char *const marks[] = {"manifest.json", "index.json", "oci-layout"};
	_cleanup_dir_ DIR *dir = opendir(folder);
	struct dirent *entry;
	unsigned entries = 0;

	if (!dir)
		return error_errno(err, errno, "read %s", folder);
	while ((entry = readdir(dir)))
		entries += entry->d_name[0] != '.';
	if (entries == 0)
		return error_invalid(err, "%s is empty: not a root file system", rootfs);
	for (size_t i = 0; i < ARRAY_SIZE(marks); i++) {
		if (faccessat(dirfd(dir), marks[i], F_OK, AT_SYMLINK_NOFOLLOW) == 0 &&
			faccessat(dirfd(dir), "etc", F_OK, AT_SYMLINK_NOFOLLOW) < 0)
			return error_invalid(err,
				"%s is an image with layers (it has %s), not a root file system",
				rootfs, marks[i]);
	}
	return 0;
}

/* An image without the file gets an empty copy: an entry always has all three. */
static int copy_account_file(int rootfd, const char *from, const char *to, struct error *err)
{
	_cleanup_free_ char *data = malloc(ACCOUNT_FILE_MAX);
	_cleanup_fd_ int in = path_open_in_root(rootfd, from, O_RDONLY | O_NONBLOCK);
	_cleanup_fd_ int out = open(to, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	struct stat st;
	ssize_t n = 0;

	if (!data || out < 0)
		return error_errno(err, data ? errno : ENOMEM, "create %s", to);
	/* A named pipe or a device in its place is not read. */
	if (in >= 0 && fstat(in, &st) == 0 && S_ISREG(st.st_mode))
		n = fd_read_full(in, data, ACCOUNT_FILE_MAX);
	if (n > 0)
		n = fd_write_full(out, data, (size_t)n);
	if (n < 0)
		return error_errno(err, (int)-n, "copy /%s of the root file system", from);
	if (fsync(out) < 0)
		return error_errno(err, errno, "sync %s", to);
	return 0;
}

static int copy_accounts(const char *folder, const char *into, struct error *err)
{
	_cleanup_fd_ int rootfd = open(folder, O_PATH | O_DIRECTORY | O_CLOEXEC);
	char path[PATH_MAX];
	int r;

	if (rootfd < 0)
		return error_errno(err, errno, "open %s", folder);
	path_join(path, sizeof(path), into, PASSWD_FILE);
	r = copy_account_file(rootfd, "etc/passwd", path, err);
	if (r < 0)
		return r;
	path_join(path, sizeof(path), into, GROUP_FILE);
	return copy_account_file(rootfd, "etc/group", path, err);
}

static int sync_file(const char *path, struct error *err)
{
	_cleanup_fd_ int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0 || fsync(fd) < 0)
		return error_errno(err, errno, "sync %s", path);
	return 0;
}

int image_build(const char *rootfs, bool is_folder, const char *into, struct error *err)
{
	char image[PATH_MAX], unpacked[PATH_MAX];
	int r;

	if (path_join(image, sizeof(image), into, IMAGE_FILE) < 0 ||
		path_join(unpacked, sizeof(unpacked), into, "root") < 0)
		return error_errno(err, ENAMETOOLONG, "cache %s", into);
	if (is_folder) {
		r = check_folder(rootfs, rootfs, err);
		if (r == 0)
			r = pack_folder(rootfs, image, err);
		if (r == 0)
			r = copy_accounts(rootfs, into, err);
	} else {
		r = pack_tar(rootfs, unpacked, image, err);
		if (r == 0)
			r = check_folder(rootfs, unpacked, err);
		if (r == 0)
			r = copy_accounts(unpacked, into, err);
		if (r == 0 && (r = path_remove_tree(unpacked)) < 0)
			r = error_errno(err, -r, "remove %s", unpacked);
	}
	if (r == 0)
		r = sync_file(image, err);
	return r;
}
