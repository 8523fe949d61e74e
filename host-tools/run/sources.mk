HOST_SRC += host-tools/run/bundle.c host-tools/run/bundle_options.c host-tools/run/bundle_rewrite.c \
	host-tools/run/container_spec_parts.c host-tools/run/agent_link.c host-tools/run/agent_pulse.c host-tools/run/container_spec.c \
	host-tools/run/fingerprint.c host-tools/run/guest_network.c host-tools/run/guest_session.c host-tools/run/host_output.c \
	host-tools/run/image.c host-tools/run/image_build.c host-tools/run/memory_report.c \
	host-tools/run/process_input.c host-tools/run/process_output.c host-tools/run/process_signals.c host-tools/run/run.c host-tools/run/run_control.c host-tools/run/process_window.c host-tools/run/terminal.c \
	host-tools/run/run_options.c host-tools/run/run_prepare.c host-tools/run/timing.c \
	host-tools/run/tool.c host-tools/run/user_lookup.c host-tools/run/volumes.c
