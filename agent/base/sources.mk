BASE_SRC += \
	agent/base/arena.c \
	agent/base/buffer.c \
	agent/base/child_process.c \
	agent/base/error.c \
	agent/base/event_loop.c \
	agent/base/fd.c \
	agent/base/file.c \
	agent/base/helper_process.c \
	agent/base/log.c \
	agent/base/parse.c \
	agent/base/path.c \
	agent/base/resident.c \
	agent/base/socket.c \
	agent/base/strings.c \
	agent/base/waiter.c \
	agent/base/worker_child.c \
	agent/base/worker_process.c
BASE_SRC += agent/base/command.c
