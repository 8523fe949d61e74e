TTRPC_SRC += agent/ttrpc/client.c agent/ttrpc/connection.c agent/ttrpc/envelope.c agent/ttrpc/frame.c \
	agent/ttrpc/message.c agent/ttrpc/message_check.c agent/ttrpc/rpc_call.c agent/ttrpc/server.c \
	agent/ttrpc/session.c agent/ttrpc/status.c agent/ttrpc/write_queue.c
