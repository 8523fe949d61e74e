# What the guest boots from, the demonstration root file system, and make run. Included by the Makefile.
INITRD_IMG  := $(BUILD)/initrd.img
DEMO_ROOTFS := $(BUILD)/rootfs
INITRD_FROM := rootfs-builder/build rootfs-builder/initrd.list rootfs-builder/initrd-modules.txt

.PHONY: deps deps-run initrd rootfs run run-demo
# Sees that what the project needs is installed; the only step that wants root. No network when it is.
# Another ARCH wants its compiler and QEMU as well; nobody else is asked to install those.
DEPS_ARCH := qemu-$(ARCH) $(if $(CROSS),cross-$(ARCH))
deps:
	$(Q)rootfs-builder/install-packages build run test $(DEPS_ARCH)
deps-run:
	$(Q)rootfs-builder/install-packages build run $(DEPS_ARCH)

initrd: $(INITRD_IMG)
# For another architecture everything that its guest boots from is what make is asked for.
ifneq ($(CROSS),)
all: $(INITRD_IMG)
endif
ifeq ($(KERNEL),)
INITRD_MODULES = $(FETCHED_KERNEL)/lib/modules/$$(cat $(FETCHED_KERNEL)/release)
$(INITRD_IMG): $(FETCHED_KERNEL)/release
else
INITRD_MODULES = $(KERNEL_MODULES)
endif
# Another kernel means other modules: the initrd follows KERNEL= and KERNEL_MODULES=.
$(eval $(call flags-file,$(BUILD)/.initrd-kernel,$$(KERNEL) $$(KERNEL_MODULES)))
$(INITRD_IMG): $(BUILD)/cradle-agent $(INITRD_FROM) $(BUILD)/.initrd-kernel
	$(call say,INITRD,$@)
	$(Q)modules="$(INITRD_MODULES)"; rootfs-builder/build --type initrd --agent $(BUILD)/cradle-agent $${modules:+--modules "$$modules"} --output $@

# A disk image to boot from: cradle's --disk.
DISK_IMG := $(BUILD)/disk.img
.PHONY: disk
disk: $(DISK_IMG)
$(DISK_IMG): $(BUILD)/cradle-agent rootfs-builder/build rootfs-builder/disk.list
	$(call say,DISK,$@)
	$(Q)rootfs-builder/build --type disk --agent $(BUILD)/cradle-agent --output $@

rootfs: $(DEMO_ROOTFS)/etc/os-release
$(DEMO_ROOTFS)/etc/os-release: rootfs-builder/demo-rootfs
	$(call say,ROOTFS,$(DEMO_ROOTFS))
	$(Q)rootfs-builder/demo-rootfs --arch $(ARCH) $(DEMO_ROOTFS)

# The programs that the build needs may not be there when make reads this file: first the packages, then
# the rest in a make of its own.
run: deps-run
	$(Q)$(MAKE) --no-print-directory $(if $(findstring -j,$(MAKEFLAGS)),,-j$(shell nproc)) run-demo
run-demo: all check-config $(INITRD_IMG) rootfs
	$(Q)CRADLE=build/cradle ARCH=$(ARCH) ROOTFS=$(DEMO_ROOTFS) KERNEL=$(KERNEL_IMAGE) INITRD=$(INITRD_IMG) QEMU=$(QEMU) host-tools/run/demo.sh
