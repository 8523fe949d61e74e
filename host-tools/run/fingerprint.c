/* fingerprint: one pass of lstat over a tree, hashed in the order of names. */
#include "run/fingerprint.h"

#include <errno.h>
#include <fts.h>
#include <sha2.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

/* Files are stamped with the kernel's tick, at most 10 ms long (CONFIG_HZ=100). */
#define TICK_NS 20000000ll

struct walk {
	SHA2_CTX hash;
	struct timespec newest; /* ctime */
};

static bool later(const struct timespec *a, const struct timespec *b)
{
	return a->tv_sec > b->tv_sec || (a->tv_sec == b->tv_sec && a->tv_nsec > b->tv_nsec);
}

static void feed_u64(struct walk *walk, uint64_t value)
{
	SHA256Update(&walk->hash, (const uint8_t *)&value, sizeof(value));
}

static void feed_file(struct walk *walk, const char *name, const struct stat *st)
{
	const uint64_t facts[] = {st->st_mode, st->st_uid, st->st_gid, (uint64_t)st->st_size,
		st->st_ino, st->st_dev, st->st_rdev, (uint64_t)st->st_mtim.tv_sec,
		(uint64_t)st->st_mtim.tv_nsec, (uint64_t)st->st_ctim.tv_sec,
		(uint64_t)st->st_ctim.tv_nsec};

	SHA256Update(&walk->hash, (const uint8_t *)name, strlen(name) + 1);
	for (size_t i = 0; i < sizeof(facts) / sizeof(facts[0]); i++)
		feed_u64(walk, facts[i]);
	if (later(&st->st_ctim, &walk->newest))
		walk->newest = st->st_ctim;
}

static int by_name(const FTSENT **a, const FTSENT **b)
{
	return strcmp((*a)->fts_name, (*b)->fts_name);
}

static int walk_entry(struct walk *walk, const FTSENT *entry, size_t skip, struct error *err)
{
	switch (entry->fts_info) {
	case FTS_DP:
		return 0;
	case FTS_DNR:
	case FTS_ERR:
	case FTS_NS:
		return error_errno(err, entry->fts_errno, "read %s", entry->fts_path);
	default:
		feed_file(walk, entry->fts_path + skip, entry->fts_statp);
		return 0;
	}
}

static int walk_tree(struct walk *walk, const char *path, struct error *err)
{
	char *const paths[] = {(char *)path, NULL};
	/* COMFOLLOW: the given name itself may be a link to the tree. */
	FTS *fts = fts_open(paths, FTS_PHYSICAL | FTS_COMFOLLOW | FTS_NOCHDIR, by_name);
	FTSENT *entry;
	int r = 0;

	if (!fts)
		return error_errno(err, errno, "read %s", path);
	while (r == 0 && (errno = 0, entry = fts_read(fts)))
		r = walk_entry(walk, entry, strlen(path), err);
	if (r == 0 && errno)
		r = error_errno(err, errno, "read %s", path);
	fts_close(fts);
	return r;
}

/* True when there was something to wait for: then look again. */
static bool wait_out_tick(const struct timespec *newest)
{
	struct timespec now;
	int64_t age;

	clock_gettime(CLOCK_REALTIME, &now);
	age = (now.tv_sec - newest->tv_sec) * 1000000000ll + (now.tv_nsec - newest->tv_nsec);
	if (age < 0 || age >= TICK_NS)
		return false;
	nanosleep(&(struct timespec){.tv_nsec = TICK_NS - age}, NULL);
	return true;
}

static int walk_once(struct walk *walk, const char *path, const char *salt,
	char ret[FINGERPRINT_SIZE], struct error *err)
{
	int r;

	memset(walk, 0, sizeof(*walk));
	SHA256Init(&walk->hash);
	SHA256Update(&walk->hash, (const uint8_t *)salt, strlen(salt) + 1);
	r = walk_tree(walk, path, err);
	if (r == 0)
		SHA256End(&walk->hash, ret);
	return r;
}

int fingerprint_make(
	const char *path, const char *salt, char ret[FINGERPRINT_SIZE], struct error *err)
{
	struct walk walk;
	int r = walk_once(&walk, path, salt, ret, err);

	if (r == 0 && wait_out_tick(&walk.newest))
		r = walk_once(&walk, path, salt, ret, err);
	return r;
}
