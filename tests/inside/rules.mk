# The program that tests put into containers (tests/lib/oci_checks.c).
INSIDE := $(BUILD)/tests/inside/inside
$(INSIDE): tests/inside/inside.c
	$(call say,CC,$@)
	$(Q)mkdir -p $(@D) && $(GUEST_CC) -std=gnu11 -Os -Wall -static -s -o $@ $<
$(BUILD)/tests/rpc/test_oci $(BUILD)/tests/vm/test_guest: | $(INSIDE)
