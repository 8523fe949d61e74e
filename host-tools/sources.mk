HOST_SRC += host-tools/command_table.c host-tools/command_options.c host-tools/nearest.c host-tools/failure.c
