HOST_SRC += $(addprefix host-tools/vms/, vm_store.c vm_record.c vm_logs.c vm_keeper.c vm_start.c vm_list.c vm_status.c \
	vm_stop.c vm_follow.c vm_address.c vms.c)
