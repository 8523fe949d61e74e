# Cradle: guest agent (build/<arch>/), host program (build/host/), guest image, tests.
# README.md shows what to type; docs/architecture.md says which folder may use which.
#
# make [all]          agent, initrd's inputs and the host program
# make run            the whole road: build, fetch a guest kernel, boot a VM, run a container
# make test           unit, RPC, interoperation and VM tests (unit and RPC also under sanitizers)
# make fuzz           libFuzzer over what strangers can send: vsock device, frames, requests, specs (RUNS=10000000)
# Variables: ARCH=x86_64|aarch64|ppc64le|s390x (the guest's; default: this machine's) V=1 WERROR=0 KERNEL= QEMU=
#            SAN=1 (address and undefined-behaviour sanitizers)

MAKEFLAGS += --no-builtin-rules
.DELETE_ON_ERROR:
.SECONDARY:
.DEFAULT_GOAL := all
SHELL := /bin/bash
export LC_ALL := C.UTF-8

HOST_ARCH := $(shell uname -m)
ARCH    ?= $(HOST_ARCH)
SAN     ?=
V       ?=
WERROR  ?= 1
VERSION := $(shell cat agent/VERSION)

# Quiet unless V=1: every recipe starts with $(Q) and is announced by $(call say,VERB,object).
Q   := $(if $(V),,@)
say = $(if $(V),,@printf '  %-8s %s\n' '$(1)' '$(2)')

BUILD := build/$(ARCH)$(if $(SAN),-asan)
HOST  := build/host$(if $(SAN),-asan)
PROTO := build/proto

CC        ?= gcc
CC        := $(if $(filter default,$(origin CC)),gcc,$(CC))
AR        := ar
PROTOC_C  := protoc-c

# The guest's compiler: for another architecture Debian's cross compiler, with that architecture's static
# libraries in a folder of the build (rootfs-builder/fetch-sysroot). Host programs are built by $(CC).
ifeq ($(filter $(ARCH),x86_64 aarch64 ppc64le s390x),)
$(error ARCH=$(ARCH): known are x86_64, aarch64, ppc64le and s390x)
endif
TRIPLET   := $(if $(filter ppc64le,$(ARCH)),powerpc64le,$(ARCH))-linux-gnu
CROSS     := $(if $(filter-out $(HOST_ARCH),$(ARCH)),$(TRIPLET)-)
ifneq ($(CROSS),)
GUEST_CC  := $(CROSS)gcc
SYSROOT   := build/$(ARCH)/sysroot
$(if $(SAN),$(error SAN=1: sanitizers are for this machine's architecture, not for ARCH=$(ARCH)))
else
GUEST_CC  := $(CC)
endif
STRIP     := $(CROSS)strip
# Debian 12 has no static libmnl: then another release's lies in a folder of the build (rootfs-builder/fetch-libmnl).
ifeq ($(CROSS)$(filter /%,$(shell $(GUEST_CC) -print-file-name=libmnl.a 2>/dev/null)),$(CROSS))
LIBMNL    := build/$(ARCH)/libmnl
endif
PKGCONFIG := pkg-config

# _GNU_SOURCE everywhere: this is Linux-only code. -iquote and not -I: no folder of ours may shadow a
# system header (house style, "Shared code"). -Ulinux: a field of oci.proto is called linux.
WARNINGS := -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wold-style-definition \
	-Wpointer-arith -Wvla -Wwrite-strings -Wformat=2 -Wno-format-nonliteral -Wundef \
	-Wno-unused-parameter -Wno-missing-field-initializers -Wimplicit-fallthrough \
	$(if $(filter 1,$(WERROR)),-Werror)
COMMON   := -std=gnu11 -D_GNU_SOURCE -D_FILE_OFFSET_BITS=64 -Ulinux -DCRADLE_VERSION='"$(VERSION)"' \
	-iquote agent -iquote $(PROTO) -fno-common -fstack-protector-strong \
	-ffile-prefix-map=$(CURDIR)=.
comma    := ,
SANFLAGS := $(if $(SAN),-fsanitize=address$(comma)undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer -O1 -g)

GUEST_CFLAGS  := $(COMMON) $(WARNINGS) $(if $(CROSS),-isystem $(SYSROOT)/usr/include) $(if $(LIBMNL),-isystem $(LIBMNL)/include) -ffunction-sections -fdata-sections $(if $(SAN),$(SANFLAGS),-Os -g -fno-pie -fno-asynchronous-unwind-tables -D_FORTIFY_SOURCE=2)
GUEST_LDFLAGS := $(if $(SAN),$(SANFLAGS),-static -no-pie -Wl$(comma)--gc-sections -Wl$(comma)--build-id=none -Wl$(comma)-z$(comma)noseparate-code -Wl$(comma)-z$(comma)norelro)
GUEST_LIBS    := $(if $(CROSS),-L$(SYSROOT)/usr/lib/$(TRIPLET)) $(if $(LIBMNL),-L$(LIBMNL)) -lprotobuf-c -lseccomp -lmnl
HOST_CFLAGS   := $(COMMON) -iquote host-tools $(WARNINGS) $(if $(SAN),$(SANFLAGS),-O2 -g -D_FORTIFY_SOURCE=2)
HOST_LDFLAGS  := $(if $(SAN),$(SANFLAGS))
HOST_LIBS     := -lprotobuf-c -ljson-c -lmd

# Each folder lists its files by hand in a sources.mk, which appends to:
#   BASE_SRC TTRPC_SRC AGENT_SRC   guest code (base and ttrpc are compiled for the host as well)
#   HOST_SRC                       host program
#   PROTO_SRC                      .proto files
#   UNIT_TESTS HOST_UNIT_TESTS     tests/unit/<folder>/test_<file>.c (agent code; host-tools code)
#   RPC_TESTS VM_TESTS             tests/rpc/, tests/vm/test_<subject>.c
BASE_SRC :=
TTRPC_SRC :=
AGENT_SRC :=
HOST_SRC :=
PROTO_SRC :=
UNIT_TESTS :=
HOST_UNIT_TESTS :=
RPC_TESTS :=
VM_TESTS :=
include $(sort $(wildcard agent/*/sources.mk host-tools/*/sources.mk host-tools/sources.mk proto/sources.mk tests/unit/*/sources.mk tests/rpc/sources.mk tests/vm/sources.mk))

PROTO_GEN := $(PROTO_SRC:proto/%.proto=$(PROTO)/%.pb-c.c)
PROTO_HDR := $(PROTO_GEN:.c=.h)

guest-objs = $(patsubst %.c,$(BUILD)/obj/%.o,$(1))
host-objs  = $(patsubst %.c,$(HOST)/obj/%.o,$(1))

.PHONY: all clean FORCE
all: $(BUILD)/cradle-agent $(HOST)/cradle build/cradle

# ---- flags: an object is rebuilt when its compiler or flags change ---------------------------------
# What is added for some objects alone is private below: these files are their prerequisites, would inherit it, and
# so differ with the object that happens to be made first.
define flags-file
$(1): FORCE
	@mkdir -p $$(@D)
	@printf '%s\n' '$$(subst ','\'',$(2))' | cmp -s - $$@ || printf '%s\n' '$$(subst ','\'',$(2))' > $$@
endef
$(eval $(call flags-file,$(BUILD)/.cflags,$$(GUEST_CC) $$(GUEST_CFLAGS)))
$(eval $(call flags-file,$(BUILD)/.ldflags,$$(GUEST_CC) $$(GUEST_LDFLAGS) $$(GUEST_LIBS)))
$(eval $(call flags-file,$(HOST)/.cflags,$$(CC) $$(HOST_CFLAGS)))
$(eval $(call flags-file,$(HOST)/.ldflags,$$(CC) $$(HOST_LDFLAGS) $$(HOST_LIBS)))

# ---- another architecture's libraries -------------------------------------------------------------------
ifneq ($(CROSS),)
SYSROOT_READY := $(SYSROOT)/complete
$(SYSROOT_READY): rootfs-builder/fetch-sysroot
	$(Q)command -v $(GUEST_CC) >/dev/null || { echo "no $(GUEST_CC) here: make deps ARCH=$(ARCH)" >&2; exit 1; }
	$(Q)rootfs-builder/fetch-sysroot --arch $(ARCH) --output $(SYSROOT) && touch $@
endif

ifneq ($(LIBMNL),)
LIBMNL_READY := $(LIBMNL)/complete
$(LIBMNL_READY): rootfs-builder/fetch-libmnl | $(SYSROOT_READY)
	$(Q)rootfs-builder/fetch-libmnl --arch $(ARCH) --output $(LIBMNL) && touch $@
endif

# ---- protocol ---------------------------------------------------------------------------------------
# Generated C is not ours to warn about: compiled without the strict set.
$(PROTO)/%.pb-c.c $(PROTO)/%.pb-c.h: proto/%.proto $(wildcard proto/*.proto)
	$(call say,PROTO,$<)
	$(Q)mkdir -p $(PROTO) && $(PROTOC_C) -I proto --c_out=$(PROTO) $<
$(BUILD)/obj/$(PROTO)/%.o: $(PROTO)/%.c $(BUILD)/.cflags | $(PROTO_HDR) $(SYSROOT_READY)
	$(call say,CC,$@)
	$(Q)mkdir -p $(@D) && $(GUEST_CC) $(filter-out -W%,$(GUEST_CFLAGS)) -MMD -MP -c -o $@ $<
$(HOST)/obj/$(PROTO)/%.o: $(PROTO)/%.c $(HOST)/.cflags | $(PROTO_HDR)
	$(call say,HOSTCC,$@)
	$(Q)mkdir -p $(@D) && $(CC) $(filter-out -W%,$(HOST_CFLAGS)) -MMD -MP -c -o $@ $<

# Whoever moves big blocks: gcc -Os would copy with `rep movsb` in place, which an emulated CPU does byte by
# byte; the C library's functions do better there and no worse elsewhere (docs/decisions.md).
$(addprefix $(BUILD)/obj/agent/base/,buffer.o arena.o): private GUEST_CFLAGS += -O2

# ---- objects, libraries -----------------------------------------------------------------------------
$(BUILD)/obj/%.o: %.c $(BUILD)/.cflags | $(PROTO_HDR) $(SYSROOT_READY) $(LIBMNL_READY)
	$(call say,CC,$@)
	$(Q)mkdir -p $(@D) && $(GUEST_CC) $(GUEST_CFLAGS) -MMD -MP -c -o $@ $<
$(HOST)/obj/%.o: %.c $(HOST)/.cflags | $(PROTO_HDR)
	$(call say,HOSTCC,$@)
	$(Q)mkdir -p $(@D) && $(CC) $(HOST_CFLAGS) -MMD -MP -c -o $@ $<

define archive
$(1): $(2) $$(dir $(1)).cflags
	$$(call say,AR,$$@)
	$$(Q)rm -f $$@ && $(AR) rcsD $$@ $(2)
endef
$(eval $(call archive,$(BUILD)/libbase.a,$$(call guest-objs,$$(BASE_SRC))))
$(eval $(call archive,$(BUILD)/libttrpc.a,$$(call guest-objs,$$(TTRPC_SRC))))
$(eval $(call archive,$(BUILD)/libmessages.a,$$(call guest-objs,$$(PROTO_GEN))))
$(eval $(call archive,$(BUILD)/libagent.a,$$(call guest-objs,$$(AGENT_SRC))))
$(eval $(call archive,$(HOST)/libbase.a,$$(call host-objs,$$(BASE_SRC))))
$(eval $(call archive,$(HOST)/libttrpc.a,$$(call host-objs,$$(TTRPC_SRC))))
$(eval $(call archive,$(HOST)/libmessages.a,$$(call host-objs,$$(PROTO_GEN))))
$(eval $(call archive,$(HOST)/libcradle.a,$$(call host-objs,$$(HOST_SRC))))

GUEST_ARCHIVES := $(BUILD)/libagent.a $(BUILD)/libttrpc.a $(BUILD)/libmessages.a $(BUILD)/libbase.a
HOST_ARCHIVES  := $(HOST)/libcradle.a $(HOST)/libttrpc.a $(HOST)/libmessages.a $(HOST)/libbase.a

# ---- programs ---------------------------------------------------------------------------------------
$(BUILD)/cradle-agent.debug: $(call guest-objs,agent/main.c) $(GUEST_ARCHIVES) $(BUILD)/.ldflags agent/layout.ld
	$(call say,LD,$@)
	$(Q)$(GUEST_CC) $(GUEST_LDFLAGS) $(if $(SAN),,-Wl$(comma)-Map=$@.map$(comma)--cref) $(if $(SAN),,-T agent/layout.ld) -o $@ $(filter %.o,$^) -Wl,--start-group $(filter %.a,$^) $(GUEST_LIBS) -Wl,--end-group
$(BUILD)/cradle-agent: $(BUILD)/cradle-agent.debug
	$(call say,STRIP,$@)
	$(Q)$(if $(SAN),cp $< $@,$(STRIP) -s -R .comment -R .note.* -o $@ $<)

$(HOST)/cradle: $(call host-objs,host-tools/main.c) $(HOST_ARCHIVES) $(HOST)/.ldflags
	$(call say,LD,$@)
	$(Q)$(CC) $(HOST_LDFLAGS) -o $@ $(filter %.o,$^) -Wl,--start-group $(filter %.a,$^) -Wl,--end-group $(HOST_LIBS)
build/cradle: $(HOST)/cradle
	$(Q)ln -sfn host/cradle $@

# ---- unit tests: one program a file, its own process, TAP on stdout -----------------------------------
# tests/lib holds what tests share (scratch folders, peers); linked into every unit test.
TEST_LIB_SRC := $(wildcard tests/lib/*.c)
UNIT_BINS      := $(patsubst tests/unit/%.c,$(BUILD)/tests/unit/%,$(UNIT_TESTS))
HOST_UNIT_BINS := $(patsubst tests/unit/%.c,$(HOST)/tests/unit/%,$(HOST_UNIT_TESTS))
TEST_LDFLAGS   := $(if $(SAN),$(SANFLAGS)) -no-pie

# What the fixtures of tests/lib start, relative to the top of the tree, where tests run.
TEST_PATHS = -DHOST_CRADLE_PATH='"$(HOST)/cradle"' -DAGENT_PATH='"$(BUILD)/cradle-agent"' -DINSIDE_PATH='"$(BUILD)/tests/inside/inside"' -DCRADLE_PATH='"build/cradle"' -DKERNEL_PATH='"$(KERNEL_IMAGE)"' \
	-DINITRD_PATH='"$(INITRD_IMG)"' -DROOTFS_PATH='"$(DEMO_ROOTFS)"' -DHOLDER_PATH='"$(BUILD)/tests/programs/memory_holder"'

RPC_BINS := $(patsubst tests/%.c,$(BUILD)/tests/%,$(RPC_TESTS))
VM_BINS  := $(patsubst tests/%.c,$(BUILD)/tests/%,$(VM_TESTS))
$(BUILD)/tests/rpc/%: $(BUILD)/obj/tests/rpc/%.o $(call guest-objs,$(TEST_LIB_SRC)) $(GUEST_ARCHIVES) $(BUILD)/cradle-agent
	$(call say,LD,$@)
	$(Q)mkdir -p $(@D) && $(GUEST_CC) $(TEST_LDFLAGS) -o $@ $(filter %.o,$^) -Wl,--start-group $(filter %.a,$^) -Wl,--end-group $(GUEST_LIBS) -lcmocka
$(BUILD)/tests/vm/%: $(BUILD)/obj/tests/vm/%.o $(call guest-objs,$(TEST_LIB_SRC)) $(GUEST_ARCHIVES)
	$(call say,LD,$@)
	$(Q)mkdir -p $(@D) && $(GUEST_CC) $(TEST_LDFLAGS) -o $@ $(filter %.o,$^) -Wl,--start-group $(filter %.a,$^) -Wl,--end-group $(GUEST_LIBS) -lcmocka
$(BUILD)/tests/unit/%: $(BUILD)/obj/tests/unit/%.o $(call guest-objs,$(TEST_LIB_SRC)) $(GUEST_ARCHIVES)
	$(call say,LD,$@)
	$(Q)mkdir -p $(@D) && $(GUEST_CC) $(TEST_LDFLAGS) -o $@ $(filter %.o,$^) -Wl,--start-group $(filter %.a,$^) -Wl,--end-group $(GUEST_LIBS) -lcmocka
$(HOST)/tests/unit/%: $(HOST)/obj/tests/unit/%.o $(call host-objs,$(TEST_LIB_SRC)) $(HOST_ARCHIVES)
	$(call say,LD,$@)
	$(Q)mkdir -p $(@D) && $(CC) $(if $(SAN),$(SANFLAGS)) -o $@ $(filter %.o,$^) -Wl,--start-group $(filter %.a,$^) -Wl,--end-group $(HOST_LIBS) -lcmocka
$(BUILD)/obj/tests/%.o: private GUEST_CFLAGS += -iquote tests -iquote host-tools $(TEST_PATHS)
$(HOST)/obj/tests/%.o: private HOST_CFLAGS += -iquote tests $(TEST_PATHS)

.PHONY: unit-bins
unit-bins: $(UNIT_BINS) $(HOST_UNIT_BINS)

# What every change must keep building: all libraries and unit tests that exist.
.PHONY: land-check
land-check: $(if $(BASE_SRC),$(BUILD)/libbase.a) $(if $(TTRPC_SRC),$(BUILD)/libttrpc.a $(HOST)/libttrpc.a) $(if $(AGENT_SRC),$(BUILD)/libagent.a) $(if $(HOST_SRC),$(HOST)/libcradle.a) \
	$(if $(wildcard agent/main.c),$(BUILD)/cradle-agent) $(if $(wildcard host-tools/main.c),$(HOST)/cradle) unit-bins

# Parts of the build that have a subject of their own.
-include $(sort $(wildcard rootfs-builder/rules.mk kernel-configs/rules.mk tests/rules.mk tests/*/rules.mk tests/vm/*/rules.mk))

clean:
	rm -rf build

-include $(shell find $(BUILD)/obj $(HOST)/obj -name '*.d' 2>/dev/null)
