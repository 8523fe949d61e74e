/*
 * bundle: an OCI bundle (a folder with config.json and a root file system) as the specification
 * that the guest's agent takes. What only makes sense on a host is rewritten as the runtimes do it
 * (bundle_rewrite.c); what the VM cannot give is refused by name. The bundle is not trusted.
 */
#ifndef RUN_BUNDLE_H
#define RUN_BUNDLE_H

#include "base/arena.h"
#include "base/error.h"
#include "run/volumes.h"

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>

#include "agent.pb-c.h"

struct bundle {
	Grpc__Spec *spec;	/* in the arena; process, root, linux with resources are there */
	char rootfs[PATH_MAX];	/* root.path, made absolute by the bundle's folder */
	uint64_t memory_bytes;	/* linux.resources.memory.limit; 0 = none */
	struct volumes volumes; /* binds of the host's folders and files; not looked at yet */
	uint64_t cpus_micro;	/* of cpu.quota and period, in millionths; 0 = none */
};

/*
 * note: called with a line for the user for each wish that is left out without harm. MAY SLEEP
 * (reads config.json). 0, or negative errno with err naming the property.
 */
int bundle_read(const char *folder, struct arena *arena, void (*note)(const char *text),
	struct bundle *ret, struct error *err);

/*
 * bundle_rewrite.c: the host's part of it taken out, or refused; binds of its folders are collected
 * in volumes. Pure. Needs process and linux.
 */
int bundle_rewrite(Grpc__Spec *spec, struct arena *arena, void (*note)(const char *text),
	struct volumes *volumes, struct error *err);

#endif
