/* guest_memory: see the header. Called by vhost_user (tables) and by vring (addresses). */
#include "vsock/guest_memory.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

static bool overlaps(uint64_t a, uint64_t a_size, uint64_t b, uint64_t b_size)
{
	return a < b + b_size && b < a + a_size;
}

/* Sums that wrap and regions that share addresses would make a lookup ambiguous. */
static int check_spec(const struct guest_region_spec *specs, unsigned i, struct error *err)
{
	const struct guest_region_spec *spec = &specs[i];
	uint64_t end;

	if (spec->size == 0 || __builtin_add_overflow(spec->guest_addr, spec->size, &end) ||
		__builtin_add_overflow(spec->user_addr, spec->size, &end) ||
		__builtin_add_overflow(spec->offset, spec->size, &end) || end > INT64_MAX)
		return error_set(err, STATUS_INVALID_ARGUMENT, EINVAL,
			"guest memory region %u: size %#llx at %#llx, file offset %#llx", i,
			(unsigned long long)spec->size, (unsigned long long)spec->guest_addr,
			(unsigned long long)spec->offset);
	for (unsigned j = 0; j < i; j++)
		if (overlaps(spec->guest_addr, spec->size, specs[j].guest_addr, specs[j].size) ||
			overlaps(spec->user_addr, spec->size, specs[j].user_addr, specs[j].size))
			return error_set(err, STATUS_INVALID_ARGUMENT, EINVAL,
				"guest memory regions %u and %u overlap", j, i);
	return 0;
}

/* A file that can be cut under us would turn a ring access into SIGBUS. */
static int check_file(const struct guest_region_spec *spec, int fd, struct error *err)
{
	struct stat st;
	int seals;

	if (fstat(fd, &st) < 0)
		return error_errno(err, errno, "look at guest memory's file");
	if ((uint64_t)st.st_size < spec->offset + spec->size)
		return error_errno(err, EFBIG,
			"guest memory: file of %lld bytes, region ends at %llu",
			(long long)st.st_size, (unsigned long long)(spec->offset + spec->size));
	seals = fcntl(fd, F_GET_SEALS);
	if (seals < 0 || !(seals & F_SEAL_SHRINK))
		return error_set(err, STATUS_FAILED_PRECONDITION, EPERM,
			"guest memory is not a memfd sealed against shrinking "
			"(-object memory-backend-memfd,share=on)");
	return 0;
}

/* From the file's start: with huge pages an offset in between could not be mapped. */
static int map_region(struct guest_region *region, const struct guest_region_spec *spec, int fd,
	struct error *err)
{
	size_t size = spec->offset + spec->size;
	void *map = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, fd, 0);

	if (map == MAP_FAILED)
		return error_errno(err, errno, "map %zu bytes of guest memory", size);
	madvise(map, size, MADV_DONTDUMP);
	region->spec = *spec;
	region->map = map;
	region->map_size = size;
	return 0;
}

int guest_memory_map(struct guest_memory *ret, const struct guest_region_spec *specs,
	const int *fds, unsigned count, struct error *err)
{
	struct guest_memory mem = {0};
	int r = 0;

	if (count == 0 || count > GUEST_MEMORY_REGIONS_MAX)
		return error_set(
			err, STATUS_INVALID_ARGUMENT, EINVAL, "%u guest memory regions", count);
	for (unsigned i = 0; i < count && r >= 0; i++) {
		r = check_spec(specs, i, err);
		if (r >= 0)
			r = check_file(&specs[i], fds[i], err);
		if (r >= 0)
			r = map_region(&mem.regions[i], &specs[i], fds[i], err);
		if (r >= 0)
			mem.count++;
	}
	if (r < 0) {
		guest_memory_release(&mem);
		return r;
	}
	*ret = mem;
	return 0;
}

void guest_memory_release(struct guest_memory *mem)
{
	for (unsigned i = 0; i < mem->count; i++)
		munmap(mem->regions[i].map, mem->regions[i].map_size);
	memset(mem, 0, sizeof(*mem));
}

void *guest_memory_at(const struct guest_memory *mem, uint64_t guest_addr, size_t *len)
{
	for (unsigned i = 0; i < mem->count; i++) {
		const struct guest_region *region = &mem->regions[i];
		uint64_t inside = guest_addr - region->spec.guest_addr;

		if (guest_addr < region->spec.guest_addr || inside >= region->spec.size)
			continue;
		if (*len > region->spec.size - inside)
			*len = region->spec.size - inside;
		return region->map + region->spec.offset + inside;
	}
	return NULL;
}

void *guest_memory_at_user(const struct guest_memory *mem, uint64_t user_addr, size_t len)
{
	for (unsigned i = 0; i < mem->count; i++) {
		const struct guest_region *region = &mem->regions[i];
		uint64_t inside = user_addr - region->spec.user_addr;

		if (user_addr < region->spec.user_addr || inside >= region->spec.size)
			continue;
		if (len > region->spec.size - inside)
			return NULL;
		return region->map + region->spec.offset + inside;
	}
	return NULL;
}
