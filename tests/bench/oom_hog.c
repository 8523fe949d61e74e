/*
 * oom_hog: grows until it is killed for it, page by page, and writes the time before each page
 * where others can read it: the last one is the moment of the kill. Used by bench_guest, bare and
 * as a container's program.  oom_hog FILE (of at least 8 bytes)
 */
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#define BLOCK 1048576

int main(int argc, char *argv[])
{
	int fd = argc == 2 ? open(argv[1], O_RDWR) : -1;
	volatile uint64_t *last_ns = mmap(NULL, 8, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	if (last_ns == MAP_FAILED) {
		perror("oom_hog");
		return 1;
	}
	for (;;) {
		volatile char *block = mmap(NULL, BLOCK, PROT_READ | PROT_WRITE,
			MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

		for (size_t at = 0; block != MAP_FAILED && at < BLOCK; at += 4096) {
			struct timespec now;

			clock_gettime(CLOCK_MONOTONIC, &now);
			*last_ns = (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
			block[at] = 1;
		}
	}
}
