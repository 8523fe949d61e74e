/*
 * user_lookup: who a container runs as, by its own root file system's passwd and group files. Done
 * here on the host: the agent must not touch NSS (house style, "Make"), and neither do we: only
 * these two files are asked. They come from the image, so they are not trusted: bounded, checked.
 */
#ifndef RUN_USER_LOOKUP_H
#define RUN_USER_LOOKUP_H

#include "base/error.h"

#include <stdint.h>

#define USER_GROUPS_MAX 64

struct user_identity {
	uint32_t uid, gid;
	uint32_t groups[USER_GROUPS_MAX]; /* supplementary */
	unsigned group_count;
	char name[64];	/* empty when the uid has no name */
	char home[256]; /* "/" when unknown */
};

/*
 * wanted: USER, USER:GROUP, each a name or a number; NULL = user 0. passwd and group are paths of
 * the files; one that is not there knows nobody (numbers still work). 0, or negative errno with err
 * naming what is unknown. MAY SLEEP (reads two small files).
 */
int user_lookup(const char *wanted, const char *passwd, const char *group,
	struct user_identity *ret, struct error *err);

#endif
