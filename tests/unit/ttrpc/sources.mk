UNIT_TESTS += tests/unit/ttrpc/test_client.c tests/unit/ttrpc/test_message.c
