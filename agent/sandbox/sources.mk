AGENT_SRC += $(addprefix agent/sandbox/, container.c container_create.c container_remove.c container_stats.c guest_memory.c memory_state.c metrics_read.c \
	process.c process_stream.c sandbox.c sandbox_create.c)
AGENT_SRC += agent/sandbox/container_freeze.c agent/sandbox/container_spec.c agent/sandbox/container_stall.c
AGENT_SRC += agent/sandbox/container_update.c
AGENT_SRC += agent/sandbox/diagnostic.c agent/sandbox/share_mounts.c
AGENT_SRC += $(addprefix agent/sandbox/, container_hooks.c container_start.c)
AGENT_SRC += agent/sandbox/kernel_modules.c agent/sandbox/copy_file.c
AGENT_SRC += $(addprefix agent/sandbox/, iptables.c network.c network_apply.c network_interface.c network_plan.c network_reply.c)
AGENT_SRC += agent/sandbox/passfd.c agent/sandbox/stream_copy.c
