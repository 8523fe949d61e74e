TTRPC_SRC += agent/ttrpc/message.c agent/ttrpc/message_check.c
