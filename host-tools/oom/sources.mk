HOST_SRC += host-tools/oom/oom.c
