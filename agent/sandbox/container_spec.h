/*
 * container_spec: what a container's spec still has to say once the container is there. Execs,
 * updates and the termination log ask for parts of it, seldom; decoded it is some ten times its
 * bytes on the wire (an ordinary one with a seccomp profile 97 KiB). So it is kept packed, without
 * what nobody asks for again, and decoded into the asking call's arena. Nothing sleeps.
 */
#ifndef SANDBOX_CONTAINER_SPEC_H
#define SANDBOX_CONTAINER_SPEC_H

#include "base/arena.h"
#include "base/error.h"

#include "agent.pb-c.h"

struct container;

/*
 * The container is created: packs its spec and gives the request's memory back. A container with
 * hooks keeps its request, in which they are; so does one for whose packed spec there is no memory.
 */
void container_spec_keep(struct container *container);
/* Valid as long as the arena and the container; NULL: err says why. */
const Grpc__Spec *container_spec(
	const struct container *container, struct arena *arena, struct error *err);

#endif
