/*
 * container_spec: what `cradle run` asks of the agent, as the CreateContainer request: OCI spec and
 * storages. Pure. Defaults are those people know from Docker (mounts, capabilities, masked paths).
 */
#ifndef RUN_CONTAINER_SPEC_H
#define RUN_CONTAINER_SPEC_H

#include "base/arena.h"
#include "base/error.h"
#include "run/user_lookup.h"
#include "run/volumes.h"

#include <stdbool.h>

#include "agent.pb-c.h"

struct container_spec {
	const char *id; /* container id, also its host name's beginning */
	char *const *args;
	size_t arg_count; /* 0: /bin/sh */
	char *const *env; /* KEY=VALUE, added to and overriding the defaults */
	size_t env_count;
	bool terminal;
	uint16_t rows, columns; /* of the terminal; 0 = unknown */
	const char *term;	/* what kind of terminal; NULL = none is said */
	const char *workdir;	/* NULL: / */
	const struct user_identity *user;
	uint64_t memory_bytes; /* limit, also the size of the writable overlay */
	int64_t cpu_quota;     /* microseconds a period; 0 = none */
	uint64_t cpu_period;
	/* An OCI bundle's (bundle.h), changed in place: what is given above replaces its parts. */
	Grpc__Spec *bundle;
	bool keep_user;	    /* the bundle's user stays; of `user` only the home folder counts */
	bool keep_hostname; /* the same */
	/* Shared by the VM under their tags; NULL = none. */
	const struct volumes *volumes;
	bool network; /* the guest has one: its resolv.conf becomes the container's */
	/* The root image's storage driver, and its device in the guest as that driver names it. */
	const char *image_driver, *image_device;
};

#define CONTAINER_SPEC_PIDS_MAX 4096

/*
 * The request lives in the arena and points at the strings of spec. NULL with err filled: an
 * argument that is refused, or no memory.
 */
Grpc__CreateContainerRequest *container_spec_build(
	struct arena *arena, const struct container_spec *spec, struct error *err);

/* Letters, digits, '.', '-', '_', at least two, the first a letter or digit (the agent's rule). */
bool container_id_valid(const char *id);

#endif
