HOST_SRC += $(addprefix host-tools/size/, size.c size_bundle.c size_options.c size_print.c)
