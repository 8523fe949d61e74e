UNIT_TESTS += tests/unit/proto/test_wire_table.c
UNIT_TESTS += tests/unit/proto/test_interop.c
