/* seccomp_cache: see seccomp_cache.h. Called by sandbox/container_create. */
#include "kernel/seccomp_cache.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fd.h"

/* A pod has one profile, seldom two; a profile of 300 names is 5 KiB, its filter 2.5 KiB. */
#define ENTRIES	    4
#define PROFILE_MAX 65536
#define FILTER_MAX  32768 /* BPF_MAXINSNS of 8 bytes (linux/bpf_common.h) */

static struct entry {
	uint8_t *profile; /* owned; NULL = free */
	size_t len;
	uint8_t *filter; /* owned */
	size_t filter_len;
	uint64_t used;
} entries[ENTRIES];
static uint64_t uses;

/* The profile's wire form, allocated; NULL: too long to be kept, or no memory. */
static uint8_t *packed(const Grpc__LinuxSeccomp *profile, size_t *len)
{
	uint8_t *bytes;

	*len = protobuf_c_message_get_packed_size(&profile->base);
	if (*len > PROFILE_MAX)
		return NULL;
	bytes = malloc(*len + 1);
	if (bytes)
		protobuf_c_message_pack(&profile->base, bytes);
	return bytes;
}

static int to_memfd(const struct entry *entry)
{
	_cleanup_fd_ int fd = memfd_create("seccomp", MFD_CLOEXEC);

	if (fd < 0)
		return -errno;
	if (fd_write_full(fd, entry->filter, entry->filter_len) != (ssize_t)entry->filter_len)
		return -EIO;
	return take_fd(&fd);
}

int seccomp_cache_find(const Grpc__LinuxSeccomp *profile)
{
	size_t len;
	_cleanup_free_ uint8_t *bytes = packed(profile, &len);

	for (size_t i = 0; bytes && i < ENTRIES; i++) {
		struct entry *entry = &entries[i];

		if (!entry->profile || entry->len != len || memcmp(entry->profile, bytes, len) != 0)
			continue;
		entry->used = ++uses;
		return to_memfd(entry);
	}
	return -ENOENT;
}

static void drop(struct entry *entry)
{
	free(entry->profile);
	free(entry->filter);
	*entry = (struct entry){0};
}

static bool read_filter(int fd, struct entry *entry)
{
	struct stat st;

	if (fstat(fd, &st) < 0 || st.st_size <= 0 || st.st_size > FILTER_MAX)
		return false;
	entry->filter_len = (size_t)st.st_size;
	entry->filter = malloc(entry->filter_len);
	return entry->filter && pread(fd, entry->filter, entry->filter_len, 0) == st.st_size;
}

/* A free one, or the one that was asked for least recently. */
static struct entry *make_room(void)
{
	struct entry *oldest = &entries[0];

	for (size_t i = 0; i < ENTRIES; i++) {
		if (!entries[i].profile)
			return &entries[i];
		if (entries[i].used < oldest->used)
			oldest = &entries[i];
	}
	drop(oldest);
	return oldest;
}

void seccomp_cache_keep(const Grpc__LinuxSeccomp *profile, int fd)
{
	struct entry kept = {.used = ++uses};

	kept.profile = packed(profile, &kept.len);
	if (kept.profile && read_filter(fd, &kept))
		*make_room() = kept;
	else
		drop(&kept);
}

void seccomp_cache_clear(void)
{
	for (size_t i = 0; i < ENTRIES; i++)
		drop(&entries[i]);
}
