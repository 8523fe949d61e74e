/*
 * vms_internal: the subcommands of `cradle vm`, a file each, and what they share. The words behind
 * "cradle vm NAME" are parsed by each for itself; all answer with an exit code.
 */
#ifndef VMS_VMS_INTERNAL_H
#define VMS_VMS_INTERNAL_H

#include "base/error.h"
#include "command_table.h"
#include "vms/vm_record.h"
#include "vms/vm_store.h"

#include <stddef.h>

int vm_start_main(int argc, char **argv);
int vm_list_main(int argc, char **argv);
int vm_status_main(int argc, char **argv);
int vm_stop_main(int argc, char **argv);
int vm_console_main(int argc, char **argv);
int vm_log_main(int argc, char **argv);

/* The one word that must be left at argv[optind]: a name. NULL: what is wrong was said. */
const char *vm_name_argument(int argc, char **argv);
/* "cradle vm: ERROR" on stderr; EXIT_CRADLE_FAILED. */
int vm_complain(const struct error *err);
/*
 * Store and entry of a VM that is there, alive or dead. 0, or the exit code: what is wrong was
 * said. Both are closed then.
 */
int vm_open(const char *name, struct vm_store *store, struct vm_entry *entry);
/* The address at which this VM's agent answers: "hvsock://ENTRY/agent.sock:1024". */
void vm_agent_address(const struct vm_entry *entry, char *out, size_t size);

#endif
