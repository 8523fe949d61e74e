/* image: built once, found again, built anew when the content changed, never half. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/child_process.h"
#include "base/event_loop.h"
#include "base/strings.h"
#include "lib/scratch.h"
#include "lib/test_main.h"
#include "run/fingerprint.h"
#include "run/image.h"

static struct event_loop *loop;
static unsigned announced;
static char cache[256], rootfs[256];

static void announce(const char *name)
{
	announced++;
}

static int set_up(void **state)
{
	static unsigned round;

	if (!loop) {
		loop = event_loop_new();
		assert_int_equal(child_reaper_init(loop), 0);
	}
	announced = 0;
	round++;
	str_format(cache, sizeof(cache), "%s/cache%u", scratch_dir(), round);
	str_format(rootfs, sizeof(rootfs), "%s/root%u", scratch_dir(), round);
	mkdir(rootfs, 0755);
	return 0;
}

static void put(const char *name, const char *text)
{
	char path[512];
	FILE *file;

	str_format(path, sizeof(path), "%s/%s", rootfs, name);
	file = fopen(path, "w");
	assert_non_null(file);
	fputs(text, file);
	fclose(file);
}

static void make_rootfs(void)
{
	char path[512];

	str_format(path, sizeof(path), "%s/etc", rootfs);
	mkdir(path, 0755);
	put("etc/passwd", "root:x:0:0::/root:/bin/sh\n");
	put("etc/group", "root:x:0:\n");
	put("hello", "hello\n");
}

static struct image open_it(const char *from)
{
	struct image image = IMAGE_INIT;
	struct error err = ERROR_INIT;
	char text[ERROR_RENDER_MAX];

	if (image_open(from, cache, announce, &image, &err) < 0)
		fail_msg("%s", error_render(&err, text, sizeof(text)));
	return image;
}

/* Names in the cache but "." and ".."; the lock file does not count. */
static unsigned cache_entries(bool hidden)
{
	char path[512];
	struct dirent *entry;
	unsigned count = 0;
	DIR *dir;

	str_format(path, sizeof(path), "%s/images", cache);
	dir = opendir(path);
	while (dir && (entry = readdir(dir)))
		count += hidden ? str_starts(entry->d_name, ".building") : entry->d_name[0] != '.';
	if (dir)
		closedir(dir);
	return count;
}

static void is_an_erofs_image(int fd)
{
	uint8_t magic[4];

	/* EROFS_SUPER_MAGIC_V1 at 1024 (linux, fs/erofs/erofs_fs.h). */
	assert_int_equal(pread(fd, magic, 4, 1024), 4);
	assert_memory_equal(magic, "\xe2\xe1\xf5\xe0", 4);
}

static void a_folder_is_packed_once(void **state)
{
	char passwd[64] = "";
	struct image first, again;

	make_rootfs();
	first = open_it(rootfs);
	assert_true(first.built);
	is_an_erofs_image(first.fd);
	assert_true(read(first.passwd_fd, passwd, sizeof(passwd) - 1) > 0);
	assert_string_equal(passwd, "root:x:0:0::/root:/bin/sh\n");
	again = open_it(rootfs);
	assert_false(again.built);
	assert_string_equal(first.path, again.path);
	assert_int_equal(announced, 1);
	image_release(&first);
	image_release(&again);
}

static void a_change_makes_another(void **state)
{
	struct image first, second;

	make_rootfs();
	first = open_it(rootfs);
	/* The same size, at once, and the old time put back: only ctime tells. */
	put("hello", "HELLO\n");
	utimensat(AT_FDCWD, rootfs, (struct timespec[2]){{.tv_sec = 1}, {.tv_sec = 1}}, 0);
	second = open_it(rootfs);
	assert_true(second.built);
	assert_string_not_equal(first.path, second.path);
	assert_int_equal(cache_entries(false), 2);
	image_release(&first);
	image_release(&second);
}

static void a_tar_gives_the_same(void **state)
{
	char tar[512], command[1200], passwd[64] = "";
	struct image image;

	make_rootfs();
	str_format(tar, sizeof(tar), "%s.tar.gz", rootfs);
	str_format(command, sizeof(command), "tar -czf %s -C %s .", tar, rootfs);
	assert_int_equal(system(command), 0);
	image = open_it(tar);
	is_an_erofs_image(image.fd);
	assert_true(read(image.passwd_fd, passwd, sizeof(passwd) - 1) > 0);
	assert_string_equal(passwd, "root:x:0:0::/root:/bin/sh\n");
	assert_int_equal(cache_entries(true), 0);
	image_release(&image);
}

static void refuse(const char *from, const char *naming)
{
	struct image image = IMAGE_INIT;
	struct error err = ERROR_INIT;

	assert_true(image_open(from, cache, announce, &image, &err) < 0);
	if (!strstr(err.text, naming))
		fail_msg("%s said: %s", from, err.text);
	assert_int_equal(image.fd, -1);
	assert_int_equal(cache_entries(false) + cache_entries(true), 0);
}

static void what_is_no_root_file_system_is_named(void **state)
{
	char path[512];

	refuse("/nonexistent/root", "/nonexistent/root");
	refuse("/dev/null", "neither a folder nor a tar");
	refuse(rootfs, "is empty");
	refuse(scratch_file("zero.tar", ""), "empty file");
	refuse(scratch_file("garbage.tar", "this is not a tar archive at all, not one bit\n"),
		"tar");
	put("manifest.json", "[]");
	refuse(rootfs, "image with layers");
	str_format(path, sizeof(path), "%s/manifest.json", rootfs);
	unlink(path);
}

static void leftovers_of_a_killed_builder_go(void **state)
{
	char path[512];
	struct image image;

	make_rootfs();
	mkdir(cache, 0700);
	str_format(path, sizeof(path), "%s/images", cache);
	mkdir(path, 0700);
	str_format(path, sizeof(path), "%s/images/.building-dead", cache);
	mkdir(path, 0700);
	assert_int_equal(cache_entries(true), 1);
	image = open_it(rootfs);
	assert_int_equal(cache_entries(true), 0);
	image_release(&image);
}

/* Four processes, as four cradles would be. */
static void at_once_it_is_built_once(void **state)
{
	unsigned builders = 0;
	struct image image;
	int status;

	make_rootfs();
	for (int i = 0; i < 4; i++) {
		pid_t pid = fork();

		if (pid == 0) {
			struct image mine = IMAGE_INIT;
			struct error err = ERROR_INIT;

			_exit(image_open(rootfs, cache, NULL, &mine, &err) < 0 ? 1
				: mine.built				       ? 2
									       : 0);
		}
	}
	for (int i = 0; i < 4; i++) {
		assert_true(wait(&status) > 0);
		assert_true(WIFEXITED(status));
		assert_int_not_equal(WEXITSTATUS(status), 1);
		builders += WEXITSTATUS(status) == 2;
	}
	assert_int_equal(builders, 1);
	image = open_it(rootfs);
	assert_false(image.built);
	image_release(&image);
}

static void only_the_last_used_stay(void **state)
{
	struct image first, image;

	make_rootfs();
	first = open_it(rootfs);
	for (int i = 0; i < IMAGE_CACHE_ENTRIES + 2; i++) {
		char text[16];

		snprintf(text, sizeof(text), "%d\n", i);
		put("hello", text);
		image = open_it(rootfs);
		image_release(&image);
	}
	assert_int_equal(cache_entries(false), IMAGE_CACHE_ENTRIES);
	assert_int_equal(access(first.path, F_OK), -1);
	/* Whoever has it open keeps it. */
	is_an_erofs_image(first.fd);
	image_release(&first);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test_setup(a_folder_is_packed_once, set_up),
	cmocka_unit_test_setup(a_change_makes_another, set_up),
	cmocka_unit_test_setup(a_tar_gives_the_same, set_up),
	cmocka_unit_test_setup(what_is_no_root_file_system_is_named, set_up),
	cmocka_unit_test_setup(leftovers_of_a_killed_builder_go, set_up),
	cmocka_unit_test_setup(only_the_last_used_stay, set_up),
	cmocka_unit_test_setup(at_once_it_is_built_once, set_up),
};

TEST_MAIN(tests)
