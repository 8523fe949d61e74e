# The guest's kernel: Debian's cloud kernel unless KERNEL= names another. Included by the Makefile.
#   KERNEL=FILE            boot this kernel instead; nothing is fetched
#   KERNEL_MODULES=DIR     its module tree (with modules.dep); not given: its drivers are built in
#   KERNEL_CONFIG=FILE     its configuration, for check-config; not given: not checked
FETCHED_KERNEL := $(BUILD)/kernel
KERNEL_IMAGE   := $(or $(KERNEL),$(FETCHED_KERNEL)/vmlinuz)

.PHONY: kernel check-config
kernel: $(FETCHED_KERNEL)/release
# No prerequisites: once fetched it stays, also offline (kernel-configs/fetch-kernel --force gets a newer one).
$(FETCHED_KERNEL)/release:
	$(Q)kernel-configs/fetch-kernel --arch $(ARCH) --output $(FETCHED_KERNEL)

ifeq ($(KERNEL),)
check-config: $(FETCHED_KERNEL)/release
	$(Q)kernel-configs/check $(FETCHED_KERNEL)/config
else ifneq ($(KERNEL_CONFIG),)
check-config:
	$(Q)kernel-configs/check $(KERNEL_CONFIG)
else
check-config:
	$(call say,CONFIG,not checked: KERNEL_CONFIG= does not name the configuration of $(KERNEL))
endif
