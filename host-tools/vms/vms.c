/* vms: `cradle vm`: VMs with names, that stay. Finds the word behind "vm" in the table. */
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/socket.h"
#include "base/strings.h"
#include "command_options.h"
#include "nearest.h"
#include "vm/vm_boot.h"
#include "vms/vms_internal.h"

static const char help[] =
	"Usage: cradle vm start [OPTION...] NAME\n"
	"       cradle vm list [--json]\n"
	"       cradle vm status [--json] NAME\n"
	"       cradle vm stop [--timeout SECONDS] NAME...\n"
	"       cradle vm console [--lines N] [--no-follow] NAME\n"
	"       cradle vm log [--agent|--kernel|--keeper] [--lines N] [--follow] NAME\n"
	"\n"
	"VMs that stay: each has a keeper, a process of its own that outlives 'cradle vm start'.\n"
	"NAME is 1 to 32 of letters, digits, '.', '-', '_'. Where an agent's ADDRESS is wanted\n"
	"(call, stats, oom, relay), the name will do.\n"
	"\n"
	"start boots a VM and waits until its agent answers; then it prints 'ready NAME ADDRESS'.\n"
	"Options, as 'cradle run' has them: --memory SIZE (of all containers together; the VM is\n"
	"this plus a reserve), --cpus N, --explain, --arch ARCH, --accel auto|kvm|tcg,\n"
	"--kernel FILE, --initrd FILE, --disk IMAGE, --qemu PROGRAM, --append WORDS,\n"
	"--boot-timeout N,\n"
	"--verbose (the agent says more in its log), --rootfs DIR|TAR (the guest's\n"
	"/dev/vda), --net none|user (eth0 is set up before 'ready'; containers have the VM's\n"
	"network). -v, --volume HOST:TAG[:ro] shares a folder or file of this host, as 'cradle\n"
	"run' does; a container gets it by a storage {\"driver\": \"virtio-fs\", \"source\":\n"
	"TAG, \"fstype\": \"virtiofs\", \"mount_point\": ...} of CreateContainer. Its virtiofsd\n"
	"lives and dies with the VM. Ctrl-C while it boots ends it; a starter that is killed "
	"leaves it alone.\n"
	"\n"
	"list shows every VM: booting, running, stopping, or dead with the reason. A VM that "
	"ended\n"
	"without being asked to stays in the list, with its logs, until it is stopped or its name\n"
	"is used again.\n"
	"\n"
	"status shows what was asked for, what QEMU was given and what the guest sees.\n"
	"\n"
	"stop asks the agent to end (DestroySandbox), after --timeout seconds (default 10; 0 asks\n"
	"nobody for long) ends QEMU, and removes all that is left, logs included.\n"
	"\n"
	"console shows the last lines of the guest's console (--lines, default 200) and follows\n"
	"until the VM ends; log shows the agent's records, one JSON object a line, or the\n"
	"kernel's lines, or the keeper's.\n"
	"\n"
	"Files: $CRADLE_STATE, else /run/cradle for root, $XDG_RUNTIME_DIR/cradle for others, "
	"with\n"
	"a folder per VM: agent.sock (hybrid vsock: 'CONNECT 1024', then the agent), qmp.sock,\n"
	"vm.json, console.log, kernel.log, agent.log, vm.log. A log that reaches 1 MiB becomes\n"
	"NAME.log.1.\n"
	"\n"
	"Examples:\n"
	"  cradle vm start --memory 64M web\n"
	"  cradle vm list\n"
	"  cradle vm status web\n"
	"  cradle call web Check\n"
	"  cradle stats web\n"
	"  cradle vm log --lines 5 web\n"
	"  cradle vm console --no-follow web\n"
	"  cradle vm stop web\n"
	"\n"
	"Exit code: 0; 125 it did not work, with the reason on standard error.\n";

static const struct {
	const char *name;
	int (*main)(int argc, char **argv);
} subcommands[] = {
	{"start", vm_start_main},
	{"list", vm_list_main},
	{"status", vm_status_main},
	{"stop", vm_stop_main},
	{"console", vm_console_main},
	{"log", vm_log_main},
};

static int unknown_word(const char *word)
{
	struct nearest nearest;

	nearest_init(&nearest, word);
	for (size_t i = 0; i < ARRAY_SIZE(subcommands); i++)
		nearest_offer(&nearest, subcommands[i].name);
	if (nearest.best)
		return command_usage_error(
			&vm_command, "there is no '%s'; did you mean '%s'?", word, nearest.best);
	return command_usage_error(&vm_command, "there is no '%s'", word);
}

static int vm_main(int argc, char **argv)
{
	if (argc < 2)
		return command_usage_error(
			&vm_command, "start, list, status, stop, console or log?");
	for (int i = 1; i < argc; i++) {
		if (str_eq(argv[i], "--help") || str_eq(argv[i], "-h")) {
			command_print_help(&vm_command);
			return 0;
		}
	}
	for (size_t i = 0; i < ARRAY_SIZE(subcommands); i++) {
		if (str_eq(argv[1], subcommands[i].name))
			return subcommands[i].main(argc - 1, argv + 1);
	}
	return unknown_word(argv[1]);
}

const struct command vm_command = {
	.name = "vm",
	.summary = "named VMs that stay: start, list, status, stop, console, log",
	.help = help,
	.main = vm_main,
};

/* ---- what the subcommands share ---- */

const char *vm_name_argument(int argc, char **argv)
{
	if (optind >= argc)
		command_usage_error(&vm_command, "%s: a VM's name is missing", argv[0]);
	else if (optind + 1 < argc)
		command_usage_error(
			&vm_command, "%s: '%s' is one word too many", argv[0], argv[optind + 1]);
	else
		return argv[optind];
	return NULL;
}

int vm_complain(const struct error *err)
{
	char text[ERROR_RENDER_MAX];

	fprintf(stderr, "cradle vm: %s\n", error_render(err, text, sizeof(text)));
	return EXIT_CRADLE_FAILED;
}

int vm_open(const char *name, struct vm_store *store, struct vm_entry *entry)
{
	struct error err = ERROR_INIT;

	if (vm_store_open(store, &err) < 0)
		return vm_complain(&err);
	if (vm_entry_open(store, name, entry, &err) == 0)
		return 0;
	vm_store_close(store);
	return vm_complain(&err);
}

void vm_agent_address(const struct vm_entry *entry, char *out, size_t size)
{
	str_format(out, size, "hvsock://%s/agent.sock:%d", entry->path, AGENT_PORT);
}
