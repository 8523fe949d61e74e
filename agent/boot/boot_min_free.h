/*
 * boot_min_free: how much memory the kernel keeps free for itself (vm.min_free_kbytes, Linux
 * Documentation/admin-guide/sysctl/vm.rst). A kernel with transparent huge pages raises it to 5 %
 * of RAM (mm/khugepaged.c, set_recommended_min_free_kbytes()) to fight fragmentation: of 512 MiB
 * that is 27, of 4 GiB up to 66. Nobody may use them, so the whole VM is out of memory before a
 * container has reached its limit. Called once by boot.
 */
#ifndef BOOT_BOOT_MIN_FREE_H
#define BOOT_BOOT_MIN_FREE_H

#include <stdint.h>

#include "base/error.h"

/* What the kernel would keep without huge pages (mm/page_alloc.c, calculate_min_free_kbytes()).
 * Pure. */
uint64_t boot_min_free_kib(uint64_t mem_total_kib);
/*
 * Lowers vm.min_free_kbytes to that; never raises it. 0, or negative errno with err: /proc is not
 * readable or not writable; then it is as the kernel has it.
 */
int boot_min_free_set(struct error *err);

#endif
