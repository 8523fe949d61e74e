/* share_mounts: see share_mounts.h. Called by service/diagnostic_service. */
#include "sandbox/share_mounts.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>

#include "base/log.h"
#include "base/strings.h"
#include "hard_limits.h"
#include "kernel/mount.h"
#include "sandbox/sandbox.h"

#define SHARED "/shared/containers/"

/* Not from the kernel's cache: it is the daemon that is to look. */
static int visit_mount(const struct mount_entry *entry, void *context)
{
	const char *below = context;
	struct statx st;

	if (!str_starts(entry->mount_point, below))
		return 0;
	if (statx(AT_FDCWD, entry->mount_point,
		    AT_STATX_FORCE_SYNC | AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT, STATX_BASIC_STATS,
		    &st) < 0)
		log_printf(LOG_WARN, "sandbox", "stat of mount %s: %s", entry->mount_point,
			errno_name(errno));
	return 0;
}

static int visit_all(void *arg, struct error *err)
{
	const struct sandbox *sandbox = arg;
	char below[PATH_MAX];
	int r;

	if (str_format(below, sizeof(below), "%s" SHARED, sandbox->options.run_directory) < 0)
		return error_errno(err, ENAMETOOLONG, "shared directory");
	r = mountinfo_for_each(NULL, visit_mount, below);
	return r < 0 ? error_errno(err, -r, "read mountinfo") : 0;
}

int share_mounts_visit(
	struct sandbox *sandbox, struct helper *helper, helper_done_fn done, struct error *err)
{
	return helper_run(sandbox->loop, helper, visit_all, sandbox, SHARE_TIMEOUT_MS, done,
		"visit shared mounts", err);
}
