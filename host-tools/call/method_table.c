/* method_table: see the header. */
#include "call/method_table.h"

#include <stdbool.h>
#include <string.h>

#include "agent.pb-c.h"
#include "base/strings.h"
#include "health.pb-c.h"
#include "memory.pb-c.h"
#include "nearest.h"

const ProtobufCServiceDescriptor *const protocol_services[] = {
	&grpc__agent_service__descriptor,
	&grpc__health__descriptor,
	&cradle__memory__descriptor,
	NULL,
};

#define SERVICE_NAME_MAX 128

/* Splits at the last '/' or '.'; the service is empty when there is none. False when too long. */
static bool split(const char *text, char service[SERVICE_NAME_MAX], const char **method)
{
	const char *slash = strrchr(text, '/'), *dot = strrchr(text, '.');
	const char *cut = slash ? slash : dot;
	size_t len;

	if (*text == '/')
		text++;
	len = cut && cut > text ? (size_t)(cut - text) : 0;
	if (len >= SERVICE_NAME_MAX)
		return false;
	memcpy(service, text, len);
	service[len] = '\0';
	*method = cut ? cut + 1 : text;
	return true;
}

static bool service_matches(const ProtobufCServiceDescriptor *service, const char *name)
{
	return str_empty(name) || str_eq(service->name, name) || str_eq(service->short_name, name);
}

static void found(struct method *ret, const ProtobufCServiceDescriptor *service,
	const ProtobufCMethodDescriptor *method)
{
	ret->service = service->name;
	ret->name = method->name;
	ret->request = method->input;
	ret->response = method->output;
}

/* Names what was probably meant: a service when that is unknown, else a method of those asked for.
 */
static int not_found(
	const char *text, const char *service_name, const char *method_name, struct error *err)
{
	struct nearest service, method;
	bool service_known = false;

	nearest_init(&service, service_name);
	nearest_init(&method, method_name);
	for (size_t i = 0; protocol_services[i]; i++) {
		nearest_offer(&service, protocol_services[i]->name);
		nearest_offer(&service, protocol_services[i]->short_name);
		if (!service_matches(protocol_services[i], service_name))
			continue;
		service_known = true;
		for (unsigned k = 0; k < protocol_services[i]->n_methods; k++)
			nearest_offer(&method, protocol_services[i]->methods[k].name);
	}
	if (!service_known && service.best)
		return error_invalid(err, "there is no service '%s'; did you mean '%s'?",
			service_name, service.best);
	if (!service_known)
		return error_invalid(err, "there is no service '%s'", service_name);
	if (method.best)
		return error_invalid(
			err, "there is no method '%s'; did you mean '%s'?", text, method.best);
	return error_invalid(err, "there is no method '%s'", text);
}

int method_find(const char *text, struct method *ret, struct error *err)
{
	const ProtobufCServiceDescriptor *first = NULL;
	char service[SERVICE_NAME_MAX];
	const char *name;
	struct method match;

	if (!split(text, service, &name))
		return error_invalid(err, "the name of the method is too long");
	for (size_t i = 0; protocol_services[i]; i++) {
		const ProtobufCMethodDescriptor *method;

		if (!service_matches(protocol_services[i], service))
			continue;
		method = protobuf_c_service_descriptor_get_method_by_name(
			protocol_services[i], name);
		if (!method)
			continue;
		if (first)
			return error_invalid(err, "method '%s' is in services %s and %s", name,
				first->name, protocol_services[i]->name);
		first = protocol_services[i];
		found(&match, first, method);
	}
	if (!first)
		return not_found(text, service, name, err);
	*ret = match;
	return 0;
}
