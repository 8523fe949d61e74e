AGENT_SRC += agent/device/pci_path.c agent/device/net_device.c
