HOST_SRC += $(addprefix host-tools/relay/, relay.c relay_dial.c relay_server.c relay_show.c relay_trace.c)
