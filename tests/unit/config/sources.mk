UNIT_TESTS += tests/unit/config/test_config.c
