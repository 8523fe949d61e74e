/*
 * memory_holder: holds known amounts of memory, for tests/lib/known_memory.c. Static: runs in any
 * root file system. Reads a word a line, takes that much, answers with the word when it has it:
 *   anon    ANON_MIB of private memory, every page written
 *   file    /payload read to its end, so that it is in the page cache
 *   shmem   SHMEM_MIB of a file in memory (memfd)
 *   kernel  KERNEL_MIB in pipes that nobody reads
 * Ends at the end of its input.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "programs/memory_holder.h"

static _Noreturn void die(const char *what)
{
	perror(what);
	exit(1);
}

static void hold_anon(void)
{
	char *p = mmap(
		NULL, ANON_MIB << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED)
		die("mmap");
	memset(p, 1, ANON_MIB << 20);
}

static void hold_file(void)
{
	static char block[65536];
	int fd = open("/payload", O_RDONLY | O_CLOEXEC);
	ssize_t n, all = 0;

	while (fd >= 0 && (n = read(fd, block, sizeof(block))) > 0)
		all += n;
	if (all != FILE_MIB << 20)
		die("read /payload");
}

static void hold_shmem(void)
{
	int fd = memfd_create("held", MFD_CLOEXEC);
	char *p;

	if (fd < 0 || ftruncate(fd, SHMEM_MIB << 20) < 0)
		die("memfd");
	p = mmap(NULL, SHMEM_MIB << 20, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (p == MAP_FAILED)
		die("mmap of a memfd");
	memset(p, 1, SHMEM_MIB << 20);
}

/* A pipe's pages are the kernel's; 1 MiB is what an ordinary user may have in one. */
static void hold_kernel(void)
{
	static char block[1 << 20];
	int fds[2];

	for (int i = 0; i < KERNEL_MIB; i++)
		if (pipe2(fds, O_CLOEXEC) < 0 ||
			fcntl(fds[1], F_SETPIPE_SZ, sizeof(block)) < (int)sizeof(block) ||
			write(fds[1], block, sizeof(block)) != sizeof(block))
			die("pipe");
}

/* In one piece: who reads compares whole lines. */
static void say(const char *line)
{
	if (write(STDOUT_FILENO, line, strlen(line)) != (ssize_t)strlen(line))
		die("write");
}

int main(void)
{
	static const struct {
		const char *word;
		void (*hold)(void);
	} kinds[] = {{"anon\n", hold_anon}, {"file\n", hold_file}, {"shmem\n", hold_shmem},
		{"kernel\n", hold_kernel}};
	static char buffer[64];
	char line[32];

	/* its own memory is there before it is asked for any */
	setvbuf(stdin, buffer, _IOLBF, sizeof(buffer));
	say("up\n");
	while (fgets(line, sizeof(line), stdin))
		for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
			if (strcmp(line, kinds[i].word) == 0) {
				kinds[i].hold();
				say(line);
			}
	return 0;
}
