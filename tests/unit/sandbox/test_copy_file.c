/* CopyFile (g24): pieces, modes, owners, and that no name leads out of the shared folder. */
#include "sandbox/copy_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/strings.h"
#include "lib/own_mounts.h"
#include "lib/scratch.h"
#include "lib/test_main.h"

#define UID 1234
#define GID 4321

static char root[256], path[512];

static const char *at(const char *name)
{
	str_format(path, sizeof(path), "%s/%s", root, name);
	return path;
}

static int setup(void **state)
{
	static int n;

	str_format(root, sizeof(root), "%s/shared%d", scratch_dir(), n++);
	return 0;
}

static Grpc__CopyFileRequest request(const char *name, uint32_t mode, const char *data)
{
	Grpc__CopyFileRequest r = GRPC__COPY_FILE_REQUEST__INIT;
	static char names[4][512];
	static int turn;

	turn = (turn + 1) % 4;
	str_format(names[turn], sizeof(names[turn]), "%s/%s", root, name);
	r.path = names[turn];
	r.file_mode = mode;
	r.dir_mode = 0750;
	r.uid = UID;
	r.gid = GID;
	r.data.data = (uint8_t *)data;
	r.data.len = strlen(data);
	r.file_size = (int64_t)r.data.len;
	return r;
}

static void copy(const Grpc__CopyFileRequest *r)
{
	struct error err = ERROR_INIT;

	if (file_copy_run(root, r, &err) < 0)
		fail_msg("%s: %s: %s", r->path, err.text, errno_name(err.errnum));
}

static void refused(const Grpc__CopyFileRequest *r, int errnum, const char *text)
{
	struct error err = ERROR_INIT;

	assert_true(file_copy_run(root, r, &err) < 0);
	if (!strstr(err.text, text))
		fail_msg("'%s' is not in '%s'", text, err.text);
	assert_int_equal(err.errnum, errnum);
}

static void put(const char *name, const char *text)
{
	Grpc__CopyFileRequest r = request(name, S_IFREG | 0644, text);

	copy(&r);
}

static void expect_text(const char *name, const char *text)
{
	char found[256] = "";
	ssize_t n = file_read(at(name), found, sizeof(found));

	assert_true(n >= 0);
	assert_string_equal(found, text);
}

static void expect_stat(const char *name, mode_t mode, uid_t uid)
{
	struct stat st;

	assert_int_equal(lstat(at(name), &st), 0);
	assert_int_equal(st.st_mode, mode);
	assert_int_equal(st.st_uid, uid);
	assert_int_equal(st.st_gid, uid == UID ? GID : uid);
}

/* Names in a folder, the hidden parts too. */
static void expect_entries(const char *name, int count)
{
	char command[600];

	str_format(command, sizeof(command), "test $(ls -A %s | wc -l) = %d", at(name), count);
	assert_int_equal(system(command), 0);
}

static void piece(const char *name, const char *data, int64_t offset, int64_t size)
{
	Grpc__CopyFileRequest r = request(name, S_IFREG | 04755, data);

	r.offset = offset;
	r.file_size = size;
	copy(&r);
}

/* The old one is there until the new one is whole; set-user-ID survives the change of owner. */
static void test_g24_pieces(void **state)
{
	put("c/f", "old");
	piece("c/f", "one ", 0, 13);
	expect_text("c/f", "old");
	piece("c/f", "two ", 4, 13);
	/* sent again, as after an answer that was lost */
	piece("c/f", "two ", 4, 13);
	expect_text("c/f", "old");
	piece("c/f", "three", 8, 13);
	expect_text("c/f", "one two three");
	expect_stat("c/f", S_IFREG | 04755, UID);
	expect_entries("c", 1);
	/* one that was given up is begun anew, and is no longer than it is */
	piece("c/f", "longer than the second", 0, 100);
	piece("c/f", "short", 0, 5);
	expect_text("c/f", "short");
	put("c/empty", "");
	expect_text("c/empty", "");
	expect_entries("c", 2);
}

/* Names with the same stem, and a file that has the name others use for their parts. */
static void test_g24_same_stem(void **state)
{
	char longest[256];

	put("s/a.tmp", "mine");
	piece("s/a.crt", "cert", 0, 8);
	piece("s/a.key", "key ", 0, 8);
	piece("s/a.crt", "ific", 4, 8);
	piece("s/a.key", "file", 4, 8);
	expect_text("s/a.crt", "certific");
	expect_text("s/a.key", "key file");
	expect_text("s/a.tmp", "mine");
	memset(longest, 'x', 255);
	longest[255] = '\0';
	memcpy(longest, "s/", 2);
	put(longest, "long");
	expect_text(longest, "long");
}

static void test_pieces_that_do_not_fit(void **state)
{
	Grpc__CopyFileRequest r = request("f", S_IFREG | 0644, "data");

	r.offset = 4;
	r.file_size = 8;
	refused(&r, 0, "a piece at 4 before the first");
	r.offset = 0;
	copy(&r);
	r.offset = 6;
	r.file_size = 10;
	refused(&r, 0, "a piece at 6, 4 bytes are there");
	r.offset = -1;
	refused(&r, 0, "4 bytes at -1");
	r.offset = INT64_MAX;
	refused(&r, 0, "4 bytes at 9223372036854775807");
	r.offset = 0;
	r.file_size = 3;
	refused(&r, 0, "of a file of 3");
}

static void test_directories(void **state)
{
	Grpc__CopyFileRequest r = request("d/sub", S_IFDIR | 01777, "");

	copy(&r);
	expect_stat("d/sub", S_IFDIR | 01777, UID);
	expect_stat("d", S_IFDIR | 0750, UID);
	put("d/sub/kept", "kept");
	/* again: what is in it stays; its parent, made by somebody else, keeps its owner (g24) */
	assert_int_equal(chown(at("d"), 0, 0), 0);
	r.file_mode = S_IFDIR | 0700;
	copy(&r);
	expect_stat("d/sub", S_IFDIR | 0700, UID);
	expect_stat("d", S_IFDIR | 0750, 0);
	expect_text("d/sub/kept", "kept");
	/* in place of a file, and a file in place of a full one */
	r = request("d/sub/kept", S_IFDIR | 0755, "");
	copy(&r);
	expect_stat("d/sub/kept", S_IFDIR | 0755, UID);
	put("d/sub/kept/inner", "x");
	put("d/sub", "file");
	expect_text("d/sub", "file");
	/* no mode for parents: the usual one */
	r = request("n/m/f", S_IFREG | 0600, "x");
	r.dir_mode = 0;
	copy(&r);
	expect_stat("n/m", S_IFDIR | 0755, UID);
}

/* As kubelet makes ConfigMaps: ..data leads to a folder with a date, the keys lead through it. */
static void test_links(void **state)
{
	Grpc__CopyFileRequest r;
	char to[64] = "";

	put("map/..2026/key", "value");
	r = request("map/..data", S_IFLNK | 0777, "..2026");
	copy(&r);
	r = request("map/key", S_IFLNK | 0777, "..data/key");
	copy(&r);
	expect_text("map/key", "value");
	expect_stat("map/key", S_IFLNK | 0777, UID);
	/* changed in one step, verbatim, wherever it leads */
	r = request("map/..data", S_IFLNK | 0777, "/no/such");
	copy(&r);
	assert_int_equal(readlink(at("map/..data"), to, sizeof(to) - 1), 8);
	assert_string_equal(to, "/no/such");
	/* in place of a folder with things in it */
	r = request("map/..2026", S_IFLNK | 0777, "elsewhere");
	copy(&r);
	assert_int_equal(readlink(at("map/..2026"), to, sizeof(to) - 1), 9);
	expect_entries("map", 3);
	r = request("map/bad", S_IFLNK | 0777, "");
	refused(&r, 0, "a link's target of 0 bytes");
	r = request("map/bad", S_IFLNK | 0777, "ab");
	r.data.data = (uint8_t *)"a\0b";
	r.data.len = 3;
	refused(&r, 0, "a link's target of 3 bytes");
}

/* A link that a workload has put there is neither followed on the way nor at the end. */
static void test_g24_no_link_is_followed(void **state)
{
	const char *outside = scratch_mkdir("outside");
	Grpc__CopyFileRequest r;
	char victim[300];

	put("w/f", "x");
	str_format(victim, sizeof(victim), "%s/victim", outside);
	assert_int_equal(file_write(scratch_file("outside/victim", "untouched"), "untouched"), 0);
	assert_int_equal(symlink(outside, at("w/out")), 0);
	assert_int_equal(symlink("..", at("w/up")), 0);
	r = request("w/out/new", S_IFREG | 0644, "x");
	refused(&r, ENOTDIR, "enter the folder out");
	r = request("w/up/new", S_IFREG | 0644, "x");
	refused(&r, ENOTDIR, "enter the folder up");
	assert_int_equal(symlink(victim, at("w/end")), 0);
	put("w/end", "new");
	expect_text("w/end", "new");
	expect_stat("w/end", S_IFREG | 0644, UID);
	assert_int_equal(unlink(at("w/end")), 0);
	assert_int_equal(symlink(outside, at("w/end")), 0);
	r = request("w/end", S_IFDIR | 0700, "");
	copy(&r);
	expect_stat("w/end", S_IFDIR | 0700, UID);
	strcpy(path, victim);
	{
		char found[32] = "";

		assert_true(file_read(victim, found, sizeof(found)) > 0);
		assert_string_equal(found, "untouched");
		assert_int_not_equal(access(scratch_path("outside/new"), F_OK), 0);
	}
}

static void test_g24_names_outside(void **state)
{
	static const char *const bad[] = {"/etc/passwd", "relative", "", "%s", "%s/", "%s/../x",
		"%s/a/../../x", "%sx/y", "%s/a/", "%s/.cradle-part-0"};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		Grpc__CopyFileRequest r = request("x", S_IFREG | 0644, "x");
		char name[300];

		str_format(name, sizeof(name), bad[i], root);
		r.path = name;
		refused(&r, 0, "path '");
	}
}

static void test_g24_types(void **state)
{
	static const uint32_t types[] = {S_IFSOCK, S_IFBLK, S_IFCHR, S_IFIFO, 0170000};

	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
		Grpc__CopyFileRequest r = request("t", types[i] | 0644, "x");

		refused(&r, 0, "only files, directories and links");
	}
	/* no type at all: a file */
	{
		Grpc__CopyFileRequest r = request("t", 0644, "x");

		copy(&r);
	}
	expect_stat("t", S_IFREG | 0644, UID);
}

/* A full disk: the call names it, nothing of the file stays, the old one does. */
static void test_full_disk(void **state)
{
	static char much[65536];
	Grpc__CopyFileRequest r;

	memset(much, 'x', sizeof(much) - 1);
	assert_int_equal(mkdir(root, 0755), 0);
	assert_int_equal(mount("tmpfs", root, "tmpfs", 0, "size=16k"), 0);
	put("f", "old");
	r = request("f", S_IFREG | 0644, much);
	refused(&r, ENOSPC, "write 65535 bytes at 0");
	expect_text("f", "old");
	expect_entries("", 1);
	put("f", "new");
	expect_text("f", "new");
	assert_int_equal(umount2(root, MNT_DETACH), 0);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test_setup(test_g24_pieces, setup),
	cmocka_unit_test_setup(test_g24_same_stem, setup),
	cmocka_unit_test_setup(test_pieces_that_do_not_fit, setup),
	cmocka_unit_test_setup(test_directories, setup),
	cmocka_unit_test_setup(test_links, setup),
	cmocka_unit_test_setup(test_g24_no_link_is_followed, setup),
	cmocka_unit_test_setup(test_g24_names_outside, setup),
	cmocka_unit_test_setup(test_g24_types, setup),
	cmocka_unit_test_setup(test_full_disk, setup),
};

int main(void)
{
	test_begin(60);
	own_mounts();
	umask(022);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
