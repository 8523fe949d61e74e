HOST_UNIT_TESTS += tests/unit/size/test_size_bundle.c tests/unit/size/test_size.c
