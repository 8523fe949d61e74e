UNIT_TESTS += tests/unit/telemetry/test_log_sink.c
