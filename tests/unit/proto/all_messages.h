/*
 * all_messages: every message and enum of the protocol, found by walking from the services and from
 * the ttrpc envelope. Included by the tests of this folder, once a program.
 */
#ifndef ALL_MESSAGES_H
#define ALL_MESSAGES_H

#include <stdbool.h>
#include <string.h>

#include "agent.pb-c.h"
#include "base/cleanup.h"
#include "health.pb-c.h"
#include "memory.pb-c.h"
#include "ttrpc.pb-c.h"

#define MESSAGES_MAX 200
#define ENUMS_MAX    20

static const ProtobufCServiceDescriptor *const services[] = {
	&grpc__agent_service__descriptor,
	&grpc__health__descriptor,
	&cradle__memory__descriptor,
};

static const ProtobufCMessageDescriptor *messages[MESSAGES_MAX];
static const ProtobufCEnumDescriptor *enums[ENUMS_MAX];
static size_t message_count, enum_count;

static inline void collect_enum(const ProtobufCEnumDescriptor *desc)
{
	for (size_t i = 0; i < enum_count; i++)
		if (enums[i] == desc)
			return;
	assert_true(enum_count < ENUMS_MAX);
	enums[enum_count++] = desc;
}

static inline void collect_message(const ProtobufCMessageDescriptor *desc)
{
	for (size_t i = 0; i < message_count; i++)
		if (messages[i] == desc)
			return;
	assert_true(message_count < MESSAGES_MAX);
	messages[message_count++] = desc;
	for (unsigned i = 0; i < desc->n_fields; i++) {
		if (desc->fields[i].type == PROTOBUF_C_TYPE_MESSAGE)
			collect_message(desc->fields[i].descriptor);
		if (desc->fields[i].type == PROTOBUF_C_TYPE_ENUM)
			collect_enum(desc->fields[i].descriptor);
	}
}

/* A group set-up function. */
static inline int collect_all(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(services); i++) {
		for (unsigned k = 0; k < services[i]->n_methods; k++) {
			collect_message(services[i]->methods[k].input);
			collect_message(services[i]->methods[k].output);
		}
	}
	collect_message(&ttrpc__request__descriptor);
	collect_message(&ttrpc__response__descriptor);
	return 0;
}

static inline const ProtobufCMessageDescriptor *find_message(const char *name)
{
	for (size_t i = 0; i < message_count; i++)
		if (strcmp(messages[i]->name, name) == 0)
			return messages[i];
	return NULL;
}

/* protoc makes a nested message NameEntry of a map; protobuf-c does not mark it as one. */
static inline bool is_map_entry(const ProtobufCMessageDescriptor *desc)
{
	size_t len = strlen(desc->short_name);

	return len > 5 && strcmp(desc->short_name + len - 5, "Entry") == 0 &&
	       strlen(desc->name) > strlen(desc->package_name) + 1 + len;
}

#endif
