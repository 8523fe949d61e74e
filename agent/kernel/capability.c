/*
 * capability: see capability.h. Used by launch/ (plan: names; child: the five sets).
 */
#include "kernel/capability.h"

#include <ctype.h>
#include <errno.h>
#include <linux/capability.h>
#include <string.h>
#include <strings.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/strings.h"

/* include/uapi/linux/capability.h; the index is the number. */
static const char *const names[] = {
	"CAP_CHOWN",
	"CAP_DAC_OVERRIDE",
	"CAP_DAC_READ_SEARCH",
	"CAP_FOWNER",
	"CAP_FSETID",
	"CAP_KILL",
	"CAP_SETGID",
	"CAP_SETUID",
	"CAP_SETPCAP",
	"CAP_LINUX_IMMUTABLE",
	"CAP_NET_BIND_SERVICE",
	"CAP_NET_BROADCAST",
	"CAP_NET_ADMIN",
	"CAP_NET_RAW",
	"CAP_IPC_LOCK",
	"CAP_IPC_OWNER",
	"CAP_SYS_MODULE",
	"CAP_SYS_RAWIO",
	"CAP_SYS_CHROOT",
	"CAP_SYS_PTRACE",
	"CAP_SYS_PACCT",
	"CAP_SYS_ADMIN",
	"CAP_SYS_BOOT",
	"CAP_SYS_NICE",
	"CAP_SYS_RESOURCE",
	"CAP_SYS_TIME",
	"CAP_SYS_TTY_CONFIG",
	"CAP_MKNOD",
	"CAP_LEASE",
	"CAP_AUDIT_WRITE",
	"CAP_AUDIT_CONTROL",
	"CAP_SETFCAP",
	"CAP_MAC_OVERRIDE",
	"CAP_MAC_ADMIN",
	"CAP_SYSLOG",
	"CAP_WAKE_ALARM",
	"CAP_BLOCK_SUSPEND",
	"CAP_AUDIT_READ",
	"CAP_PERFMON",
	"CAP_BPF",
	"CAP_CHECKPOINT_RESTORE",
};

/* Bits of the kernel's two 32-bit words (_LINUX_CAPABILITY_VERSION_3). */
#define CAPABILITY_LIMIT 64

int capability_parse(const char *word)
{
	size_t len = strlen(word);

	if (len >= 2 && word[0] == '"' && word[len - 1] == '"') {
		word++;
		len -= 2;
	}
	if (len > 4 && strncasecmp(word, "CAP_", 4) == 0) {
		word += 4;
		len -= 4;
	}
	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if (strlen(names[i]) == len + 4 && strncasecmp(names[i] + 4, word, len) == 0)
			return (int)i;
	return -EINVAL;
}

const char *capability_name(int number)
{
	return number >= 0 && (size_t)number < ARRAY_SIZE(names) ? names[number] : NULL;
}

const char *capability_format(uint64_t set, char *out, size_t size)
{
	size_t used = 0;

	out[0] = '\0';
	for (int i = 0; i < CAPABILITY_LIMIT; i++) {
		const char *name = capability_name(i);
		int n;

		if (!(set & CAPABILITY_BIT(i)) || !name)
			continue;
		n = str_format(out + used, size - used, "%s%s", used ? "," : "", name);
		if (n < 0)
			break;
		used += (size_t)n;
	}
	return out;
}

uint64_t capability_kernel_set(void)
{
	uint64_t set = 0;

	for (int i = 0; i < CAPABILITY_LIMIT; i++) {
		if (prctl(PR_CAPBSET_READ, i, 0, 0, 0) < 0)
			break;
		set |= CAPABILITY_BIT(i);
	}
	return set;
}

int capability_get(struct capability_sets *ret, struct error *err)
{
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct data[2];

	if (syscall(SYS_capget, &header, data) < 0)
		return error_errno(err, errno, "capget");
	ret->effective = data[0].effective | (uint64_t)data[1].effective << 32;
	ret->permitted = data[0].permitted | (uint64_t)data[1].permitted << 32;
	ret->inheritable = data[0].inheritable | (uint64_t)data[1].inheritable << 32;
	return 0;
}

int capability_set(const struct capability_sets *sets, struct error *err)
{
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct data[2] = {
		{(uint32_t)sets->effective, (uint32_t)sets->permitted, (uint32_t)sets->inheritable},
		{(uint32_t)(sets->effective >> 32), (uint32_t)(sets->permitted >> 32),
			(uint32_t)(sets->inheritable >> 32)},
	};

	if (syscall(SYS_capset, &header, data) < 0)
		return error_errno(err, errno,
			"capset: effective %016llx, permitted %016llx, inheritable %016llx",
			(unsigned long long)sets->effective, (unsigned long long)sets->permitted,
			(unsigned long long)sets->inheritable);
	return 0;
}

int capability_bound(uint64_t keep, struct error *err)
{
	int r;

	for (int i = 0; i < CAPABILITY_LIMIT; i++) {
		if ((keep & CAPABILITY_BIT(i)) || prctl(PR_CAPBSET_DROP, i, 0, 0, 0) == 0)
			continue;
		if (errno == EINVAL) /* past the kernel's last capability */
			break;
		/* not ours to drop: fine where there is nothing to drop */
		r = errno;
		if (prctl(PR_CAPBSET_READ, i, 0, 0, 0) == 1)
			return error_errno(err, r, "drop %s from the bounding set",
				capability_name(i) ? capability_name(i) : "an unknown capability");
	}
	return 0;
}

int capability_set_ambient(uint64_t set, struct error *err)
{
	if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) < 0)
		return error_errno(err, errno, "clear the ambient capabilities");
	for (int i = 0; i < CAPABILITY_LIMIT; i++) {
		if (!(set & CAPABILITY_BIT(i)))
			continue;
		if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, i, 0, 0) < 0)
			return error_errno(err, errno, "raise ambient %s",
				capability_name(i) ? capability_name(i) : "capability");
	}
	return 0;
}
