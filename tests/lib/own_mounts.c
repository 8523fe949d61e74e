/* own_mounts: see own_mounts.h. */
#include "lib/own_mounts.h"

#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <unistd.h>

static bool all_ids;

static void die(const char *what)
{
	fprintf(stderr, "own_mounts: %s: %s\n", what, strerror(errno));
	exit(99);
}

static void write_file(const char *path, const char *text)
{
	FILE *f = fopen(path, "w");

	if (!f || fputs(text, f) < 0 || fclose(f) != 0)
		die(path);
}

void own_mounts(void)
{
	uid_t uid = getuid();
	gid_t gid = getgid();
	char map[64];

	all_ids = unshare(CLONE_NEWNS) == 0;
	if (!all_ids) {
		if (unshare(CLONE_NEWUSER | CLONE_NEWNS) < 0)
			die("unshare");
		write_file("/proc/self/setgroups", "deny");
		snprintf(map, sizeof(map), "0 %u 1", uid);
		write_file("/proc/self/uid_map", map);
		snprintf(map, sizeof(map), "0 %u 1", gid);
		write_file("/proc/self/gid_map", map);
	}
	if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		die("make / private");
}

bool own_mounts_all_ids(void)
{
	return all_ids;
}

int own_mounts_count(void)
{
	FILE *f = fopen("/proc/self/mountinfo", "r");
	int lines = 0, c;

	if (!f)
		die("/proc/self/mountinfo");
	while ((c = getc(f)) != EOF)
		lines += c == '\n';
	fclose(f);
	return lines;
}

const char *own_mounts_at(const char *path)
{
	static char found[4096], line[8192];
	FILE *f = fopen("/proc/self/mountinfo", "r");
	bool is = false;

	if (!f)
		die("/proc/self/mountinfo");
	while (fgets(line, sizeof(line), f)) {
		char point[4096], options[512], fstype[64], source[512], super[1024];
		const char *rest = strstr(line, " - ");

		if (!rest || sscanf(line, "%*s %*s %*s %*s %4095s %511s", point, options) != 2 ||
			sscanf(rest, " - %63s %511s %1023s", fstype, source, super) != 3)
			continue;
		if (strcmp(point, path) != 0)
			continue;
		snprintf(found, sizeof(found), "%s %s %s %s", options, fstype, source, super);
		is = true;
	}
	fclose(f);
	return is ? found : NULL;
}
