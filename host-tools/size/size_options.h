/*
 * size_options: the arguments of `cradle size`, and what they ask for: the containers, the pod, and
 * the configuration of the runtime that is predicted. Bundles are read here.
 */
#ifndef SIZE_SIZE_OPTIONS_H
#define SIZE_SIZE_OPTIONS_H

#include "vm/sizing_plan.h"
#include "vm/sizing_rules.h"

#include <stdbool.h>
#include <stddef.h>

struct size_options {
	const char *arch;
	const char *initrd; /* NULL: what the build made */
	bool json, help;
	bool predict; /* --rules */
	enum sizing_rules rules;
	struct sizing_rules_config
		config; /* of that runtime: shipped, then --config, then annotations */
	struct sizing_ask containers[SIZING_CONTAINERS_MAX];
	size_t count;
	struct sizing_ask pod; /* sandbox annotations, given or found in a bundle */
	bool has_pod;
	bool sandbox_bundle; /* the only bundle is a pod's sandbox */
};

/* 0; else the exit code, everything said. May sleep (reads bundles). */
int size_options_parse(int argc, char **argv, struct size_options *ret);

#endif
