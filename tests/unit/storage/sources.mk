UNIT_TESTS += tests/unit/storage/test_storage.c tests/unit/storage/test_storage_drivers.c tests/unit/storage/test_blk_ccw.c tests/unit/storage/test_fs_group.c
