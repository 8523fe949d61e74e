/* resident: see the header. */
#include "base/resident.h"

#include <elf.h>
#include <errno.h>
#include <link.h>
#include <malloc.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <unistd.h>

static bool locked;

/* Where the program's headers say 0: its addresses are moved by this much (0 unless it is a PIE).
 */
static uintptr_t load_bias(const ElfW(Phdr) * headers, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (headers[i].p_type == PT_PHDR)
			return (uintptr_t)headers - headers[i].p_vaddr;
	return 0;
}

void resident_forget_text(void)
{
	const ElfW(Phdr) *headers = (const void *)getauxval(AT_PHDR);
	const size_t count = getauxval(AT_PHNUM);
	const uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE), bias = load_bias(headers, count);

	for (size_t i = 0; i < count; i++) {
		uintptr_t from = (bias + headers[i].p_vaddr) & ~(page - 1);
		uintptr_t to = bias + headers[i].p_vaddr + headers[i].p_memsz;

		if (headers[i].p_type == PT_LOAD && !(headers[i].p_flags & PF_W))
			madvise((void *)from, to - from, MADV_DONTNEED);
	}
}

int resident_lock(void)
{
	if (mlockall(MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT) < 0)
		return -errno;
	locked = true;
	return 0;
}

/* Far more than the agent's stack ever grows to; madvise(2) goes on behind what is not mapped. */
#define STACK_LOOKED_AT (1 << 20)

__attribute__((noinline)) void resident_forget_stack(size_t keep)
{
	const uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
	const uintptr_t here = (uintptr_t)__builtin_frame_address(0) & ~(page - 1);
	const uintptr_t to = (here - page - keep) & ~(page - 1);

	madvise((void *)(to - STACK_LOOKED_AT), STACK_LOOKED_AT, MADV_DONTNEED);
}

void resident_trim(void)
{
	if (locked)
		munlockall();
	malloc_trim(0);
	resident_forget_stack(RESIDENT_STACK);
	/* as it was: what was locked can be locked again, it is less now */
	if (locked)
		resident_lock();
}
