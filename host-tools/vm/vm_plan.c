/* vm_plan: see the header. */
#include "vm/vm_plan.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysinfo.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/strings.h"
#include "vm/accel.h"
#include "vm/disk_image.h"
#include "vm/guest_files.h"

void vm_plan_init(struct vm_plan *plan, const struct vm_options *options)
{
	struct utsname host;

	memset(plan, 0, sizeof(*plan));
	plan->config = (struct vm_config)VM_CONFIG_INIT;
	plan->disk_fd = -1;
	uname(&host);
	str_copy(plan->arch, sizeof(plan->arch), options->arch ? options->arch : host.machine);
}

void vm_plan_release(struct vm_plan *plan)
{
	/* Zeroed: never made. */
	if (plan->arch[0])
		close_fd(&plan->disk_fd);
}

static int fail(
	struct failure *failure, const char *stage, const char *advice, const struct error *err)
{
	failure_wrap(failure, stage, advice, err);
	return -1;
}

static int find_file(const struct vm_plan *plan, const char *given, const char *file,
	const char *what, char out[PATH_MAX], struct error *err)
{
	struct stat st;
	int r = given ? str_copy(out, PATH_MAX, given)
		      : guest_file_default(plan->arch, file, out, PATH_MAX);

	if (r < 0)
		return error_errno(err, -r, "%s", what);
	if (stat(out, &st) < 0)
		return error_errno(err, errno, "%s %s", what, out);
	if (!S_ISREG(st.st_mode) || st.st_size == 0)
		return error_invalid(err, "%s %s is %s", what, out,
			S_ISREG(st.st_mode) ? "an empty file" : "not a file");
	return 0;
}

int vm_plan_find_guest(
	struct vm_plan *plan, const struct vm_options *options, struct failure *failure)
{
	static const char stage[] = "no guest to boot";
	struct error err = ERROR_INIT;
	char advice[128];

	str_format(advice, sizeof(advice),
		"'make ARCH=%s kernel' fetches one; --kernel or CRADLE_KERNEL names another.",
		plan->arch);
	if (find_file(plan, options->kernel, "kernel/vmlinuz", "kernel", plan->kernel, &err) < 0)
		return fail(failure, stage, advice, &err);
	if (options->disk) {
		plan->disk_fd = disk_image_open(options->disk, &plan->disk_fstype, &err);
		if (plan->disk_fd < 0)
			return fail(failure, stage, "'make disk' builds one.", &err);
		if (str_eq(options->initrd, "none"))
			return 0;
	}
	str_format(advice, sizeof(advice),
		"'make ARCH=%s initrd' builds it; --initrd or CRADLE_INITRD names another.",
		plan->arch);
	if (find_file(plan, options->initrd, "initrd.img", "initrd", plan->initrd, &err) < 0)
		return fail(failure, stage, advice, &err);
	return 0;
}

static uint64_t host_memory(void)
{
	struct sysinfo info;

	return sysinfo(&info) == 0 ? (uint64_t)info.totalram * info.mem_unit : 0;
}

int vm_plan_size(struct vm_plan *plan, const struct vm_options *options, struct failure *failure)
{
	struct sizing_request request = {
		.arch = plan->arch,
		.memory_bytes = options->memory_bytes,
		.cpus_micro = options->cpus_micro,
		.initrd_bytes = plan->initrd[0] ? guest_unpacked_bytes(plan->initrd) : 0,
		.host_bytes = host_memory(),
		.host_cpus = (uint32_t)sysconf(_SC_NPROCESSORS_ONLN),
	};
	struct error err = ERROR_INIT;

	if (sizing_compute(&request, &plan->sizing, &err) < 0)
		return fail(failure, "wrong size", "--explain shows the sum.", &err);
	if (options->explain)
		sizing_explain(&plan->sizing, stderr);
	return 0;
}

static void choose_accel(
	struct vm_plan *plan, const struct vm_options *options, void (*say)(const char *text))
{
	struct vm_config *config = &plan->config;
	char why[256];

	config->accel = options->accel;
	if (config->accel != VM_ACCEL_AUTO)
		return;
	config->accel = accel_choose(plan->arch, config->qemu, why, sizeof(why));
	plan->kvm_on_trial = config->accel == VM_ACCEL_KVM;
	if (why[0])
		say(why);
}

void vm_plan_configure(
	struct vm_plan *plan, const struct vm_options *options, void (*say)(const char *text))
{
	struct vm_config *config = &plan->config;

	config->arch = plan->arch;
	config->qemu = options->qemu;
	config->virtiofsd = options->virtiofsd;
	config->kernel = plan->kernel;
	config->initrd = plan->initrd[0] ? plan->initrd : NULL;
	config->disk_fd = plan->disk_fd;
	config->disk_fstype = plan->disk_fstype;
	config->kernel_args = options->append;
	config->cpus = plan->sizing.vcpus;
	config->memory_bytes = plan->sizing.vm_bytes;
	config->reserve_bytes = sizing_agent_reserve(&plan->sizing);
	config->kernel_bytes = sizing_kernel_share(&plan->sizing);
	config->net = options->net;
	config->verbose = options->verbose;
	choose_accel(plan, options, say);
}
