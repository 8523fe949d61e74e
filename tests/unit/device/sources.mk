UNIT_TESTS += tests/unit/device/test_pci_path.c
