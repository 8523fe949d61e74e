BASE_SRC += $(wildcard agent/base/*.c)
