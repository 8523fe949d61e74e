/*
 * qmp: QEMU's control socket, driven by the event loop. Never waited for: QEMU's main loop may be
 * waiting for our own vsock device, which lives on this very thread (vsock-device.md 1). Greeting
 * and capabilities are handled here; commands asked for earlier are sent when QEMU is ready.
 * Source: QEMU docs/interop/qmp-spec.txt.
 */
#ifndef VM_QMP_H
#define VM_QMP_H

#include "base/buffer.h"
#include "base/error.h"
#include "base/event_loop.h"

#include <stdbool.h>

struct qmp;

struct qmp_events {
	/* QEMU has set everything up and takes commands. May be NULL. */
	void (*ready)(void *owner);
	/* An event's name: RESET, SHUTDOWN, STOP... May be NULL. */
	void (*event)(void *owner, const char *name);
	void *owner;
};

enum qmp_state { QMP_GREETING, QMP_NEGOTIATING, QMP_READY, QMP_CLOSED };

struct qmp {
	struct event_source source; /* its descriptor is owned */
	struct buffer in;
	struct qmp_events events;
	enum qmp_state state;
	bool quit_wanted;
};

/* Takes fd (a connected stream socket) also on failure. 0 or negative errno with err. */
int qmp_init(struct qmp *qmp, struct event_loop *loop, int fd, const struct qmp_events *events,
	struct error *err);
void qmp_release(struct qmp *qmp); /* idempotent, accepts zeroed */
/* Asks QEMU to end; sent at once or as soon as QEMU has greeted. Whether it did: look at the child.
 */
void qmp_quit(struct qmp *qmp);
/* The guest's power button; nothing happens before QEMU has greeted. */
void qmp_power_button(struct qmp *qmp);

#endif
