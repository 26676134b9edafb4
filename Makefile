# terse: one Makefile. `make help` says what there is.
#
#   MODE=release|debug|san|tsan   each builds in a folder of its own: build, build/debug, build/san, build/tsan
#   V=1                           print the commands
#   CC=clang                      gcc and clang both work

MODE ?= release
CC   := $(if $(filter default,$(origin CC)),gcc,$(CC))
AR   ?= ar
OBJCOPY ?= $(if $(filter %-gcc,$(CC)),$(CC:gcc=objcopy),objcopy)
PREFIX  ?= /usr/local
V    ?= 0
Q    := $(if $(filter 1,$(V)),,@)

ifeq ($(MODE),release)
B := build
else
B := build/$(MODE)
endif

# ---- flags -----------------------------------------------------------------------------------------------
WARN   := -Wall -Wextra -Werror -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wpointer-arith -Wvla \
          -Wundef -Wwrite-strings -Wformat=2
# Hidden, all but terse.h's names: so what libterse.so is made of is the very code of the programs.
BASE   := -std=c11 -D_GNU_SOURCE -I. -MMD -MP -fPIC -fvisibility=hidden -ffp-contract=off -fno-math-errno -pthread -g $(WARN)
OPT_release := -O3 -DNDEBUG
OPT_debug   := -O0
OPT_san     := -O1 -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer
OPT_tsan    := -O1 -fsanitize=thread -fno-omit-frame-pointer
OPT    := $(OPT_$(MODE))
CFLAGS ?=
LDFLAGS ?=
ALL_CFLAGS = $(BASE) $(OPT) $(CFLAGS)
SANLINK := $(filter -fsanitize%,$(OPT))

# What the compiler builds for. Each architecture has its folder of kernels; others' are left out.
ARCH := $(firstword $(subst -, ,$(shell $(CC) $(CFLAGS) -dumpmachine)))
KERNELS_x86_64  := x86
KERNELS_aarch64 := arm
FOREIGN := $(foreach d,$(filter-out $(KERNELS_$(ARCH)),x86 arm),kernels/$(d)/%)
ifneq ($(ARCH),x86_64)
FOREIGN += tests/support/%_avx512.c
endif

# The suffix of a kernel's file is its instruction set, and its compiler flags.
ISA_avx2       := -mavx2 -mfma -mf16c
ISA_avx512     := $(ISA_avx2) -mavx512f -mavx512bw -mavx512dq -mavx512vl -mprefer-vector-width=512
ISA_avx512vnni := $(ISA_avx512) -mavx512vnni
ISA_avx512bf16 := $(ISA_avx512) -mavx512bf16
# gcc's first scheduling brings loads forward until a tile's sums no longer fit the registers.
UNMOVED        := $(if $(findstring clang,$(CC)),,-fno-schedule-insns)
ISA_neon       := -march=armv8-a $(UNMOVED)
ISA_dotprod    := $(UNMOVED) -march=armv8.2-a+dotprod
ISA_armbf16    := $(ISA_dotprod)+bf16
ISA_i8mm       := $(ISA_dotprod)+i8mm
isa_flags = $(ISA_$(lastword $(subst _, ,$(basename $(notdir $(1))))))

# ---- folders, left to right; an arrow points left only ------------------------------------------------------
FOLDERS := kernels infer checkpoints data train rl
LIBS_kernels     := -lm
LIBS_infer       := -lpcre2-8 -lutf8proc -pthread
HDF5_CFLAGS      := $(shell pkg-config --cflags hdf5 2>/dev/null)
HDF5_LIBS        := $(shell pkg-config --libs hdf5 2>/dev/null || echo -lhdf5)
LIBS_checkpoints := $(HDF5_LIBS) -lzstd -lyaml -lcrypto
LIBS_data        := -lcurl -lsnappy -lz -lbrotlidec -llz4 -lmpfr -lgmp
LIBS_train       := -lopenblas
LIBS_rl          :=

# main_*.c hold a main(), plugin_*.c what other programs load: they stay out of the libraries.
srcs_of  = $(sort $(filter-out $(1)/main_% $(1)/plugin_% $(FOREIGN),$(shell find $(1) -name '*.c' 2>/dev/null)))
objs_of  = $(patsubst %.c,$(B)/obj/%.o,$(call srcs_of,$(1)))
lib_of   = $(B)/libterse_$(1).a
LIB_ALL   := $(foreach f,rl train data checkpoints infer kernels,$(call lib_of,$(f)))
LIB_INFER := $(foreach f,infer kernels,$(call lib_of,$(f)))
LINK_ALL   := $(foreach f,rl train data checkpoints infer kernels,$(LIBS_$(f)))
LINK_INFER := $(LIBS_infer) $(LIBS_kernels)

.PHONY: lib install all help test demo setup layers clean format fuzz bench check-format
.DEFAULT_GOAL := all

PLUGIN := $(B)/hdf5/libh5zstd.so
all: $(B)/terse $(B)/terse-infer $(PLUGIN)  ## build terse, terse-infer, and the plugin for h5dump and h5py

help:  ## this list
	@echo "terse: make targets (MODE=release|debug|san|tsan, V=1, CC=clang)"; echo
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/  make \1\t\2/' | expand -t 22

define folder_rules
$(call lib_of,$(1)): $(call objs_of,$(1))
	@mkdir -p $$(@D)
	@echo "  AR    $$@"
	$(Q)rm -f $$@ && $(AR) rcs $$@ $$^
endef
$(foreach f,$(FOLDERS),$(eval $(call folder_rules,$(f))))

$(B)/obj/%.o: %.c Makefile
	@mkdir -p $(@D)
	@echo "  CC    $<"
	$(Q)$(CC) $(ALL_CFLAGS) $(call isa_flags,$<) $(if $(findstring hdf5,$<),$(HDF5_CFLAGS)) -c $< -o $@

$(B)/terse: $(B)/obj/rl/main_terse.o $(LIB_ALL)
	@echo "  LD    $@"
	$(Q)$(CC) $(SANLINK) $(LDFLAGS) $< -Wl,--start-group $(LIB_ALL) -Wl,--end-group $(LINK_ALL) -o $@

$(B)/terse-infer: $(B)/obj/infer/main_infer.o $(LIB_INFER)
	@echo "  LD    $@"
	$(Q)$(CC) $(SANLINK) $(LDFLAGS) $< $(LIB_INFER) $(LINK_INFER) -o $@

# Alone in its folder: HDF5 opens all that is in HDF5_PLUGIN_PATH.
$(PLUGIN): $(patsubst %,$(B)/obj/%.o,checkpoints/plugin_hdf5 checkpoints/hdf5_zstd checkpoints/zstd infer/err infer/utf8)
	@mkdir -p $(@D)
	@echo "  LD    $@"
	$(Q)$(CC) $(SANLINK) $(LDFLAGS) -shared $(if $(SANLINK),,-Wl,-z,defs) $^ -lzstd -o $@

# ---- libterse: what terse.h declares, and of kernels and infer what that needs --------------------------------
VERSION := $(shell sed -n 's/^.define TERSE_VERSION "\(.*\)"/\1/p' infer/terse.h)
ABI     := $(shell sed -n 's/^.define TERSE_ABI *//p' infer/terse.h)
API     := $(patsubst %.c,$(B)/obj/%.o,$(sort $(wildcard infer/terse*.c)))

lib: $(B)/libterse.so $(B)/libterse.a  ## build libterse.so and libterse.a, for apps (infer/terse.h)
$(B)/libterse.so.$(ABI): $(API) $(LIB_INFER)
	@echo "  LD    $@"
	$(Q)$(CC) $(SANLINK) $(LDFLAGS) -shared -Wl,-soname,$(@F) $(if $(SANLINK),,-Wl,-z,defs) $^ $(LINK_INFER) -o $@
$(B)/libterse.so: $(B)/libterse.so.$(ABI)
	$(Q)ln -sf $(<F) $@
# One object, whose other names are no longer anybody's.
$(B)/libterse.a: $(API) $(LIB_INFER)
	@echo "  AR    $@"
	$(Q)$(CC) -r -nostdlib $^ -o $(B)/obj/terse.o
	$(Q)$(OBJCOPY) --localize-hidden $(B)/obj/terse.o
	$(Q)rm -f $@ && $(AR) rcs $@ $(B)/obj/terse.o

DEST = $(DESTDIR)$(PREFIX)
install: all lib  ## install programs, libterse, terse.h and terse.pc below PREFIX (/usr/local)
	$(Q)install -d $(DEST)/bin $(DEST)/include $(DEST)/lib/pkgconfig
	$(Q)install $(B)/terse $(B)/terse-infer $(DEST)/bin
	$(Q)install -d $(DEST)/lib/terse/hdf5
	$(Q)install $(PLUGIN) $(DEST)/lib/terse/hdf5
	$(Q)install -m 644 infer/terse.h $(DEST)/include
	$(Q)install -m 644 $(B)/libterse.a $(B)/libterse.so.$(ABI) $(DEST)/lib
	$(Q)ln -sf libterse.so.$(ABI) $(DEST)/lib/libterse.so
	$(Q)sed 's|@PREFIX@|$(PREFIX)|; s|@VERSION@|$(VERSION)|' infer/terse.pc.in >$(DEST)/lib/pkgconfig/terse.pc

# ---- tests: every tests/KIND/test_*.c is one cmocka program --------------------------------------------------
TEST_SRCS  := $(sort $(wildcard tests/*/test_*.c))
TEST_BINS  := $(patsubst tests/%.c,$(B)/tests/%,$(TEST_SRCS))
SUPPORT    := $(patsubst %.c,$(B)/obj/%.o,$(sort $(filter-out $(FOREIGN),$(wildcard tests/support/*.c))))

# Programs in tests/fault see malloc and the file calls through counting wrappers (tests/support/fault.h).
WRAP := malloc calloc realloc posix_memalign aligned_alloc open write pwrite fsync rename mmap statvfs
# cmocka, and TLS for the server that tests talk to.
LINK_TESTS := -lcmocka -lssl
wrap_flags = $(if $(findstring tests/fault/,$(1)),$(foreach f,$(WRAP),-Wl,--wrap=$(f)))

$(B)/tests/%: $(B)/obj/tests/%.o $(SUPPORT) $(LIB_ALL)
	@mkdir -p $(@D)
	@echo "  LD    $@"
	$(Q)$(CC) $(SANLINK) $(LDFLAGS) $(call wrap_flags,$<) $< \
	    $(if $(findstring tests/fault/,$<),$(SUPPORT),$(filter-out %/fault.o,$(SUPPORT))) \
	    -Wl,--start-group $(LIB_ALL) -Wl,--end-group $(LINK_ALL) $(LINK_TESTS) -o $@

# Objects of tests are kept, not remade for every link.
.SECONDARY:

# Programs for Arm are tested too where there is what builds and runs them (scripts/setup device).
DEVICE_READY := $(and $(shell command -v aarch64-linux-gnu-gcc),$(shell command -v qemu-aarch64-static),$\
                  $(wildcard build/device/sysroot/complete))

# A plugin that nobody wants, for the test that nobody gets it.
HOSTILE := $(B)/tests/plugin/libhostile.so
$(HOSTILE): $(B)/obj/tests/plugin/hostile_hdf5.o
	@mkdir -p $(@D)
	$(Q)$(CC) $(LDFLAGS) -shared $< -o $@

tests-build: all lib $(HOSTILE) $(TEST_BINS) $(if $(DEVICE_READY),device-build)

test: setup  ## install what is missing, build, run every test
	$(Q)$(MAKE) --no-print-directory -j$$(nproc) tests-build layers
	$(Q)scripts/run-tests $(B)

setup:
	$(Q)scripts/setup

demo: setup  ## the main job: a small model learns to reason, then to be brief, and answers
	$(Q)$(MAKE) --no-print-directory -j$$(nproc) all
	$(Q)scripts/demo $(B)/terse

# ---- the arrows, proved by the linker ------------------------------------------------------------------------
layers: $(foreach f,$(FOLDERS),$(B)/layers/$(f))  ## prove that every folder links with what stands to its left only

prefix_of = $(if $(filter $(1),$(firstword $(FOLDERS))),$(1),$(shell echo $(FOLDERS) | sed 's/\($(1)\).*/\1/'))
define layer_rules
$(B)/layers/$(1): $(foreach f,$(call prefix_of,$(1)),$(call lib_of,$(f))) scripts/layer_main.c
	@mkdir -p $$(@D)
	@echo "  LAYER $(1)"
	$(Q)$(CC) $(SANLINK) -pthread scripts/layer_main.c -Wl,--whole-archive \
	    $(foreach f,$(call prefix_of,$(1)),$(call lib_of,$(f))) -Wl,--no-whole-archive \
	    $(foreach f,$(call prefix_of,$(1)),$(LIBS_$(f))) -o $$@
endef
$(foreach f,$(FOLDERS),$(eval $(call layer_rules,$(f))))

# ---- device: terse-infer for 64-bit Arm (docs/device.md) -----------------------------------------------------
# Another compiler, such as an Android NDK's, brings its own libraries: DEVICE_CC, DEVICE_PREFIX, DEVICE_LINK.
DEVICE_CC     ?= aarch64-linux-gnu-gcc
DEVICE_PREFIX ?= build/device/sysroot/usr
DEVICE_LINK   ?= -static -L$(DEVICE_PREFIX)/lib/aarch64-linux-gnu
DEVICE_MAKE    = $(MAKE) --no-print-directory B=build/device MODE=release CC="$(DEVICE_CC)" \
                 CFLAGS="-isystem $(DEVICE_PREFIX)/include" LDFLAGS="$(DEVICE_LINK)"
.PHONY: device device-build device-lib device-model
device:  ## cross-build build/device/terse-infer for aarch64; prove it under QEMU against this machine
ifeq ($(DEVICE_READY),)
	@echo "skip: a compiler for 64-bit Arm, libraries for it or QEMU are missing; \`scripts/setup device\` gets them"
else
	$(Q)$(MAKE) --no-print-directory -j$$(nproc) device-build
	$(Q)scripts/device-test $(B) build/device
endif
device-lib:  ## cross-build build/device/libterse.a for an app (OBJCOPY: the compiler's own)
	$(Q)$(DEVICE_MAKE) -j$$(nproc) build/device/libterse.a
# tests/device/check.c: the checker's full depth and digests, without a test library; product.c: one product.
$(B)/device-%: $(B)/obj/tests/device/%.o $(LIB_INFER)
	@mkdir -p $(@D)
	@echo "  LD    $@"
	$(Q)$(CC) $(SANLINK) $(LDFLAGS) $< $(LIB_INFER) $(LINK_INFER) -o $@
device-build: $(B)/terse $(B)/terse-infer $(B)/device-check
	$(Q)$(DEVICE_MAKE) -j$$(nproc) $(addprefix build/device/,terse-infer device-check device-product)
device-model:  ## what products take in LLVM's models of Arm processors (needs llvm-mca)
	$(Q)$(DEVICE_MAKE) -j$$(nproc) build/device/device-product
	$(Q)scripts/device-model build/device/device-product

# ---- fuzzing: clang and libFuzzer ----------------------------------------------------------------------------
FUZZ_SECONDS ?= 60
FUZZ_BINS := $(patsubst tests/fuzz/%.c,build/fuzz/%,$(sort $(wildcard tests/fuzz/fuzz_*.c)))
FUZZ_LIBSRC = $(foreach f,kernels infer checkpoints data,$(call srcs_of,$(f))) rl/reward.c rl/advantage.c
# Kernels see no bytes from outside; with sanitizers clang takes a quarter of an hour over one of them.
fuzz_flags = $(if $(filter kernels/%,$(1)),-O2,-O1 -fsanitize=fuzzer-no-link,address,undefined)
build/fuzz/obj/%.o: %.c Makefile
	@mkdir -p $(@D)
	$(Q)clang $(filter-out -Werror,$(BASE)) $(call fuzz_flags,$<) $(call isa_flags,$<) \
	    $(if $(findstring hdf5,$<),$(HDF5_CFLAGS)) -c $< -o $@
build/fuzz/fuzz_%: build/fuzz/obj/tests/fuzz/fuzz_%.o $(patsubst %.c,build/fuzz/obj/%.o,$(FUZZ_LIBSRC))
	@echo "  LD    $@"
	$(Q)clang -fsanitize=fuzzer,address,undefined $^ $(LIBS_data) $(LIBS_checkpoints) $(LIBS_infer) -lm -o $@
fuzz-build: $(FUZZ_BINS)
fuzz: setup  ## run every fuzz target for FUZZ_SECONDS (60) each
	$(Q)$(MAKE) --no-print-directory -j$$(nproc) fuzz-build
	$(Q)scripts/run-fuzz $(FUZZ_SECONDS) $(FUZZ_BINS)

# ---- the rest ------------------------------------------------------------------------------------------------
bench: all  ## measure this machine's limits, then training and decoding as shares of them
	$(Q)$(B)/terse bench all

FORMAT_SRCS = $(shell git ls-files '*.c' '*.h' | grep -v '^tests/fixtures')
format:  ## clang-format every source file
	$(Q)clang-format -i $(FORMAT_SRCS)
check-format:
	$(Q)clang-format --dry-run --Werror $(FORMAT_SRCS)

clean:  ## remove build/
	$(Q)rm -rf build

-include $(shell find $(B)/obj build/fuzz/obj -name '*.d' 2>/dev/null)
