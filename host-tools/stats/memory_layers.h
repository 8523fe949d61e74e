/*
 * memory_layers: the layers of the picture: every owner of the guest's memory, and each container
 * as a part of OWNER_CONTAINERS, with a name and a colour. Pure. Used by memory_page.
 */
#ifndef STATS_MEMORY_LAYERS_H
#define STATS_MEMORY_LAYERS_H

#include "stats/memory_history.h"

struct memory_layer {
	int owner;	  /* enum memory_owner */
	size_t container; /* its place in the samples; HISTORY_CONTAINERS_MAX: none */
};

#define MEMORY_LAYERS_MAX (MEMORY_OWNERS + HISTORY_CONTAINERS_MAX)

/* From below; those that never held anything are left out. Their number. */
size_t memory_layers(
	const struct memory_history *history, struct memory_layer layers[MEMORY_LAYERS_MAX]);
/* Bytes of one layer; its most; and of the lowest `count` together. */
uint64_t memory_layer_bytes(const struct memory_layer *layer, const struct memory_history *history,
	const struct history_sample *sample);
uint64_t memory_layer_highest(
	const struct memory_history *history, const struct memory_layer *layer);
uint64_t memory_layers_bytes(const struct memory_history *history,
	const struct memory_layer *layers, size_t count, const struct history_sample *sample);
const char *memory_layer_name(
	const struct memory_history *history, const struct memory_layer *layer);
const char *memory_layer_colour(const struct memory_layer *layer);
const char *memory_container_colour(size_t container);

#endif
