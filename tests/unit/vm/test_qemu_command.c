/* qemu_command: the argument list for a config. */
#include <stdio.h>
#include <string.h>

#include "lib/test_main.h"
#include "vm/qemu_command.h"

static struct vm_config sample(void)
{
	struct vm_config c = VM_CONFIG_INIT;

	c.name = "c1";
	c.arch = "x86_64";
	c.kernel = "/k";
	c.initrd = "/i";
	c.accel = VM_ACCEL_TCG;
	c.cpus = 2;
	c.memory_bytes = 300ull << 20;
	c.reserve_bytes = 40ull << 20;
	c.kernel_bytes = 48ull << 20;
	c.image_fd = 11;
	c.console_fd = 12;
	c.qmp_fd = 13;
	c.vsock = VM_VSOCK_VHOST_USER;
	c.vsock_socket = "/tmp/a,b/v.sock";
	return c;
}

static bool has(const struct qemu_command *command, const char *arg)
{
	for (unsigned i = 0; i < command->count; i++) {
		if (strcmp(command->argv[i], arg) == 0)
			return true;
	}
	return false;
}

/* The value behind an option: its first, or the next after `from`. */
static const char *value_of(const struct qemu_command *command, const char *option)
{
	for (unsigned i = 0; i + 1 < command->count; i++) {
		if (strcmp(command->argv[i], option) == 0)
			return command->argv[i + 1];
	}
	return "";
}

static void x86_over_vhost_user(void **state)
{
	struct vm_config c = sample();
	struct error err = ERROR_INIT;
	struct qemu_command command;
	const char *append;

	assert_int_equal(qemu_command_build(&c, &command, &err), 0);
	assert_string_equal(command.argv[0], "qemu-system-x86_64");
	assert_null(command.argv[command.count]);
	assert_true(has(&command, "memory-backend-memfd,id=mem0,size=300M,share=on"));
	assert_string_equal(value_of(&command, "-machine"), "q35,memory-backend=mem0");
	assert_string_equal(value_of(&command, "-accel"), "tcg");
	assert_string_equal(value_of(&command, "-m"), "300M");
	assert_string_equal(value_of(&command, "-smp"), "2");
	assert_true(has(&command, "-no-reboot"));
	/* emulated: no ERMS, whose `rep movsb` would copy byte by byte */
	assert_string_equal(value_of(&command, "-cpu"), "max,-erms,-fsrm");
	assert_true(has(&command, "-nodefaults"));
	assert_true(has(&command, "-no-user-config"));
	assert_string_equal(value_of(&command, "-sandbox"),
		"on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny");
	/* one monitor: nobody else's */
	assert_string_equal(value_of(&command, "-mon"), "chardev=qmp0,mode=control");
	assert_false(has(&command, "chardev=qmp1,mode=control"));
	assert_true(has(&command, "socket,id=vsock0,path=/tmp/a,,b/v.sock"));
	assert_true(has(&command, "vhost-user-vsock-pci,id=vsock0-device,chardev=vsock0"));
	assert_true(has(&command, "fd=11,set=1,opaque=image"));
	assert_true(has(&command, "socket,id=console0,fd=12"));
	assert_true(has(&command, "socket,id=qmp0,fd=13"));
	assert_non_null(strstr(value_of(&command, "-blockdev"), "read-only=on"));
	append = value_of(&command, "-append");
	assert_non_null(strstr(append, "console=ttyS0 quiet panic=-1 "));
	assert_non_null(strstr(append, " cgroup_no_v1=all "));
	assert_non_null(strstr(
		append, " cradle.skip_modules=virtiofs,fuse,virtio_net,net_failover,failover"));
	assert_non_null(strstr(append, " cradle.reserve=41943040 "));
	assert_non_null(strstr(
		append, " cradle.memory=314572800 cradle.kernel_memory=50331648 cradle.cpus=2"));
	qemu_command_release(&command);
	assert_int_equal(command.count, 0);
}

static void host_kernels_vsock_and_no_image(void **state)
{
	struct vm_config c = sample();
	struct error err = ERROR_INIT;
	struct qemu_command command;

	c.vsock = VM_VSOCK_VHOST_KERNEL;
	c.cid = 77;
	c.vhost_fd = 9;
	c.image_fd = -1;
	c.accel = VM_ACCEL_KVM;
	c.kernel_args = "agent.log=debug";
	assert_int_equal(qemu_command_build(&c, &command, &err), 0);
	assert_true(has(&command, "vhost-vsock-pci,id=vsock0,guest-cid=77,vhostfd=9"));
	assert_false(has(&command, "-blockdev"));
	assert_string_equal(value_of(&command, "-accel"), "kvm");
	assert_string_equal(value_of(&command, "-cpu"), "host");
	assert_non_null(strstr(value_of(&command, "-append"), " agent.log=debug"));
	qemu_command_release(&command);
}

static void a_disk_to_boot_from(void **state)
{
	struct vm_config c = sample();
	struct error err = ERROR_INIT;
	struct qemu_command command;

	c.disk_fd = 14;
	c.disk_fstype = "erofs";
	assert_int_equal(qemu_command_build(&c, &command, &err), 0);
	assert_true(has(&command, "fd=14,set=2,opaque=root"));
	assert_true(has(&command, "virtio-blk-pci,id=disk1,drive=image1,serial=root"));
	assert_string_equal(value_of(&command, "-initrd"), "/i");
	assert_non_null(strstr(value_of(&command, "-append"),
		" root=/dev/vdb rootfstype=erofs ro cradle.root=root"));
	qemu_command_release(&command);
	/* alone, and by a kernel that needs no initrd; the channel's number is another */
	c.image_fd = -1;
	c.initrd = NULL;
	c.arch = "s390x";
	assert_int_equal(qemu_command_build(&c, &command, &err), 0);
	assert_false(has(&command, "-initrd"));
	assert_true(
		has(&command, "virtio-blk-ccw,devno=fe.0.00d2,id=disk1,drive=image1,serial=root"));
	assert_non_null(strstr(value_of(&command, "-append"), " root=/dev/vda "));
	qemu_command_release(&command);
	c.disk_fstype = NULL;
	assert_true(qemu_command_build(&c, &command, &err) < 0);
}

static void a_folder_of_its_own_has_a_monitor(void **state)
{
	struct vm_config c = sample();
	struct error err = ERROR_INIT;
	struct qemu_command command;

	c.socket_folder = "/run/a,b";
	assert_int_equal(qemu_command_build(&c, &command, &err), 0);
	assert_true(has(&command, "socket,id=qmp1,path=/run/a,,b/qmp.sock,server=on,wait=off"));
	assert_true(has(&command, "chardev=qmp1,mode=control"));
	qemu_command_release(&command);
}

static void every_architecture_has_its_row(void **state)
{
	static const struct {
		const char *arch, *console, *disk, *net, *net_path;
	} rows[] = {
		{"x86_64", "console=ttyS0 ", "virtio-blk-pci,id=disk0,drive=image0,serial=image",
			"virtio-net-pci,romfile=,addr=0x10", "10"},
		{"s390x", "console=ttysclp0 ",
			"virtio-blk-ccw,devno=fe.0.00d1,id=disk0,drive=image0,serial=image",
			"virtio-net-ccw,devno=fe.0.0010", "0.0.0010"},
		{"aarch64", "console=ttyAMA0 ", "virtio-blk-pci,id=disk0,drive=image0,serial=image",
			"virtio-net-pci,romfile=,addr=0x10", "10"},
		{"ppc64le", "console=hvc0 ", "virtio-blk-pci,id=disk0,drive=image0,serial=image",
			"virtio-net-pci,romfile=,addr=0x10", "10"},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct vm_config c = sample();
		struct error err = ERROR_INIT;
		struct qemu_command command;
		char net[128];

		c.arch = rows[i].arch;
		assert_non_null(strstr(qemu_arch_names(), rows[i].arch));
		assert_true(strncmp(qemu_package(rows[i].arch), "qemu-system-", 12) == 0);
		assert_string_equal(qemu_net_path(rows[i].arch), rows[i].net_path);
		assert_int_equal(qemu_command_build(&c, &command, &err), 0);
		assert_true(has(&command, rows[i].disk));
		/* no network unless it was asked for */
		assert_false(has(&command, "-netdev"));
		qemu_command_release(&command);
		c.net = VM_NET_USER;
		snprintf(net, sizeof(net), "%s,id=net0-device,netdev=net0,mac=52:54:00:c8:ad:1e",
			rows[i].net);
		assert_int_equal(qemu_command_build(&c, &command, &err), 0);
		assert_true(has(&command, net));
		assert_non_null(strstr(value_of(&command, "-netdev"), "user,id=net0,ipv6=off,"));
		assert_null(strstr(value_of(&command, "-append"), "virtio_net"));
		assert_non_null(strstr(value_of(&command, "-append"), rows[i].console));
		/* the agent looks where the disk is */
		if (strcmp(rows[i].arch, "s390x") == 0) {
			assert_string_equal(qemu_disk_driver("s390x"), "blk-ccw");
			assert_string_equal(qemu_disk_device("s390x"), "0.0.00d1");
		} else {
			assert_string_equal(qemu_disk_driver(rows[i].arch), "blk");
			assert_string_equal(qemu_disk_device(rows[i].arch), "/dev/vda");
		}
		qemu_command_release(&command);
	}
}

static void shares(void **state)
{
	static const struct vm_share given[VM_SHARES_MAX] = {
		{.host = "/a", .tag = "volume0"}, {.host = "/b", .tag = "volume1"}};
	struct vm_config c = sample();
	struct error err = ERROR_INIT;
	struct qemu_command command;

	c.shares = given;
	c.share_count = 2;
	c.share_fds[0] = 21;
	c.share_fds[1] = 22;
	assert_int_equal(qemu_command_build(&c, &command, &err), 0);
	assert_true(has(&command, "socket,id=share0,fd=21"));
	assert_non_null(strstr(value_of(&command, "-append"),
		" cradle.skip_modules=virtio_net,net_failover,failover"));
	qemu_command_release(&command);
	c.net = VM_NET_USER;
	assert_int_equal(qemu_command_build(&c, &command, &err), 0);
	assert_null(strstr(value_of(&command, "-append"), "skip_modules"));
	assert_true(has(&command, "socket,id=share1,fd=22"));
	assert_true(has(&command,
		"vhost-user-fs-pci,id=share1-device,chardev=share1,tag=volume1,queue-size=1024"));
	qemu_command_release(&command);
	c.arch = "s390x";
	assert_int_equal(qemu_command_build(&c, &command, &err), 0);
	assert_true(has(&command,
		"vhost-user-fs-ccw,id=share0-device,chardev=share0,tag=volume0,queue-size=1024"));
	qemu_command_release(&command);
	/* As many as there may be fit into the list. */
	c.share_count = VM_SHARES_MAX;
	assert_int_equal(qemu_command_build(&c, &command, &err), 0);
	qemu_command_release(&command);
	c.share_count = VM_SHARES_MAX + 1;
	assert_true(qemu_command_build(&c, &command, &err) < 0);
}

/* What virtiofsd of this machine would misread is not given to it. */
static void whose_guests_can_have_shares(void **state)
{
#ifdef __x86_64__
	assert_null(qemu_no_shares("x86_64"));
	assert_null(qemu_no_shares("aarch64"));
	assert_non_null(strstr(qemu_no_shares("s390x"), "byte order"));
	assert_non_null(strstr(qemu_no_shares("ppc64le"), "O_LARGEFILE"));
#else
	assert_true(!qemu_no_shares("x86_64") == !!qemu_no_shares("s390x"));
#endif
}

static void refuses_half_a_config(void **state)
{
	struct qemu_command command = {.count = 0};
	struct error err = ERROR_INIT;
	struct vm_config c = sample();

	c.arch = "vax";
	assert_true(qemu_command_build(&c, &command, &err) < 0);
	assert_non_null(strstr(err.text, "vax"));
	c = sample();
	c.accel = VM_ACCEL_AUTO;
	assert_true(qemu_command_build(&c, &command, &err) < 0);
	c = sample();
	c.kernel = NULL;
	assert_true(qemu_command_build(&c, &command, &err) < 0);
	c = sample();
	c.vsock_socket = NULL;
	assert_true(qemu_command_build(&c, &command, &err) < 0);
	assert_int_equal(command.count, 0);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(x86_over_vhost_user),
	cmocka_unit_test(host_kernels_vsock_and_no_image),
	cmocka_unit_test(a_disk_to_boot_from),
	cmocka_unit_test(a_folder_of_its_own_has_a_monitor),
	cmocka_unit_test(every_architecture_has_its_row),
	cmocka_unit_test(shares),
	cmocka_unit_test(whose_guests_can_have_shares),
	cmocka_unit_test(refuses_half_a_config),
};

TEST_MAIN(tests)
