/*
 * volumes: folders and files of the host that a container is to see: `--volume` and a bundle's
 * binds, looked at and turned into shares of the VM (vm_config.h). `cradle vm start` has the same
 * option for a share by its tag, as there is no container yet. Called by run_options.c,
 * run_prepare.c, bundle_rewrite.c and vm_start.c; container_spec_parts.c puts them into the
 * specification.
 */
#ifndef RUN_VOLUMES_H
#define RUN_VOLUMES_H

#include "base/arena.h"
#include "base/error.h"
#include "command_table.h"
#include "vm/vm_plan.h"

#include <stdbool.h>

#include "oci.pb-c.h"

#define VOLUMES_MAX VM_SHARES_MAX

struct volume {
	const char *host, *guest; /* guest: a path of the container, or the share's tag */
	bool read_only, by_tag;
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
/* The same of HOST:TAG[:ro|:rw]; TAG is 1 to 15 letters and digits. */
int volume_parse_tag(char *text, struct volume *ret, struct error *err);
/*
 * One --volume more in list, which has room for VOLUMES_MAX. 0, or the exit code: what is wrong was
 * said for command.
 */
int volumes_take_option(const struct command *command, struct volume *list, unsigned *count,
	char *text, int (*parse)(char *text, struct volume *ret, struct error *err));
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
#define VOLUMES_STAGE "a folder cannot be shared"
#define VOLUMES_ADVICE                                                                             \
	"--volume HOST:GUEST (or a bundle's bind) wants a folder or a plain file of this host; a " \
	"socket's or device's folder may be shared as a whole."

/*
 * volumes_look(), and what comes of it put into plan's config, which points into volumes then. Can
 * the guest have shares, and is there a virtiofsd (program, or NULL) for them? 0, or -1 with
 * failure.
 */
int volumes_share(struct volumes *volumes, struct arena *arena, struct vm_plan *plan,
	const char *virtiofsd, struct failure *failure);
/*
 * Looks at each HOST: it must be a folder or a plain file. Paths become absolute, in the arena, and
 * shares are filled. 0 or negative errno with err naming the first that cannot be had.
 */
int volumes_look(struct volumes *volumes, struct arena *arena, struct error *err);

#endif
