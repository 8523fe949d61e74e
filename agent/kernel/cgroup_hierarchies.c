/* cgroup_hierarchies: see cgroup_hierarchies.h. Called by cgroup.c and cgroup_v1.c. */
#include "kernel/cgroup_hierarchies.h"

#include <string.h>

#include "base/strings.h"
#include "kernel/mount.h"

static int add_entry(const struct mount_entry *entry, void *context)
{
	struct cgroup_hierarchies *all = context;
	struct cgroup_hierarchy *h = &all->list[all->count];

	if (!str_eq(entry->fstype, "cgroup") || all->count == CGROUP_HIERARCHIES_MAX)
		return 0;
	for (size_t i = 0; i < all->count; i++)
		if (all->list[i].dev == entry->dev)
			return 0;
	/* a mount point too long to hold is no hierarchy of ours */
	if (str_copy(h->mount, sizeof(h->mount), entry->mount_point) < 0)
		return 0;
	str_copy(h->options, sizeof(h->options), entry->super_options);
	h->dev = entry->dev;
	all->count++;
	return 0;
}

int cgroup_hierarchies_read(struct cgroup_hierarchies *ret, const char *mountinfo)
{
	ret->count = 0;
	return mountinfo_for_each(mountinfo, add_entry, ret);
}

static bool has_option(const char *options, const char *word)
{
	size_t len = strlen(word);

	for (const char *at = options; (at = strstr(at, word)); at += len)
		if ((at == options || at[-1] == ',') && (at[len] == ',' || at[len] == '\0'))
			return true;
	return false;
}

const struct cgroup_hierarchy *cgroup_hierarchies_find(
	const struct cgroup_hierarchies *hierarchies, const char *controller)
{
	for (size_t i = 0; i < hierarchies->count; i++)
		if (has_option(hierarchies->list[i].options, controller))
			return &hierarchies->list[i];
	return NULL;
}
