AGENT_SRC += $(addprefix agent/service/, service_table.c lookup.c health_service.c \
	container_service.c control_service.c copy_service.c diagnostic_service.c guest_service.c network_service.c process_service.c stream_service.c sandbox_service.c memory_service.c pressure_service.c)
