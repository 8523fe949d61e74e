/*
 * volumes: folders and files of the host that a container is to see: `--volume` and a bundle's
 * binds, looked at and turned into shares of the VM (vm_config.h). Called by run_options.c,
 * run_prepare.c and bundle_rewrite.c; container_spec_parts.c puts them into the specification.
 */
#ifndef RUN_VOLUMES_H
#define RUN_VOLUMES_H

#include "base/arena.h"
#include "base/error.h"
#include "vm/vm_config.h"

#include <stdbool.h>

#include "oci.pb-c.h"

#define VOLUMES_MAX VM_SHARES_MAX

struct volume {
	const char *host, *guest;
	bool read_only;
	Grpc__Mount *mount; /* the bundle's, its source to be replaced; NULL = an option's */
};

struct volumes {
	struct volume list[VOLUMES_MAX];
	unsigned count;
	struct vm_share shares[VOLUMES_MAX]; /* filled by volumes_look() */
};

/*
 * HOST:GUEST[:ro|:rw], split at the last colon: HOST may hold some. Changes text, *ret points into
 * it. Pure. 0 or -EINVAL with err.
 */
int volume_parse(char *text, struct volume *ret, struct error *err);
/*
 * What cannot be shared by its nature, whether it is there or not: the host's /proc, /sys and /dev.
 * Pure.
 */
bool volume_is_of_the_kernel(const char *host);
/*
 * Adds what options ask for to what a bundle has. One for a GUEST that the bundle mounts something
 * on takes its place: that mount is taken out of spec (NULL without a bundle). Pure. 0 or negative
 * errno with err.
 */
int volumes_add(struct volumes *volumes, const struct volume *given, unsigned count,
	Grpc__Spec *spec, struct error *err);
/*
 * Looks at each HOST: it must be a folder or a plain file. Paths become absolute, in the arena, and
 * shares are filled. 0 or negative errno with err naming the first that cannot be had.
 */
int volumes_look(struct volumes *volumes, struct arena *arena, struct error *err);

#endif
