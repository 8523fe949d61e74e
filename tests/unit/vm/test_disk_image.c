/* disk_image: told by its magic number, or refused with a word on why. */
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/scratch.h"
#include "lib/test_main.h"
#include "vm/disk_image.h"

static const char *file_with(const char *magic, size_t len, size_t at)
{
	const char *path = scratch_file("image", "");
	char block[4096] = {0};
	FILE *file = fopen(path, "w");

	memcpy(block + at, magic, len);
	assert_int_equal(fwrite(block, 1, sizeof(block), file), sizeof(block));
	fclose(file);
	return path;
}

static void expect(const char *path, const char *name)
{
	struct error err = ERROR_INIT;
	const char *fstype = NULL;
	int fd = disk_image_open(path, &fstype, &err);

	if (fd < 0)
		fail_msg("%s: %s", name, err.text);
	assert_string_equal(fstype, name);
	close(fd);
}

static void refuse(const char *path, const char *naming)
{
	struct error err = ERROR_INIT;
	const char *fstype = "untouched";
	int fds = test_count_fds();

	assert_true(disk_image_open(path, &fstype, &err) < 0);
	if (!strstr(err.text, naming))
		fail_msg("'%s' is not in: %s", naming, err.text);
	assert_string_equal(fstype, "untouched");
	assert_int_equal(test_count_fds(), fds);
}

static void known(void **state)
{
	expect(file_with("\xe2\xe1\xf5\xe0", 4, 1024), "erofs");
	expect(file_with("\x53\xef", 2, 1080), "ext4");
	expect(file_with("hsqs", 4, 0), "squashfs");
	expect(file_with("XFSB", 4, 0), "xfs");
}

static void refused(void **state)
{
	refuse(scratch_path("nowhere"), "nowhere");
	refuse(scratch_mkdir("folder"), "neither a file nor a block device");
	refuse(scratch_file("empty", ""), "none of erofs");
	refuse(file_with("\x55\xaa", 2, 510), "a partition table is not looked into");
	assert_int_equal(mkfifo(scratch_path("pipe"), 0600), 0);
	refuse(scratch_path("pipe"), "neither a file");
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(known),
	cmocka_unit_test(refused),
};

TEST_MAIN(tests)
