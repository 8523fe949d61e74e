UNIT_TESTS += tests/unit/ttrpc/test_client.c tests/unit/ttrpc/test_connection.c \
	tests/unit/ttrpc/test_envelope.c tests/unit/ttrpc/test_frame.c tests/unit/ttrpc/test_message.c \
	tests/unit/ttrpc/test_server.c tests/unit/ttrpc/test_status.c tests/unit/ttrpc/test_write_queue.c
