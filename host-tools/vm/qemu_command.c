/* qemu_command: the argument list, and what differs between architectures as rows of a table. */
#include "vm/qemu_command.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/strings.h"
#include "vm/guest_net.h"

struct arch_row {
	const char *arch, *program, *package;
	const char *machine;
	const char *cpu_kvm, *cpu_tcg;
	const char *console;	  /* the guest's name of the console */
	const char *console_args; /* devices that carry it; chardev console0 */
	const char *disk;	  /* block device model */
	const char *vsock_user, *vsock_kernel;
	const char *share;	    /* virtio-fs device model */
	const char *net, *net_path; /* network device, and its place as the agent is told */
	const char *kernel_args;
};

/* Ours to choose: the agent is told where the disk is (qemu_disk_device). */
#define CCW_DISK_NUMBER	     "00d1"
#define CCW_ROOT_DISK_NUMBER "00d2"
#define ROOT_SERIAL	     "root"

/*
 * panic=-1 resets at once, and -no-reboot turns the reset into QEMU's end: a panic is noticed
 * without a timeout. reboot=t (triple fault) spares the attempts over ACPI and the keyboard
 * controller. There is no vhost-user-vsock-ccw (lab-notes.md): on s390x our own device needs zPCI.
 * A network device boots nothing: no option ROM, whose file may not be installed.
 */
#define NET_PCI "virtio-net-pci,romfile=,addr=0x10", "10"
static const struct arch_row arch_rows[] = {
	{"x86_64", "qemu-system-x86_64", "qemu-system-x86", "q35", "host", "max,-erms,-fsrm",
		"ttyS0", "-serial chardev:console0", "virtio-blk-pci", "vhost-user-vsock-pci",
		"vhost-vsock-pci", "vhost-user-fs-pci", NET_PCI,
		"reboot=t tsc=reliable no_timer_check i8042.noaux=1 i8042.nopnp=1 "
		"rcupdate.rcu_expedited=1 noreplace-smp cryptomgr.notests swiotlb=noforce"},
	{"s390x", "qemu-system-s390x", "qemu-system-misc", "s390-ccw-virtio", "host", "max",
		"ttysclp0", "-serial none -device sclpconsole,chardev=console0", "virtio-blk-ccw",
		"vhost-user-vsock-pci", "vhost-vsock-ccw", "vhost-user-fs-ccw",
		"virtio-net-ccw,devno=fe.0.0010", "0.0.0010", "rcupdate.rcu_expedited=1"},
	{"aarch64", "qemu-system-aarch64", "qemu-system-arm", "virt", "host", "max", "ttyAMA0",
		"-serial chardev:console0", "virtio-blk-pci", "vhost-user-vsock-pci",
		"vhost-vsock-pci", "vhost-user-fs-pci", NET_PCI,
		"rcupdate.rcu_expedited=1 swiotlb=noforce"},
	{"ppc64le", "qemu-system-ppc64", "qemu-system-ppc", "pseries", "host", "power9", "hvc0",
		"-serial chardev:console0", "virtio-blk-pci", "vhost-user-vsock-pci",
		"vhost-vsock-pci", "vhost-user-fs-pci", NET_PCI, "rcupdate.rcu_expedited=1"},
};

static const struct arch_row *find_arch(const char *arch)
{
	for (size_t i = 0; i < ARRAY_SIZE(arch_rows); i++) {
		if (str_eq(arch, arch_rows[i].arch))
			return &arch_rows[i];
	}
	return NULL;
}

const char *qemu_default_program(const char *arch)
{
	const struct arch_row *row = find_arch(arch);

	return row ? row->program : NULL;
}

const char *qemu_arch_names(void)
{
	return "x86_64, s390x, aarch64, ppc64le";
}

const char *qemu_package(const char *arch)
{
	const struct arch_row *row = find_arch(arch);

	return row ? row->package : NULL;
}

const char *qemu_disk_driver(const char *arch)
{
	return str_eq(arch, "s390x") ? "blk-ccw" : "blk";
}

const char *qemu_disk_device(const char *arch)
{
	return str_eq(arch, "s390x") ? "0.0." CCW_DISK_NUMBER : "/dev/vda";
}

const char *qemu_machine(const char *arch)
{
	const struct arch_row *row = find_arch(arch);

	return row ? row->machine : NULL;
}

#ifdef __powerpc64__
#define WE_ARE_POWER true
#else
#define WE_ARE_POWER false
#endif

/*
 * FUSE is spoken in the guest's byte order (virtio 1.2, 5.11.6) and with the guest's numbers of
 * open(2)'s flags; virtiofsd takes both for its own. s390x alone of the table is big-endian. On
 * power the kernel adds O_LARGEFILE, 0200000, to every open (asm/fcntl.h): on x86 that is
 * O_DIRECTORY, on arm O_DIRECT. aarch64's is x86's O_NOFOLLOW, which virtiofsd takes off.
 */
const char *qemu_no_shares(const char *arch)
{
	if (str_eq(arch, "s390x") != (__BYTE_ORDER__ == __ORDER_BIG_ENDIAN__))
		return "virtiofsd knows this machine's byte order only, and such a guest has the "
		       "other";
	if (str_eq(arch, "ppc64le") && !WE_ARE_POWER)
		return "virtiofsd takes the numbers of open(2)'s flags for this machine's, and "
		       "such a guest has others (its O_LARGEFILE is O_DIRECTORY on x86_64)";
	return NULL;
}

const char *qemu_net_path(const char *arch)
{
	const struct arch_row *row = find_arch(arch);

	return row ? row->net_path : NULL;
}

static const char *row_cpu(const struct arch_row *row, enum vm_accel accel)
{
	return accel == VM_ACCEL_KVM ? row->cpu_kvm : row->cpu_tcg;
}

const char *qemu_cpu(const char *arch, enum vm_accel accel)
{
	const struct arch_row *row = find_arch(arch);

	return row ? row_cpu(row, accel) : NULL;
}

/* ---- building the list: the first failure sticks, so that callers check once ---- */

struct builder {
	struct qemu_command command;
	int failed; /* negative errno */
};

static void __attribute__((format(printf, 2, 3))) add(struct builder *b, const char *fmt, ...)
{
	char *text = NULL;
	va_list args;
	int n;

	if (b->failed)
		return;
	va_start(args, fmt);
	n = vasprintf(&text, fmt, args);
	va_end(args);
	if (n < 0) {
		b->failed = -ENOMEM;
	} else if (b->command.count == QEMU_ARGS_MAX) {
		free(text);
		b->failed = -E2BIG;
	} else {
		b->command.argv[b->command.count++] = text;
	}
}

static void add_option(struct builder *b, const char *option, const char *value)
{
	add(b, "%s", option);
	add(b, "%s", value);
}

/* Words of a table row: options without blanks in their values. */
static void add_words(struct builder *b, const char *words)
{
	while (*words) {
		size_t len = strcspn(words, " ");

		add(b, "%.*s", (int)len, words);
		words += len + strspn(words + len, " ");
	}
}

/* In QEMU's option lists a comma in a value is written twice. The caller frees. */
static char *double_commas(const char *text)
{
	char *out = malloc(2 * strlen(text) + 1), *to = out;

	if (!out)
		return NULL;
	for (; *text; text++) {
		*to++ = *text;
		if (*text == ',')
			*to++ = ',';
	}
	*to = '\0';
	return out;
}

static void add_machine(struct builder *b, const struct arch_row *row, const struct vm_config *c)
{
	unsigned long long mib = c->memory_bytes >> 20;

	add(b, "-name");
	add(b, "cradle-%s", c->name);
	/* vhost-user needs memory that has a descriptor; without share=on there is no vsock at all.
	 */
	add(b, "-object");
	add(b, "memory-backend-memfd,id=mem0,size=%lluM,share=on", mib);
	add(b, "-machine");
	add(b, "%s,memory-backend=mem0", row->machine);
	add_option(b, "-accel", c->accel == VM_ACCEL_KVM ? "kvm" : "tcg");
	add_option(b, "-cpu", row_cpu(row, c->accel));
	add(b, "-smp");
	add(b, "%u", c->cpus);
	add(b, "-m");
	add(b, "%lluM", mib);
}

/*
 * For a kernel without an initrd root=, by the order in which disks are found; for the agent of an
 * initrd, to which root= is nothing, the serial number (agent/boot/boot_root.h).
 */
static void root_words(const struct vm_config *c, char *out, size_t size)
{
	*out = '\0';
	if (c->disk_fd >= 0)
		str_format(out, size, " root=/dev/vd%c rootfstype=%s ro cradle.root=" ROOT_SERIAL,
			c->image_fd >= 0 ? 'b' : 'a', c->disk_fstype);
}

/* Modules whose device this VM lacks: each would cost boot time and memory. */
static const char *skip_words(const struct vm_config *c)
{
	if (c->share_count)
		return c->net ? "" : " cradle.skip_modules=virtio_net,net_failover,failover";
	return c->net ? " cradle.skip_modules=virtiofs,fuse"
		      : " cradle.skip_modules=virtiofs,fuse,virtio_net,net_failover,failover";
}

static void add_kernel(struct builder *b, const struct arch_row *row, const struct vm_config *c)
{
	char root[128];

	root_words(c, root, sizeof(root));
	add_option(b, "-kernel", c->kernel);
	if (c->initrd)
		add_option(b, "-initrd", c->initrd);
	add(b, "-append");
	add(b,
		"console=%s %s panic=-1 %s cgroup_no_v1=all net.ifnames=0 cradle.reserve=%llu "
		"cradle.memory=%llu cradle.kernel_memory=%llu cradle.cpus=%u%s%s%s%s%s",
		row->console, c->verbose ? "loglevel=6" : "quiet", row->kernel_args,
		(unsigned long long)c->reserve_bytes, (unsigned long long)c->memory_bytes,
		(unsigned long long)c->kernel_bytes, c->cpus, skip_words(c), root,
		c->agent_debug ? " agent.log=debug" : "", str_empty(c->kernel_args) ? "" : " ",
		c->kernel_args ? c->kernel_args : "");
}

static void add_vsock(struct builder *b, const struct arch_row *row, const struct vm_config *c)
{
	_cleanup_free_ char *path = NULL;

	if (c->vsock == VM_VSOCK_VHOST_KERNEL) {
		add(b, "-device");
		add(b, "%s,id=vsock0,guest-cid=%u,vhostfd=%d", row->vsock_kernel, c->cid,
			c->vhost_fd);
		return;
	}
	path = double_commas(c->vsock_socket);
	if (!path) {
		b->failed = -ENOMEM;
		return;
	}
	add(b, "-chardev");
	add(b, "socket,id=vsock0,path=%s", path);
	add(b, "-device");
	add(b, "%s,id=vsock0-device,chardev=vsock0", row->vsock_user);
}

/* For people and tools; the keeper's own is a descriptor. */
static void add_second_monitor(struct builder *b, const struct vm_config *c)
{
	_cleanup_free_ char *folder = c->socket_folder ? double_commas(c->socket_folder) : NULL;

	if (!c->socket_folder)
		return;
	if (!folder) {
		b->failed = -ENOMEM;
		return;
	}
	add(b, "-chardev");
	add(b, "socket,id=qmp1,path=%s/qmp.sock,server=on,wait=off", folder);
	add_option(b, "-mon", "chardev=qmp1,mode=control");
}

/* The queue is as long as virtio lets it be: a guest with many requests under way waits less. */
static void add_shares(struct builder *b, const struct arch_row *row, const struct vm_config *c)
{
	for (unsigned i = 0; i < c->share_count; i++) {
		add(b, "-chardev");
		add(b, "socket,id=share%u,fd=%d", i, c->share_fds[i]);
		add(b, "-device");
		add(b, "%s,id=share%u-device,chardev=share%u,tag=%s,queue-size=1024", row->share, i,
			i, c->shares[i].tag);
	}
}

/*
 * IPv6 would bring addresses that nobody asked for, by the router's announcements. The addresses
 * are QEMU's defaults, said here so that one place decides.
 */
static void add_net(struct builder *b, const struct arch_row *row, const struct vm_config *c)
{
	if (c->net != VM_NET_USER)
		return;
	add_option(b, "-netdev",
		"user,id=net0,ipv6=off,net=" GUEST_NET_NETWORK ",host=" GUEST_NET_GATEWAY
		",dns=" GUEST_NET_DNS ",dhcpstart=" GUEST_NET_ADDRESS);
	add(b, "-device");
	add(b, "%s,id=net0-device,netdev=net0,mac=" GUEST_NET_MAC, row->net);
}

/* By descriptor: the file may be replaced or pruned in the cache meanwhile. */
static void add_disk(struct builder *b, const struct arch_row *row, int fd, unsigned number,
	const char *serial, const char *ccw)
{
	bool on_channel = str_ends(row->disk, "-ccw");

	add(b, "-add-fd");
	add(b, "fd=%d,set=%u,opaque=%s", fd, number + 1, serial);
	add(b, "-blockdev");
	add(b,
		"driver=raw,node-name=image%u,read-only=on,file.driver=file,"
		"file.filename=/dev/fdset/%u,file.read-only=on",
		number, number + 1);
	add(b, "-device");
	add(b, "%s%s%s,id=disk%u,drive=image%u,serial=%s", row->disk,
		on_channel ? ",devno=fe.0." : "", on_channel ? ccw : "", number, number, serial);
}

static void add_devices(struct builder *b, const struct arch_row *row, const struct vm_config *c)
{
	add(b, "-chardev");
	add(b, "socket,id=console0,fd=%d", c->console_fd);
	add_words(b, row->console_args);
	add(b, "-chardev");
	add(b, "socket,id=qmp0,fd=%d", c->qmp_fd);
	add_option(b, "-mon", "chardev=qmp0,mode=control");
	add_second_monitor(b, c);
	if (c->image_fd >= 0)
		add_disk(b, row, c->image_fd, 0, "image", CCW_DISK_NUMBER);
	if (c->disk_fd >= 0)
		add_disk(b, row, c->disk_fd, 1, ROOT_SERIAL, CCW_ROOT_DISK_NUMBER);
	add_net(b, row, c);
	add_vsock(b, row, c);
	add_shares(b, row, c);
}

static int check(const struct vm_config *c, struct error *err)
{
	if (!find_arch(c->arch))
		return error_invalid(
			err, "architecture %s: cradle knows no machine for it", c->arch);
	if (str_empty(c->kernel) || (str_empty(c->initrd) && c->disk_fd < 0))
		return error_invalid(err, "a VM needs a kernel, and an initrd or a disk");
	if (c->disk_fd >= 0 && str_empty(c->disk_fstype))
		return error_invalid(err, "a disk to boot from needs its file system's name");
	if (c->accel == VM_ACCEL_AUTO || c->cpus == 0 || c->memory_bytes < (1u << 20))
		return error_invalid(err, "a VM needs an accelerator, a CPU and memory");
	if (c->vsock == VM_VSOCK_VHOST_USER && str_empty(c->vsock_socket))
		return error_invalid(err, "vsock over vhost-user needs a socket");
	if (c->share_count > VM_SHARES_MAX)
		return error_invalid(err, "a VM has at most %d shares", VM_SHARES_MAX);
	return 0;
}

int qemu_command_build(const struct vm_config *c, struct qemu_command *ret, struct error *err)
{
	struct builder b = {0};
	int r = check(c, err);
	const struct arch_row *row = find_arch(c->arch);

	if (r < 0)
		return r;
	add(&b, "%s", c->qemu ? c->qemu : row->program);
	add_option(&b, "-display", "none");
	add_option(&b, "-vga", "none");
	add_words(&b, "-no-user-config -nodefaults -no-reboot");
	/* QEMU itself gives up what it never needs (host-side.md 3.6). */
	add_option(&b, "-sandbox",
		"on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny");
	add_machine(&b, row, c);
	add_kernel(&b, row, c);
	add_devices(&b, row, c);
	if (b.failed) {
		qemu_command_release(&b.command);
		return error_errno(err, -b.failed, "QEMU's argument list");
	}
	*ret = b.command;
	return 0;
}

void qemu_command_release(struct qemu_command *command)
{
	for (unsigned i = 0; i < command->count; i++)
		free(command->argv[i]);
	memset(command, 0, sizeof(*command));
}
