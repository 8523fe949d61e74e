UNIT_TESTS += tests/unit/boot/test_boot.c tests/unit/boot/test_boot_min_free.c tests/unit/boot/test_boot_modules.c tests/unit/boot/test_boot_size.c tests/unit/boot/test_boot_root.c
