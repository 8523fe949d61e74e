/* test_main: what every unit test program does first. */
#include "lib/test_main.h"

#include <dirent.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/parse.h"

void test_begin(unsigned timeout_seconds)
{
	const char *patience = getenv("CRADLE_TEST_PATIENCE");
	uint32_t factor;
	sigset_t set;

	/* Whoever started us may have blocked or ignored it. */
	sigemptyset(&set);
	sigaddset(&set, SIGALRM);
	sigprocmask(SIG_UNBLOCK, &set, NULL);
	signal(SIGALRM, SIG_DFL);
	/* An emulated machine is ten times slower: whoever starts us there says so. */
	if (patience && parse_u32(patience, &factor) == 0 && factor > 0 && factor <= 100)
		timeout_seconds *= factor;
	alarm(timeout_seconds);
	cmocka_set_message_output(CM_OUTPUT_TAP);
}

int test_count_fds(void)
{
	DIR *dir = opendir("/proc/self/fd");
	int count = -3; /* ".", ".." and the folder's own descriptor */

	if (!dir)
		abort();
	while (readdir(dir))
		count++;
	closedir(dir);
	return count;
}

/* What the sanitizer asks at start: no memory is a failure the code has to take, not the end. */
const char *__asan_default_options(void);
const char *__asan_default_options(void)
{
	return "allocator_may_return_null=1";
}
