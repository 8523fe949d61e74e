HOST_UNIT_TESTS += tests/unit/relay/test_relay_trace.c tests/unit/relay/test_relay_server.c
