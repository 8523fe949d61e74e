/* qemu_version: what QEMUs print, and programs that are none. */
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/child_process.h"
#include "base/event_loop.h"
#include "lib/scratch.h"
#include "lib/test_main.h"
#include "vm/qemu_version.h"

static void tells_old_from_new(void **state)
{
	static const struct {
		const char *text, *version;
		bool old;
	} rows[] = {
		{"QEMU emulator version 5.2.0 (Debian 1:5.2+dfsg-11)\n", "5.2.0", true},
		{"QEMU emulator version 7.1.0\n", "7.1.0", true},
		{"QEMU emulator version 7.2.22 (Debian 1:7.2+dfsg-7)\n", "7.2.22", false},
		{"QEMU emulator version 10.0.2\n", "10.0.2", false},
		{"QEMU emulator version 6", "6", true},
		{"QEMU emulator version new", "", false},
		{"", "", false},
		{"version 5.2.0", "", false},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char version[8] = "";

		assert_int_equal(
			qemu_version_too_old(rows[i].text, version, sizeof(version)), rows[i].old);
		assert_string_equal(version, rows[i].version);
	}
}

static const char *program(const char *name, const char *script)
{
	const char *path = scratch_file(name, script);

	assert_int_equal(chmod(path, 0755), 0);
	return path;
}

static void asks_a_program(void **state)
{
	struct event_loop *loop = event_loop_new();
	uint64_t begin;
	char version[32];

	assert_int_equal(child_reaper_init(loop), 0);
	assert_true(qemu_program_too_old(
		program("old", "#!/bin/sh\necho QEMU emulator version 4.2 $1; exec sleep 1000\n"),
		version, sizeof(version)));
	assert_string_equal(version, "4.2");
	assert_false(qemu_program_too_old("/nonexistent", version, sizeof(version)));
	begin = event_loop_now_ns();
	assert_false(qemu_program_too_old(
		program("mute", "#!/bin/sh\nexec sleep 1000\n"), version, sizeof(version)));
	assert_true(event_loop_now_ns() - begin < 30000000000ull);
	child_reaper_release();
	event_loop_free(loop);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(tells_old_from_new),
	cmocka_unit_test(asks_a_program),
};

TEST_MAIN(tests)
