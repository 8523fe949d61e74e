/* scratch: a test's own folder. Uses rm(1), so that the code under test does not clean up itself.
 */
#include "lib/scratch.h"

#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static char folder[PATH_MAX];
static pid_t owner;

static void die(const char *what, const char *object)
{
	fprintf(stderr, "scratch: %s %s: errno %d\n", what, object, errno);
	exit(99);
}

/* A child of the test inherits the exit handler, not the folder. */
static void remove_at_exit(void)
{
	if (getpid() == owner)
		scratch_remove();
}

const char *scratch_dir(void)
{
	const char *base = getenv("TMPDIR");

	if (folder[0])
		return folder;
	snprintf(folder, sizeof(folder), "%s/cradle-test.XXXXXX", base && *base ? base : "/tmp");
	if (!mkdtemp(folder))
		die("mkdtemp", folder);
	owner = getpid();
	atexit(remove_at_exit);
	return folder;
}

const char *scratch_path(const char *fmt, ...)
{
	static char buffers[8][PATH_MAX];
	static unsigned next;
	char *out = buffers[next++ % 8];
	int len = snprintf(out, PATH_MAX, "%s/", scratch_dir());
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(out + len, (size_t)(PATH_MAX - len), fmt, ap);
	va_end(ap);
	return out;
}

static void make_parents(char *path)
{
	for (char *slash = strchr(path + strlen(folder) + 1, '/'); slash;
		slash = strchr(slash + 1, '/')) {
		*slash = '\0';
		if (mkdir(path, 0755) < 0 && errno != EEXIST)
			die("mkdir", path);
		*slash = '/';
	}
}

const char *scratch_file(const char *name, const char *text)
{
	const char *path = scratch_path("%s", name);
	FILE *file;

	make_parents((char *)path);
	file = fopen(path, "we");
	if (!file || fputs(text, file) < 0 || fclose(file) != 0)
		die("write", path);
	return path;
}

const char *scratch_mkdir(const char *name)
{
	const char *path = scratch_path("%s", name);

	make_parents((char *)path);
	if (mkdir(path, 0755) < 0)
		die("mkdir", path);
	return path;
}

void scratch_remove(void)
{
	pid_t pid;

	if (!folder[0])
		return;
	pid = fork();
	if (pid == 0) {
		execlp("rm", "rm", "-rf", "--one-file-system", folder, NULL);
		_exit(127);
	}
	if (pid > 0)
		waitpid(pid, NULL, 0);
	folder[0] = '\0';
}
