/*
 * replay: runs a fuzz target, built by the usual compiler, over the inputs that were kept for it, a
 * part of `make test`. Usage: replay_<target> FOLDER. One TAP line; an input that ends the process
 * is named by the last line before.
 */
#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "fuzz/fuzz.h"

#define INPUT_MAX (1024 * 1024)

static char current[512];

static void on_crash(int sig)
{
	static const char text[] = "# input: ";

	if (write(1, text, sizeof(text) - 1) < 0 || write(1, current, strlen(current)) < 0 ||
		write(1, "\n", 1) < 0)
		_exit(2);
	signal(sig, SIG_DFL);
	raise(sig);
}

/* In a block of exactly its size, so that a sanitizer sees the first byte beyond. */
static bool run_file(const char *path)
{
	_cleanup_fd_ int fd = open(path, O_RDONLY | O_CLOEXEC);
	_cleanup_free_ uint8_t *data = NULL;
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0 || st.st_size > INPUT_MAX)
		return false;
	data = malloc(st.st_size ? st.st_size : 1);
	if (!data || read(fd, data, st.st_size) != st.st_size)
		return false;
	LLVMFuzzerTestOneInput(data, st.st_size);
	return true;
}

int main(int argc, char **argv)
{
	unsigned count = 0, bad = 0;
	struct dirent **names;
	int n;

	if (argc != 2) {
		fprintf(stderr, "usage: replay FOLDER\n");
		return 2;
	}
	alarm(60);
	signal(SIGABRT, on_crash);
	signal(SIGSEGV, on_crash);
	signal(SIGBUS, on_crash);
	signal(SIGALRM, on_crash);
	printf("1..1\n");
	fflush(stdout);
	n = scandir(argv[1], &names, NULL, alphasort);
	for (int i = 0; i < n; i++) {
		snprintf(current, sizeof(current), "%s/%s", argv[1], names[i]->d_name);
		if (names[i]->d_name[0] != '.') {
			count++;
			bad += !run_file(current);
		}
		free(names[i]);
	}
	if (n >= 0)
		free(names);
	printf("%sok 1 - %u inputs of %s\n", count > 0 && bad == 0 ? "" : "not ", count, argv[1]);
	return count == 0 || bad > 0;
}
