/*
 * vm_store: where named VMs live: a folder of this user's, with an entry (a folder) per VM. Who
 * lives is told by the kernel, not by a file: a VM's keeper holds a lock (fcntl(2)) on its entry's
 * file "lock", and F_GETLK names the holder. Two starts at once, or a start and a clean-up, meet at
 * the store's own lock. Everything found here is checked: it may be another's, or made by hand.
 *
 *   NAME/vm.json                       what was asked and given (vm_record.h)
 *   NAME/agent.sock                    hybrid vsock to the guest; qmp.sock: QEMU's second monitor
 *   NAME/{console,kernel,agent}.log    what the guest said; vm.log: the keeper, QEMU's complaints
 *
 * Used by the subcommands of `cradle vm`. Nothing here sleeps for longer than another start takes.
 */
#ifndef VMS_VM_STORE_H
#define VMS_VM_STORE_H

#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/* A socket's path must fit into 108 bytes (unix(7)): folder, '/', name, "/agent.sock". */
#define VM_STORE_PATH_MAX 56
#define VM_NAME_MAX	  33 /* with the NUL */
#define VM_ENTRY_PATH_MAX (VM_STORE_PATH_MAX + 1 + VM_NAME_MAX)

struct vm_store {
	char path[VM_STORE_PATH_MAX];
	int lock_fd; /* owned; the store's own lock is taken on it */
};

struct vm_entry {
	char name[VM_NAME_MAX];
	char path[VM_ENTRY_PATH_MAX];
	int fd;	     /* the folder, owned */
	int lock_fd; /* its file "lock", owned; closing it in the keeper ends the lock */
};

/* 1 to 32 of letters, digits, '.', '-' and '_', the first a letter or digit. */
bool vm_name_valid(const char *name);

/*
 * $CRADLE_STATE, else /run/cradle for root and $XDG_RUNTIME_DIR/cradle for everybody else; made,
 * mode 0700, when it is not there. 0, or negative errno with err (not ours, open to others, ...).
 */
int vm_store_open(struct vm_store *store, struct error *err);
void vm_store_close(struct vm_store *store);
/* Waits for the lock; a child inherits it, and it ends when both have let go. */
int vm_store_lock(struct vm_store *store, struct error *err);
void vm_store_unlock(struct vm_store *store);
/* Calls each for every name that is an entry, in alphabetical order. 0 or negative errno. */
int vm_store_for_each(const struct vm_store *store, void (*each)(const char *name, void *context),
	void *context, struct error *err);

/*
 * Under the store's lock. A new, empty entry; what a dead VM of that name left is removed. err
 * names the VM that has the name. The caller, or a child of it, becomes the keeper.
 */
int vm_entry_create(
	const struct vm_store *store, const char *name, struct vm_entry *ret, struct error *err);
/* An entry that is there; NOT_FOUND with err otherwise. */
int vm_entry_open(
	const struct vm_store *store, const char *name, struct vm_entry *ret, struct error *err);
void vm_entry_close(struct vm_entry *entry);
/* This process is the keeper from now on, until it ends or closes the entry. 0 or negative errno.
 */
int vm_entry_keep(struct vm_entry *entry);
/* The keeper's pid; 0: there is none; -1: there is one, in a PID namespace we do not see. */
pid_t vm_entry_keeper(const struct vm_entry *entry);
/*
 * A pidfd of the keeper: certainly of it, as it is checked afterwards that it still holds the lock.
 * -ESRCH: there is none. -EREMOTE: not in our PID namespace.
 */
int vm_entry_keeper_fd(const struct vm_entry *entry);
/*
 * Under the store's lock, when it is dead or by its keeper: removes the folder and what is in it.
 * Where a younger VM of that name stands by now, it is left alone. 0 or negative errno.
 */
int vm_entry_remove(const struct vm_entry *entry);
/* "ENTRY/file" */
void vm_entry_file(const struct vm_entry *entry, const char *file, char *out, size_t size);

#endif
