/*
 * size_bundle: what an OCI bundle asks for: linux.resources and the sandbox annotations of its
 * config.json. Nothing else of the file is looked at (run/bundle.c reads it to run it).
 */
#ifndef SIZE_SIZE_BUNDLE_H
#define SIZE_SIZE_BUNDLE_H

#include "base/error.h"
#include "vm/sizing_ask.h"

#include <stdbool.h>
#include <stddef.h>

struct size_bundle {
	struct sizing_ask ask;	       /* linux.resources */
	struct sizing_ask annotations; /* io.kubernetes.cri.sandbox-* */
	bool sandbox;		       /* container-type says that it is a pod's sandbox */
};

/* The text of a config.json. 0, or negative errno with err naming the property. Pure. */
int size_bundle_parse(const char *text, size_t len, struct size_bundle *ret, struct error *err);
/* The one in this folder. May sleep. */
int size_bundle_read(const char *folder, struct size_bundle *ret, struct error *err);

#endif
