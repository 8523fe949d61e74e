AGENT_SRC += agent/device/pci_path.c
