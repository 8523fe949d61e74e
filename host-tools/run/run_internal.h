/*
 * run_internal: the state of one `cradle run`, shared by the files that make it up: run_prepare.c
 * (before the VM), run_control.c (signals, time limit) and run.c (the VM, the session, the end).
 */
#ifndef RUN_RUN_INTERNAL_H
#define RUN_RUN_INTERNAL_H

#include "run/bundle.h"
#include "run/container_spec.h"
#include "run/guest_session.h"
#include "run/image.h"
#include "run/run_control.h"
#include "run/run_options.h"
#include "run/terminal.h"
#include "run/timing.h"
#include "vm/vm_boot.h"
#include "vm/vm_plan.h"
#include "vsock/vsock_listener.h"

struct run {
	struct run_options options;
	struct event_loop *loop;
	struct arena arena;
	struct timing timing;
	char id[129];
	struct bundle bundle; /* with --bundle */
	struct volumes volumes;
	struct image image;
	struct user_identity user;
	struct vm_plan plan;
	const Grpc__CreateContainerRequest *container;
	struct vm_boot boot;
	struct guest_session session;
	struct vsock_listener *listener;
	struct run_control control;
	struct terminal terminal; /* with -t, while the container runs */
	struct event_source hold_stdin;
	struct event_timer patience;
	struct failure failure;
	bool session_lost; /* a better reason may still come from QEMU */
	int exit_code;
};

/* One line for the user, on standard error; also while the terminal is raw. */
void run_say(const char *text);
/* Notes why the run ends before there is a VM; returns -1. */
int run_fail_early(struct run *run, const char *stage, const char *advice, const struct error *err);
/* Ends the loop; the run's exit code is exit_code. */
void run_end(struct run *run, int exit_code);

/*
 * Everything that can be known without a VM: names, files, image, user, size, specification. 0, or
 * -1 with run->failure filled. SLEEPS (packs the image).
 */
int run_prepare(struct run *run);

#endif
