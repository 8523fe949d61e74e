/*
 * host_room: what this host lets a VM have: its memory, its CPUs, and the tightest memory limit of
 * the cgroups we are in (QEMU and the guest's memory are charged there). May sleep (reads procfs).
 */
#ifndef VM_HOST_ROOM_H
#define VM_HOST_ROOM_H

#include <limits.h>
#include <stdint.h>

struct host_room {
	uint64_t memory_bytes; /* MemTotal; 0 = not known */
	uint64_t cgroup_bytes; /* least memory.max from our cgroup up; 0 = no limit */
	char cgroup[PATH_MAX]; /* the group that has it, as /proc/self/cgroup names it */
	uint32_t cpus;	       /* online; 0 = not known */
};

/* root: "" (the real one), or a folder with proc/ and sys/fs/cgroup/ below it. Never fails. */
void host_room_read(const char *root, struct host_room *ret);

#endif
