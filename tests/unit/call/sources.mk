HOST_UNIT_TESTS += tests/unit/call/test_base64.c tests/unit/call/test_call.c \
	tests/unit/call/test_json_message.c tests/unit/call/test_json_text.c \
	tests/unit/call/test_method_table.c
