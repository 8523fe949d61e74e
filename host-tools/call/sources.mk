HOST_SRC += host-tools/call/base64.c host-tools/call/call.c host-tools/call/json_message.c \
	host-tools/call/json_text.c host-tools/call/message_json.c host-tools/call/method_table.c
