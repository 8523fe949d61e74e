/* memory_layers: see the header. */
#include "stats/memory_layers.h"

#include "base/cleanup.h"

static const struct {
	const char *name, *colour;
} owners[MEMORY_OWNERS] = {
	[OWNER_KERNEL] = {"kernel", "#64748b"},
	[OWNER_AGENT] = {"agent", "#dc2626"},
	[OWNER_OTHER_PROCESSES] = {"other processes", "#a78bfa"},
	[OWNER_PAGE_CACHE] = {"page cache of no container", "#eab308"},
	[OWNER_CONTAINERS] = {"other containers", "#1e3a8a"},
	[OWNER_HUGE_PAGES] = {"huge pages", "#78350f"},
	[OWNER_BALLOON] = {"lent to the host (balloon)", "#f9a8d4"},
	[OWNER_UNEXPLAINED] = {"no line explains", "#ec4899"},
	[OWNER_FREE] = {"free", "#d1d5db"},
};
/* Told apart also when neighbours in the stack. */
static const char *const container_colours[] = {
	"#2563eb", "#16a34a", "#0891b2", "#7c3aed", "#65a30d", "#0d9488", "#4f46e5", "#059669"};

const char *memory_container_colour(size_t container)
{
	return container_colours[container % ARRAY_SIZE(container_colours)];
}

uint64_t memory_layer_bytes(const struct memory_layer *layer, const struct memory_history *history,
	const struct history_sample *sample)
{
	uint64_t bytes = sample->owner[layer->owner];

	if (layer->container < HISTORY_CONTAINERS_MAX)
		return sample->container[layer->container].held;
	for (size_t i = 0; layer->owner == OWNER_CONTAINERS && i < history->containers; i++) {
		uint64_t held = sample->container[i].held;

		bytes = bytes > held ? bytes - held : 0;
	}
	return bytes;
}

const char *memory_layer_name(
	const struct memory_history *history, const struct memory_layer *layer)
{
	return layer->container < HISTORY_CONTAINERS_MAX ? history->ids[layer->container]
							 : owners[layer->owner].name;
}

const char *memory_layer_colour(const struct memory_layer *layer)
{
	return layer->container < HISTORY_CONTAINERS_MAX ? memory_container_colour(layer->container)
							 : owners[layer->owner].colour;
}

uint64_t memory_layer_highest(
	const struct memory_history *history, const struct memory_layer *layer)
{
	uint64_t highest = 0;

	for (size_t i = 0; i < history->count; i++) {
		uint64_t bytes = memory_layer_bytes(layer, history, &history->samples[i]);

		if (bytes > highest)
			highest = bytes;
	}
	return highest;
}

size_t memory_layers(
	const struct memory_history *history, struct memory_layer layers[MEMORY_LAYERS_MAX])
{
	size_t count = 0;

	for (int owner = 0; owner < MEMORY_OWNERS; owner++) {
		size_t containers = owner == OWNER_CONTAINERS ? history->containers : 0;

		for (size_t i = 0; i <= containers; i++) {
			struct memory_layer layer = {
				owner, i < containers ? i : HISTORY_CONTAINERS_MAX};

			if (memory_layer_highest(history, &layer) > 0)
				layers[count++] = layer;
		}
	}
	return count;
}

uint64_t memory_layers_bytes(const struct memory_history *history,
	const struct memory_layer *layers, size_t count, const struct history_sample *sample)
{
	uint64_t bytes = 0;

	for (size_t i = 0; i < count; i++)
		bytes += memory_layer_bytes(&layers[i], history, sample);
	return bytes;
}
