UNIT_TESTS += tests/unit/device/test_ccw_id.c tests/unit/device/test_pci_path.c tests/unit/device/test_net_device.c
