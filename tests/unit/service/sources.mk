UNIT_TESTS += tests/unit/service/test_service_table.c
