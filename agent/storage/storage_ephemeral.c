/*
 * storage_ephemeral: driver "ephemeral": memory as a file system: tmpfs (the sandbox's shm,
 * emptyDirs) and hugetlbfs. Runs in a helper, called by storage_helper.c.
 */
#include "storage/storage_driver.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/parse.h"
#include "base/strings.h"

#define FSGID "fsgid="

static bool is_huge(const struct storage_request *request)
{
	return str_eq(request->fstype, "hugetlbfs");
}

/* The number behind "key" in option words, each of which may hold several, comma-separated. */
static int find_number(const struct storage_request *request, const char *key, uint64_t *ret)
{
	for (size_t i = 0; i < request->option_count; i++) {
		for (const char *p = request->options[i]; *p;) {
			size_t len = strcspn(p, ",");
			char word[64];

			if (str_starts(p, key) && len < sizeof(word)) {
				memcpy(word, p, len);
				word[len] = '\0';
				return parse_size(word + strlen(key), ret);
			}
			p += len + (p[len] == ',');
		}
	}
	return -ENOENT;
}

static int huge_sizes(
	const struct storage_request *request, uint64_t *page, uint64_t *size, struct error *err)
{
	if (find_number(request, "pagesize=", page) < 0 || find_number(request, "size=", size) < 0)
		return error_invalid(
			err, "storage ephemeral: hugetlbfs wants pagesize=BYTES and size=BYTES");
	if (*page < 4096 || *page & (*page - 1) || *size < *page)
		return error_invalid(err,
			"storage ephemeral: hugetlbfs of %" PRIu64 " bytes in pages of %" PRIu64,
			*size, *page);
	return 0;
}

static int check(const struct storage_request *request, struct error *err)
{
	uint64_t page, size;

	for (size_t i = 0; i < request->option_count; i++) {
		const char *option = request->options[i];
		uint32_t gid;

		if (str_starts(option, FSGID) && parse_u32(option + strlen(FSGID), &gid) < 0)
			return error_invalid(err, "storage ephemeral: option \"%.60s\"", option);
	}
	if (is_huge(request))
		return huge_sizes(request, &page, &size, err);
	if (!str_empty(request->fstype) && !str_eq(request->fstype, "tmpfs"))
		return error_invalid(err,
			"storage ephemeral: file system \"%.60s\" is neither tmpfs nor hugetlbfs",
			request->fstype);
	return 0;
}

/*
 * Adds to the pages the kernel has reserved, and remembers how many: setting the number, as Kata
 * does, would take the pages of an earlier volume away (sharp edge g10).
 */
static int reserve_huge_pages(struct storage_mount *mount, struct error *err)
{
	uint64_t page, size, before, wanted, now;
	char path[128], text[32];
	int r = huge_sizes(mount->request, &page, &size, err);

	if (r < 0)
		return r;
	str_format(path, sizeof(path),
		"/sys/kernel/mm/hugepages/hugepages-%" PRIu64 "kB/nr_hugepages", page / 1024);
	r = file_read_u64(path, &before);
	if (r < 0)
		return error_errno(err, -r, "storage ephemeral: read %s", path);
	wanted = size / page;
	str_format(text, sizeof(text), "%" PRIu64, before + wanted);
	mount->made->huge_page_kib = page / 1024;
	mount->made->huge_pages = wanted;
	r = file_write(path, text);
	if (r >= 0)
		r = file_read_u64(path, &now);
	if (r < 0) {
		mount->made->huge_pages = 0;
		return error_errno(err, -r, "storage ephemeral: write %s to %s", text, path);
	}
	/* The kernel gives what it finds: less than asked is given back by the undo. */
	mount->made->huge_pages = now > before ? now - before : 0;
	if (mount->made->huge_pages < wanted)
		return error_set(err, STATUS_RESOURCE_EXHAUSTED, ENOMEM,
			"storage ephemeral: %" PRIu64 " huge pages of %" PRIu64
			" KiB wanted, %" PRIu64 " found",
			wanted, page / 1024, mount->made->huge_pages);
	return 0;
}

/* Options are honoured from the first mount on: size, noexec, nosuid, nodev (sharp edge g11). */
static int prepare(struct storage_mount *mount, struct error *err)
{
	int r;

	if (str_empty(mount->fstype))
		mount->fstype = "tmpfs";
	if (str_empty(mount->source))
		mount->source = mount->fstype;
	r = storage_take_options(mount, FSGID, err);
	if (r >= 0 && is_huge(mount->request))
		r = reserve_huge_pages(mount, err);
	return r;
}

static int finish(struct storage_mount *mount, struct error *err)
{
	const struct storage_request *request = mount->request;
	struct stat st;
	uint64_t gid;

	if (find_number(request, FSGID, &gid) < 0)
		return 0;
	if (chown(request->mount_point, (uid_t)-1, (gid_t)gid) < 0)
		return error_errno(err, errno, "storage ephemeral: give %s to group %" PRIu64,
			request->mount_point, gid);
	if (stat(request->mount_point, &st) < 0 ||
		chmod(request->mount_point, (st.st_mode & 07777) | S_ISGID) < 0)
		return error_errno(
			err, errno, "storage ephemeral: set-group-id of %s", request->mount_point);
	return 0;
}

const struct storage_driver storage_ephemeral = {
	.name = "ephemeral",
	.check = check,
	.prepare = prepare,
	.finish = finish,
};
