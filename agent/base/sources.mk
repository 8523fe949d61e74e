BASE_SRC += $(addprefix agent/base/, \
	error.c log.c arena.c buffer.c strings.c parse.c fd.c file.c path.c socket.c \
	waiter.c event_loop.c child_process.c helper_process.c worker_process.c)
