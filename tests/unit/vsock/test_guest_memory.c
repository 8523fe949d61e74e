/* Tests host-tools/vsock/guest_memory.c. */
#include "vsock/guest_memory.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "lib/test_main.h"

#define SIZE 0x4000
#define QEMU 0x7f0000000000ull

static int make_file(size_t size, int seals)
{
	int fd = memfd_create("ram", MFD_ALLOW_SEALING | MFD_CLOEXEC);

	assert_int_equal(ftruncate(fd, size), 0);
	if (seals)
		assert_int_equal(fcntl(fd, F_ADD_SEALS, seals), 0);
	return fd;
}

/* Tries one region; the error's errno. */
static int try_one(struct guest_region_spec spec, size_t file_size, int seals)
{
	struct guest_memory mem = {0};
	struct error err = ERROR_INIT;
	int fd = make_file(file_size, seals), r = guest_memory_map(&mem, &spec, &fd, 1, &err);

	if (r < 0) {
		assert_int_equal(mem.count, 0); /* untouched */
		assert_true(err.text[0]);
	}
	guest_memory_release(&mem);
	close(fd);
	return r;
}

static void test_checks(void **state)
{
	assert_int_equal(
		try_one((struct guest_region_spec){0, SIZE, QEMU, 0}, SIZE, F_SEAL_SHRINK), 0);
	assert_int_equal(
		try_one((struct guest_region_spec){0, 0, QEMU, 0}, SIZE, F_SEAL_SHRINK), -EINVAL);
	assert_int_equal(
		try_one((struct guest_region_spec){0, SIZE + 1, QEMU, 0}, SIZE, F_SEAL_SHRINK),
		-EFBIG);
	assert_int_equal(
		try_one((struct guest_region_spec){0, SIZE, QEMU, 1}, SIZE, F_SEAL_SHRINK), -EFBIG);
	assert_int_equal(try_one((struct guest_region_spec){0, SIZE, QEMU, 0}, SIZE, 0), -EPERM);
	assert_int_equal(try_one((struct guest_region_spec){UINT64_MAX - 10, SIZE, QEMU, 0}, SIZE,
				 F_SEAL_SHRINK),
		-EINVAL);
	assert_int_equal(try_one((struct guest_region_spec){0, SIZE, UINT64_MAX - 10, 0}, SIZE,
				 F_SEAL_SHRINK),
		-EINVAL);
	assert_int_equal(try_one((struct guest_region_spec){0, SIZE, QEMU, UINT64_MAX - 10}, SIZE,
				 F_SEAL_SHRINK),
		-EINVAL);
	assert_int_equal(
		try_one((struct guest_region_spec){0, 1ull << 63, QEMU, 0}, SIZE, F_SEAL_SHRINK),
		-EINVAL);
}

static void test_not_a_memfd(void **state)
{
	struct guest_region_spec spec = {0, 10, QEMU, 0};
	struct guest_memory mem = {0};
	int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);

	assert_int_equal(guest_memory_map(&mem, &spec, &fd, 1, NULL), -EPERM);
	close(fd);
	fd = -1;
	assert_int_equal(guest_memory_map(&mem, &spec, &fd, 1, NULL), -EBADF);
}

static void test_overlap(void **state)
{
	struct guest_region_spec specs[2] = {{0, SIZE, QEMU, 0}, {SIZE - 1, SIZE, QEMU + SIZE, 0}};
	int fd = make_file(SIZE, F_SEAL_SHRINK), fds[2] = {fd, fd};
	struct guest_memory mem = {0};

	assert_int_equal(guest_memory_map(&mem, specs, fds, 2, NULL), -EINVAL);
	specs[1].guest_addr = SIZE;
	specs[1].user_addr--;
	assert_int_equal(guest_memory_map(&mem, specs, fds, 2, NULL), -EINVAL);
	specs[1].user_addr++;
	assert_int_equal(guest_memory_map(&mem, specs, fds, 2, NULL), 0);
	guest_memory_release(&mem);
	assert_int_equal(guest_memory_map(&mem, specs, fds, 0, NULL), -EINVAL);
	assert_int_equal(
		guest_memory_map(&mem, specs, fds, GUEST_MEMORY_REGIONS_MAX + 1, NULL), -EINVAL);
	close(fd);
}

static void test_lookup(void **state)
{
	/* A hole between 0x2000 and 0x10000; the second's bytes are further on in the file. */
	struct guest_region_spec specs[2] = {
		{0, 0x2000, QEMU, 0}, {0x10000, 0x1000, QEMU + 0x2000, 0x3000}};
	int fd = make_file(SIZE, F_SEAL_SHRINK), fds[2] = {fd, fd};
	struct guest_memory mem = {0};
	uint8_t *direct, *at;
	size_t len;

	assert_int_equal(guest_memory_map(&mem, specs, fds, 2, NULL), 0);
	direct = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	direct[0x1fff] = 1;
	direct[0x3005] = 2;
	len = 100;
	at = guest_memory_at(&mem, 0x1fff, &len);
	assert_int_equal(*at, 1);
	assert_int_equal(len, 1); /* cut at the region's end */
	len = 100;
	assert_null(guest_memory_at(&mem, 0x2000, &len));
	at = guest_memory_at(&mem, 0x10005, &len);
	assert_int_equal(*at, 2);
	assert_int_equal(len, 100);
	assert_null(guest_memory_at(&mem, 0x11000, &len));
	assert_null(guest_memory_at(&mem, UINT64_MAX, &len));
	at = guest_memory_at_user(&mem, QEMU + 0x2005, 10);
	assert_int_equal(*at, 2);
	assert_non_null(guest_memory_at_user(&mem, QEMU + 0x1ffe, 2));
	assert_null(guest_memory_at_user(&mem, QEMU + 0x1ffe, 3)); /* no crossing here */
	assert_null(guest_memory_at_user(&mem, QEMU + 0x2000, SIZE_MAX));
	assert_null(guest_memory_at_user(&mem, QEMU - 1, 1));
	munmap(direct, SIZE);
	guest_memory_release(&mem);
	guest_memory_release(&mem);
	len = 1;
	assert_null(guest_memory_at(&mem, 0, &len));
	close(fd);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(test_checks),
	cmocka_unit_test(test_not_a_memfd),
	cmocka_unit_test(test_overlap),
	cmocka_unit_test(test_lookup),
};

TEST_MAIN(tests)
