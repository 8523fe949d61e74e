# Programs that run in tests' containers: static, never under sanitizers.
MEMORY_HOLDER := $(BUILD)/tests/programs/memory_holder
$(MEMORY_HOLDER): tests/programs/memory_holder.c tests/programs/memory_holder.h
	$(call say,CC,$@)
	$(Q)mkdir -p $(@D) && $(GUEST_CC) $(COMMON) $(WARNINGS) -iquote tests -Os -static -o $@ $<
$(BUILD)/tests/rpc/test_cgroup_v1 $(BUILD)/tests/vm/test_memory: | $(MEMORY_HOLDER)
