/* vm_store: see the header. */
#include "vms/vm_store.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/path.h"
#include "base/strings.h"

#define LOCK_FILE    "lock"
#define FOLDER_FLAGS (O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)

bool vm_name_valid(const char *name)
{
	size_t len = strlen(name);

	if (len == 0 || len >= VM_NAME_MAX || !isalnum((unsigned char)name[0]))
		return false;
	for (; *name; name++) {
		if (!isalnum((unsigned char)*name) && !strchr("._-", *name))
			return false;
	}
	return true;
}

/* ---- the folder of all ---- */

static int choose_folder(char *out, size_t size, struct error *err)
{
	const char *given = getenv("CRADLE_STATE"), *runtime = getenv("XDG_RUNTIME_DIR");
	int r;

	if (!str_empty(given))
		r = str_copy(out, size, given);
	else if (geteuid() == 0)
		r = str_copy(out, size, "/run/cradle");
	else if (!str_empty(runtime))
		r = str_format(out, size, "%s/cradle", runtime);
	else
		return error_invalid(
			err, "no folder for VMs: neither CRADLE_STATE nor XDG_RUNTIME_DIR is set");
	if (r < 0)
		return error_invalid(err,
			"the folder for VMs (CRADLE_STATE, XDG_RUNTIME_DIR) is longer than %zu "
			"bytes: its sockets could not be reached",
			size - 1);
	if (!path_is_absolute(out))
		return error_invalid(err, "the folder for VMs is not absolute: '%s'", out);
	return 0;
}

/* Ours alone? Whoever else could write here could make us remove and talk to what they like. */
static int check_folder(int fd, const char *path, struct error *err)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return error_errno(err, errno, "folder %s", path);
	if (st.st_uid != geteuid())
		return error_set(err, STATUS_PERMISSION_DENIED, 0,
			"folder %s belongs to user %u, not to us", path, (unsigned)st.st_uid);
	if (st.st_mode & 077)
		return error_set(err, STATUS_PERMISSION_DENIED, 0,
			"folder %s is open to others (mode %04o): it must be 0700", path,
			(unsigned)(st.st_mode & 07777));
	return 0;
}

int vm_store_open(struct vm_store *store, struct error *err)
{
	int r;

	store->lock_fd = -1;
	r = choose_folder(store->path, sizeof(store->path), err);
	if (r < 0)
		return r;
	if (mkdir(store->path, 0700) < 0 && errno != EEXIST)
		return error_errno(err, errno, "make the folder for VMs, %s", store->path);
	store->lock_fd = open(store->path, FOLDER_FLAGS);
	if (store->lock_fd < 0)
		return error_errno(err, errno, "folder for VMs, %s", store->path);
	r = check_folder(store->lock_fd, store->path, err);
	if (r < 0)
		vm_store_close(store);
	return r;
}

void vm_store_close(struct vm_store *store)
{
	close_fd(&store->lock_fd);
}

int vm_store_lock(struct vm_store *store, struct error *err)
{
	while (flock(store->lock_fd, LOCK_EX) < 0) {
		if (errno != EINTR)
			return error_errno(err, errno, "lock %s", store->path);
	}
	return 0;
}

void vm_store_unlock(struct vm_store *store)
{
	flock(store->lock_fd, LOCK_UN);
}

int vm_store_for_each(const struct vm_store *store, void (*each)(const char *name, void *context),
	void *context, struct error *err)
{
	struct dirent **list = NULL;
	int count = scandir(store->path, &list, NULL, alphasort);

	if (count < 0)
		return error_errno(err, errno, "read %s", store->path);
	for (int i = 0; i < count; i++) {
		if (vm_name_valid(list[i]->d_name))
			each(list[i]->d_name, context);
		free(list[i]);
	}
	free(list);
	return 0;
}

/* ---- one entry ---- */

static int name_entry(
	const struct vm_store *store, const char *name, struct vm_entry *entry, struct error *err)
{
	memset(entry, 0, sizeof(*entry));
	entry->fd = entry->lock_fd = -1;
	if (!vm_name_valid(name))
		return error_invalid(err,
			"'%.60s' cannot be a VM's name: 1 to 32 of letters, digits, '.', '-', '_', "
			"the first a letter or digit",
			name);
	str_copy(entry->name, sizeof(entry->name), name);
	str_format(entry->path, sizeof(entry->path), "%s/%s", store->path, name);
	return 0;
}

static int open_entry(struct vm_entry *entry, int lock_flags, struct error *err)
{
	int r;

	entry->fd = open(entry->path, FOLDER_FLAGS);
	if (entry->fd < 0 && errno == ENOENT)
		return error_set(err, STATUS_NOT_FOUND, ENOENT,
			"there is no VM '%s' ('cradle vm list' shows all)", entry->name);
	if (entry->fd < 0)
		return error_errno(err, errno, "VM '%s'", entry->name);
	r = check_folder(entry->fd, entry->path, err);
	if (r < 0)
		return r;
	entry->lock_fd = openat(entry->fd, LOCK_FILE,
		O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC | lock_flags, 0600);
	/* Killed between the two: an entry nobody holds. */
	if (entry->lock_fd < 0 && errno != ENOENT)
		return error_errno(err, errno, "lock file of VM '%s'", entry->name);
	return 0;
}

int vm_entry_open(
	const struct vm_store *store, const char *name, struct vm_entry *ret, struct error *err)
{
	int r = name_entry(store, name, ret, err);

	if (r == 0)
		r = open_entry(ret, 0, err);
	if (r < 0)
		vm_entry_close(ret);
	return r;
}

/* 0 when the name is free now. */
static int remove_dead(const struct vm_store *store, const char *name, struct error *err)
{
	struct vm_entry old;
	int r = vm_entry_open(store, name, &old, err);
	pid_t keeper;

	if (r < 0)
		return r;
	keeper = vm_entry_keeper(&old);
	if (keeper)
		r = error_set(err, STATUS_ALREADY_EXISTS, EEXIST,
			"there is a VM '%s' already (its keeper is process %d)", name, (int)keeper);
	else
		r = vm_entry_remove(&old);
	if (r < 0 && keeper == 0)
		error_errno(err, -r, "remove what the dead VM '%s' left, %s", name, old.path);
	vm_entry_close(&old);
	return r;
}

int vm_entry_create(
	const struct vm_store *store, const char *name, struct vm_entry *ret, struct error *err)
{
	int r = name_entry(store, name, ret, err);

	if (r < 0)
		return r;
	r = mkdir(ret->path, 0700) < 0 ? -errno : 0;
	if (r == -EEXIST) {
		r = remove_dead(store, name, err);
		if (r < 0)
			return r;
		r = mkdir(ret->path, 0700) < 0 ? -errno : 0;
	}
	if (r < 0)
		return error_errno(err, -r, "make %s", ret->path);
	r = open_entry(ret, O_CREAT | O_EXCL, err);
	if (r < 0) {
		vm_entry_remove(ret);
		vm_entry_close(ret);
	}
	return r;
}

void vm_entry_close(struct vm_entry *entry)
{
	close_fd(&entry->fd);
	close_fd(&entry->lock_fd);
}

int vm_entry_keep(struct vm_entry *entry)
{
	struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};

	return fcntl(entry->lock_fd, F_SETLK, &lock) < 0 ? -errno : 0;
}

pid_t vm_entry_keeper(const struct vm_entry *entry)
{
	struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};

	if (entry->lock_fd < 0 || fcntl(entry->lock_fd, F_GETLK, &lock) < 0 ||
		lock.l_type == F_UNLCK)
		return 0;
	return lock.l_pid > 0 ? lock.l_pid : -1;
}

int vm_entry_keeper_fd(const struct vm_entry *entry)
{
	pid_t pid = vm_entry_keeper(entry);
	_cleanup_fd_ int fd = -1;

	if (pid <= 0)
		return pid == 0 ? -ESRCH : -EREMOTE;
	fd = (int)syscall(SYS_pidfd_open, pid, 0);
	if (fd < 0)
		return -errno;
	/* It held the lock before and holds it now: it lived all the time, so the number was its.
	 */
	if (vm_entry_keeper(entry) != pid)
		return -ESRCH;
	return take_fd(&fd);
}

/* Ours is open, so its number is not given to another. */
static bool stands_at_its_path(const struct vm_entry *entry)
{
	struct stat ours, there;

	return fstat(entry->fd, &ours) == 0 && lstat(entry->path, &there) == 0 &&
	       ours.st_dev == there.st_dev && ours.st_ino == there.st_ino;
}

int vm_entry_remove(const struct vm_entry *entry)
{
	if (entry->fd >= 0 && !stands_at_its_path(entry))
		return 0;
	return path_remove_tree(entry->path);
}

void vm_entry_file(const struct vm_entry *entry, const char *file, char *out, size_t size)
{
	str_format(out, size, "%s/%s", entry->path, file);
}
