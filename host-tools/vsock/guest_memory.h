/*
 * guest_memory: the guest's RAM, mapped from descriptors that QEMU sent.
 *
 * Owned by vhost_user. All addresses come from the guest or from QEMU: nothing is dereferenced
 * that was not looked up here. Negative errno on failure; never sleeps.
 */
#ifndef VSOCK_GUEST_MEMORY_H
#define VSOCK_GUEST_MEMORY_H

#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define GUEST_MEMORY_REGIONS_MAX 8 /* VHOST_MEMORY_BASELINE_NREGIONS of vhost-user.rst */

/* One region as vhost-user's SET_MEM_TABLE describes it, in its order. */
struct guest_region_spec {
	uint64_t guest_addr; /* where the guest sees it: addresses in descriptors */
	uint64_t size;	     /* bytes */
	uint64_t user_addr;  /* where QEMU sees it: addresses of rings */
	uint64_t offset;     /* in the file */
};

struct guest_region {
	struct guest_region_spec spec;
	uint8_t *map;	 /* file range [0, offset + size); owned */
	size_t map_size; /* bytes */
};

struct guest_memory {
	struct guest_region regions[GUEST_MEMORY_REGIONS_MAX];
	unsigned count; /* 0 = nothing mapped */
};

/*
 * Maps count regions, one descriptor each (not consumed). Checked: sizes and sums, no overlap, the
 * file is long enough and sealed against shrinking (else a cut file would be SIGBUS later). The
 * mapping is left out of core dumps. *ret untouched on failure.
 */
int guest_memory_map(struct guest_memory *ret, const struct guest_region_spec *specs,
	const int *fds, unsigned count, struct error *err);
void guest_memory_release(struct guest_memory *mem); /* idempotent, accepts zeroed */

/*
 * Guest address to pointer; *len is cut to what is contiguous there (a run may go on in the next
 * region). NULL when the address is in no region.
 */
void *guest_memory_at(const struct guest_memory *mem, uint64_t guest_addr, size_t *len);
/* QEMU address to pointer; all len bytes must lie in one region, else NULL. */
void *guest_memory_at_user(const struct guest_memory *mem, uint64_t user_addr, size_t len);

#endif
