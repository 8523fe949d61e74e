/*
 * guest_size: how much memory the guest has when that may change: hot-added blocks, virtio-mem, a
 * balloon. What was asked for, what is plugged and what is in use are three numbers. Pure but for
 * memory_blocks_read() and guest_devices_read(), which read sysfs. Sizes in bytes.
 *
 * Sources: Linux Documentation/admin-guide/mm/memory-hotplug.rst (blocks, their states;
 * memory_hotplug parameters), kernel/resource.c and mm/memory_hotplug.c ("System RAM (virtio_mem)"
 * below the device's range in /proc/iomem), drivers/virtio/virtio_mem.c (what of a block is not
 * plugged is not in MemTotal), drivers/virtio/virtio_balloon.c (the balloon leaves MemTotal, unless
 * it gives way by itself: feature 2), mm/balloon_compaction.c (balloon_inflate and balloon_deflate
 * are pages).
 */
#ifndef MEMORY_GUEST_SIZE_H
#define MEMORY_GUEST_SIZE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/worker_process.h"

struct memory_blocks {
	uint64_t block_bytes;	  /* 0 = a kernel without memory hotplug */
	uint32_t online, offline; /* offline: also what is on its way out */
};

#define GUEST_MEMORY_DEVICES_MAX 16

/* Devices that change the guest's memory. More virtio-mem devices than fit: requested is unknown.
 */
struct guest_devices {
	unsigned virtio_mem;
	uint32_t virtio_mem_ids[GUEST_MEMORY_DEVICES_MAX]; /* virtioN */
	bool balloon, balloon_gives_way;		   /* deflates when memory is short */
};

/* What has to be remembered or seen elsewhere. All 0: memory is what it was at boot. */
struct guest_hints {
	struct memory_blocks blocks;
	struct guest_devices devices;
	uint64_t requested; /* of all virtio-mem devices together */
	bool requested_known;
	uint64_t boot_ram; /* RAM when we first looked, less what virtio-mem had added; 0 = now's */
	uint64_t boot_total;   /* MemTotal when there was boot_ram and no balloon; 0 = never seen */
	bool tables_in_blocks; /* memory_hotplug.memmap_on_memory */
};

struct guest_size {
	uint64_t total;	     /* MemTotal */
	uint64_t ram;	     /* RAM that no virtio-mem device added */
	uint64_t virtio_ram; /* whole blocks that virtio-mem added, plugged in full or not */
	uint64_t plugged;    /* what the VM has: ram, and of virtio_ram what is plugged */
	uint64_t online;     /* plugged, less blocks that are offline */
	uint64_t requested;  /* what the hypervisor wants plugged; 0 = nothing asks, or unknown */
	uint64_t balloon;    /* plugged, but lent to the host */
	uint64_t balloon_in_total; /* part of balloon that MemTotal still counts */
	uint64_t tables;	   /* the kernel's tables of memory that was added while it ran */
	uint64_t usable;	   /* MemTotal less balloon_in_total: what there is now */
	uint64_t promised;	   /* usable, or less when the hypervisor wants some of it back */
};

/* dir: "/sys/devices/system/memory". 0 or negative errno (-ENOENT: no memory hotplug). */
int memory_blocks_read(const char *dir, struct memory_blocks *ret);
/* dir: "/sys/bus/virtio/drivers". */
void guest_devices_read(const char *dir, struct guest_devices *ret);

/* Texts as of memory_guest_files(). 0, or -EPROTO without a MemTotal. */
int guest_size_of(const struct worker_file *meminfo, const struct worker_file *vmstat,
	const struct worker_file *iomem, const struct guest_hints *hints, struct guest_size *ret);
/* Learns boot_ram, and boot_total when nothing has been added yet. */
void guest_hints_learn(struct guest_hints *hints, const struct guest_size *size);

/* "Name:   123 kB" at a line's start, in bytes; 0 when it is not there. */
uint64_t meminfo_bytes(const struct worker_file *file, const char *name);

#endif
