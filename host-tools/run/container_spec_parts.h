/*
 * container_spec_parts: what container_spec.c (a container by options) and bundle_options.c (one by
 * an OCI bundle) build with: the arena's memory, storages, device rules. The first failure sticks
 * in the builder, so that callers check once.
 */
#ifndef RUN_CONTAINER_SPEC_PARTS_H
#define RUN_CONTAINER_SPEC_PARTS_H

#include "run/container_spec.h"

struct spec_builder {
	struct arena *arena;
	const struct container_spec *spec;
	bool failed; /* no memory */
};

void *spec_new(struct spec_builder *b, size_t count, size_t size); /* zeroed */
char *spec_text(struct spec_builder *b, const char *s);
/* Words separated by commas, as a list of strings. */
char **spec_words(struct spec_builder *b, const char *row, size_t *count);
/* format with two %s. */
char *spec_print(struct spec_builder *b, const char *format, const char *a, const char *c);

/* Image, tmpfs and overlay; sets the root's path. */
void spec_build_storages(struct spec_builder *b, Grpc__CreateContainerRequest *request);
/*
 * A storage for each volume's share, and the mount of it that the container sees: its own, behind
 * all others, or the bundle's where it stands.
 */
void spec_build_volumes(struct spec_builder *b, Grpc__CreateContainerRequest *request);
/* Behind the rules that are there (or, without any, "nothing"): the devices of every container. */
void spec_build_devices(struct spec_builder *b, Grpc__LinuxResources *resources);

/* One mount more, behind those that are there; NULL = no memory. options as for spec_words(). */
Grpc__Mount *spec_add_mount(struct spec_builder *b, Grpc__Spec *oci, const char *destination,
	const char *type, const char *source, const char *options);

/* Parts that options give. */
void spec_build_args(struct spec_builder *b, Grpc__Process *process);
/* The terminal, if one was asked for. */
void spec_build_terminal(struct spec_builder *b, Grpc__Process *process);
void spec_build_user(struct spec_builder *b, Grpc__Process *process);
/* Replaces the entry with the same key, or appends: the array has room. */
void spec_put_env(Grpc__Process *process, char *entry);

/* bundle_options.c: the bundle's spec, with what options say put in its place. */
void spec_adopt_bundle(struct spec_builder *b, Grpc__CreateContainerRequest *request);

#endif
