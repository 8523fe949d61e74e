/* boot_size: see the header. */
#include "boot/boot_size.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"
#include "base/strings.h"

#define MIB (1024.0 * 1024.0)

static bool memory_differs(const struct agent_config *config, uint64_t mem_total)
{
	uint64_t least = config->vm_memory > config->vm_kernel_memory
				 ? config->vm_memory - config->vm_kernel_memory
				 : 0;

	return config->vm_memory && (mem_total < least || mem_total > config->vm_memory);
}

bool boot_size_differs(const struct agent_config *config, uint64_t mem_total, unsigned cpus,
	char *text, size_t size)
{
	bool memory = memory_differs(config, mem_total);
	bool other_cpus = config->vm_cpus && config->vm_cpus != cpus;
	char first[160] = "", second[64] = "";

	if (memory)
		str_format(first, sizeof(first),
			"MemTotal is %.1f MiB, of %.1f MiB less at most %.1f for the kernel",
			(double)mem_total / MIB, (double)config->vm_memory / MIB,
			(double)config->vm_kernel_memory / MIB);
	if (other_cpus)
		str_format(
			second, sizeof(second), "%u CPUs are online, of %u", cpus, config->vm_cpus);
	str_format(text, size, "%s%s%s", first, memory && other_cpus ? "; " : "", second);
	return memory || other_cpus;
}

int boot_size_check(const struct agent_config *config, struct error *err)
{
	char meminfo[8192], text[256];
	ssize_t len = file_read("/proc/meminfo", meminfo, sizeof(meminfo));
	long cpus = sysconf(_SC_NPROCESSORS_ONLN);
	uint64_t kib;

	if (len < 0)
		return error_errno(err, (int)-len, "read /proc/meminfo");
	if (sscanf(meminfo, "MemTotal: %" SCNu64, &kib) != 1 || cpus < 1)
		return error_errno(err, EPROTO, "find memory and CPUs of this guest");
	if (boot_size_differs(config, kib * 1024, (unsigned)cpus, text, sizeof(text)))
		log_record(LOG_WARN, "boot", "the VM is not what its launcher says it gave",
			"difference", text, NULL);
	else
		log_printf(LOG_DEBUG, "boot", "%" PRIu64 " KiB and %ld CPUs", kib, cpus);
	return 0;
}
