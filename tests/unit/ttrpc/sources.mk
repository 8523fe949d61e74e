UNIT_TESTS += tests/unit/ttrpc/test_message.c
