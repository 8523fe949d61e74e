/*
 * vm_config: everything that decides how a VM is started, as one plain struct. run/ fills it,
 * sizing.c computes its size, accel.c its accelerator, qemu_command.c turns it into an argument
 * list, vm.c starts it. Strings are not owned.
 */
#ifndef VM_VM_CONFIG_H
#define VM_VM_CONFIG_H

#include <stdbool.h>
#include <stdint.h>

enum vm_accel { VM_ACCEL_AUTO, VM_ACCEL_KVM, VM_ACCEL_TCG };

/* Who is the guest's vsock device: the host's kernel, or this process over vhost-user. */
enum vm_vsock { VM_VSOCK_VHOST_USER, VM_VSOCK_VHOST_KERNEL };

/* Bounded by what a PCI bus and QEMU's argument list hold with ease. */
#define VM_SHARES_MAX 16

/* A file that is shared has this name in its share. */
#define SHARE_FILE_NAME "file"

/* A folder or a plain file of the host, for the guest to mount by its tag (virtio-fs). */
struct vm_share {
	const char *host; /* absolute */
	char tag[16];	  /* letters and digits */
	bool file;	  /* not a folder */
	bool read_only;	  /* for the guest, whatever it tries */
};
/* The guest's network: none but its loopback, or QEMU's own (guest_net.h). */
enum vm_net { VM_NET_NONE, VM_NET_USER };

struct vm_config {
	const char *name;   /* shown by ps and QEMU's messages; letters, digits, '-', '_', '.' */
	const char *arch;   /* as uname -m: x86_64 */
	const char *qemu;   /* program; NULL = the architecture's qemu-system-* on PATH */
	const char *kernel; /* file */
	const char *initrd; /* file; NULL = none, with a disk and a kernel that has its drivers */
	const char *kernel_args; /* added to the kernel command line; may be NULL */
	enum vm_accel accel;	 /* not AUTO by the time QEMU is started */
	unsigned cpus;		 /* >= 1 */
	uint64_t memory_bytes;	 /* whole VM, a multiple of 1 MiB */
	uint64_t reserve_bytes;	 /* of it: kept for kernel and agent; told to the agent */
	uint64_t kernel_bytes;	 /* of it: may be missing in MemTotal; told to the agent */
	enum vm_net net;
	bool verbose; /* the kernel talks on the console */
	/* A folder of the VM's own for its sockets (qmp.sock, a second monitor, among them); NULL:
	 * a private one, and no second monitor. It is the caller's. */
	const char *socket_folder;
	bool agent_debug; /* the agent tells all it does there */

	const struct vm_share *shares;
	unsigned share_count;
	const char *virtiofsd; /* program; NULL = where Debian has it */
	/* Whom the guest sees as the owner of what belongs to the user who started us, when that is
	 * not root. */
	uint32_t share_uid, share_gid;

	/* Descriptors that QEMU inherits; the config does not own them. -1 = none. */
	int image_fd;		 /* read-only root image, becomes /dev/vda */
	int disk_fd;		 /* read-only disk that the guest boots from (disk_image.h) */
	const char *disk_fstype; /* what it holds; with disk_fd */
	int console_fd;		 /* connected stream socket: the guest's console */
	int qmp_fd;		 /* connected stream socket: QMP */
	enum vm_vsock vsock;
	const char *vsock_socket;     /* VHOST_USER: unix path where our device listens */
	int vhost_fd;		      /* VHOST_KERNEL: /dev/vhost-vsock with its CID set */
	uint32_t cid;		      /* VHOST_KERNEL: that CID */
	int share_fds[VM_SHARES_MAX]; /* connected stream sockets to the shares' daemons */
};

#define VM_CONFIG_INIT                                                                             \
	{                                                                                          \
		.image_fd = -1, .disk_fd = -1, .console_fd = -1, .qmp_fd = -1, .vhost_fd = -1      \
	}

#endif
