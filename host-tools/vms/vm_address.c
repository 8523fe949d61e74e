/* vm_address: see the header. */
#include "vms/vm_address.h"

#include <string.h>

#include "vms/vms_internal.h"

static int check_alive(const char *name, struct vm_entry *entry, struct error *err)
{
	struct vm_store store;
	int r = vm_store_open(&store, err);

	if (r < 0)
		return r;
	r = vm_entry_open(&store, name, entry, err);
	vm_store_close(&store);
	if (r < 0)
		return r;
	if (vm_entry_keeper(entry) == 0)
		r = error_set(err, STATUS_UNAVAILABLE, 0,
			"VM '%s' is dead ('cradle vm status' knows why)", name);
	vm_entry_close(entry);
	return r;
}

int vm_address_parse(const char *text, struct address *ret, struct error *err)
{
	char address[VM_ENTRY_PATH_MAX + 32];
	struct vm_entry entry;
	int r;

	if (strstr(text, "://") || !vm_name_valid(text))
		return address_parse(text, ret, err);
	r = check_alive(text, &entry, err);
	if (r < 0)
		return r;
	vm_agent_address(&entry, address, sizeof(address));
	return address_parse(address, ret, err);
}
