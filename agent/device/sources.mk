AGENT_SRC += agent/device/ccw_id.c agent/device/pci_path.c agent/device/net_device.c
