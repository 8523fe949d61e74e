/* copy_up: see copy_up.h. */
#include "launch/copy_up.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/strings.h"

/* Directories in one another; each holds two descriptors open. */
#define DEPTH_MAX 64
#define CHUNK	  (1 << 20)

static int copy_directory(int from, int to, unsigned depth, struct error *err);

static int failed(const char *what, const char *name, struct error *err)
{
	return error_errno(err, errno, "tmpcopyup: %s %.200s", what, name);
}

static int copy_link(int from, int to, const char *name, struct error *err)
{
	char target[PATH_MAX];
	ssize_t n = readlinkat(from, name, target, sizeof(target) - 1);

	if (n < 0)
		return failed("read the link", name, err);
	target[n] = '\0';
	return symlinkat(target, to, name) < 0 ? failed("make the link", name, err) : 0;
}

static int copy_file(int from, int to, const char *name, struct error *err)
{
	_cleanup_fd_ int in = openat(from, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	_cleanup_fd_ int out = -1;
	ssize_t n;

	if (in < 0)
		return failed("open", name, err);
	out = openat(to, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (out < 0)
		return failed("make", name, err);
	do
		n = sendfile(out, in, NULL, CHUNK);
	while (n > 0);
	return n < 0 ? failed("copy", name, err) : 0;
}

static int copy_below(int from, int to, const char *name, unsigned depth, struct error *err)
{
	const int how = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
	_cleanup_fd_ int below = openat(from, name, how), made = -1;

	if (below < 0)
		return failed("open", name, err);
	if (depth >= DEPTH_MAX)
		return error_set(err, STATUS_INVALID_ARGUMENT, ELOOP,
			"tmpcopyup: more than %d directories in one another at %.200s", DEPTH_MAX,
			name);
	if (mkdirat(to, name, 0700) < 0)
		return failed("make", name, err);
	made = openat(to, name, how);
	return made < 0 ? failed("open", name, err) : copy_directory(below, made, depth + 1, err);
}

static int copy_entry(int from, int to, const char *name, unsigned depth, struct error *err)
{
	struct stat st;
	int r;

	if (fstatat(from, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return failed("stat", name, err);
	if (S_ISSOCK(st.st_mode)) /* says nothing without the process behind it */
		return 0;
	if (S_ISDIR(st.st_mode))
		r = copy_below(from, to, name, depth, err);
	else if (S_ISLNK(st.st_mode))
		r = copy_link(from, to, name, err);
	else if (S_ISREG(st.st_mode))
		r = copy_file(from, to, name, err);
	else
		r = mknodat(to, name, st.st_mode, st.st_rdev) < 0 ? failed("make", name, err) : 0;
	if (r < 0)
		return r;
	/* The owner first: a change of it takes the set-id bits away. */
	if (fchownat(to, name, st.st_uid, st.st_gid, AT_SYMLINK_NOFOLLOW) < 0)
		return failed("give away", name, err);
	if (!S_ISLNK(st.st_mode) && fchmodat(to, name, st.st_mode & 07777, 0) < 0)
		return failed("set the mode of", name, err);
	utimensat(to, name, (struct timespec[]){st.st_atim, st.st_mtim}, AT_SYMLINK_NOFOLLOW);
	return 0;
}

static int copy_directory(int from, int to, unsigned depth, struct error *err)
{
	DIR *dir = fdopendir(fcntl(from, F_DUPFD_CLOEXEC, 3));
	const struct dirent *entry;
	int r = 0;

	if (!dir)
		return failed("read", "a directory", err);
	while (r == 0 && (entry = readdir(dir)))
		if (!str_eq(entry->d_name, ".") && !str_eq(entry->d_name, ".."))
			r = copy_entry(from, to, entry->d_name, depth, err);
	closedir(dir);
	return r;
}

int copy_up(int from, int to, struct error *err)
{
	/* The descriptors may only name; "." does not climb onto what covers it. */
	_cleanup_fd_ int in = openat(from, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	_cleanup_fd_ int out = openat(to, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (in < 0 || out < 0)
		return failed("open", "the directory", err);
	return copy_directory(in, out, 0, err);
}
