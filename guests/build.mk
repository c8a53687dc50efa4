# SPDX-License-Identifier: Apache-2.0
# Payload runtime, and the Debian guests.
#
# A payload is one C file linked with the runtime, and the table of VMCS fields, into a Multiboot 1 ELF32:
# PAYLOADS lists the sources; x/y.c becomes build/payload/y.elf. It runs bare (`nestor run --bare --l1 F`) or as L1.
# Payloads named *_32.c run in 32-bit mode: the same C, compiled with -m32, on another start.S.
OBJCOPY ?= objcopy
PAYLOAD_CFLAGS := $(WARN) -O2 -g -ffreestanding -mgeneral-regs-only -mno-red-zone -fno-common \
	-fno-stack-protector -fno-pic -fno-pie -mcmodel=small -fcf-protection=none \
	-fno-asynchronous-unwind-tables -fno-tree-loop-distribute-patterns -Ihypervisor \
	-Iguests/runtime -Itests/conformance -Itests/boot -Itests/boot/hostile -Itests/boot/real -Itests/stress -Itests/vtd/rt -MMD -MP
PAYLOAD_RT := $(addprefix $(B)/payload/runtime/,start.o ap.o vmx_run.o tables64.o rt.o cmdline.o \
	apic.o smp.o levels.o vmx.o vmx_features.o ept.o) $(addprefix $(B)/payload/,spec/vmcs.o spec/feature_names.o spec/vmx_features.o hv/nested/caps.o)
PAYLOAD32_RT := $(addprefix $(B)/payload/32/runtime/,start32.o vmx_run32.o tables32.o rt.o \
	cmdline.o apic.o smp.o ap32.o vmx.o vmx_features.o ept.o) $(addprefix $(B)/payload/32/,spec/vmcs.o spec/feature_names.o spec/vmx_features.o hv/nested/caps.o)
PAYLOADS := $(filter-out %/conf.c %/stress.c,$(wildcard \
	tests/conformance/*.c tests/boot/*.c tests/stress/*.c tests/fairness/*.c tests/vtd/*.c bench/*.c))
PAYLOAD_ELF := $(patsubst %.c,$(B)/payload/%.elf,$(notdir $(PAYLOADS)))
PAYLOAD32_ELF := $(filter %_32.elf,$(PAYLOAD_ELF))
vpath %.c tests/conformance tests/conformance/mutate tests/conformance/l1task tests/boot tests/boot/hostile tests/boot/real tests/boot/vtd \
	tests/stress tests/fairness tests/vtd tests/vtd/rt bench
# %lx is 64 bits wide for print, whatever the compiler thinks of it.
PAYLOAD32_CFLAGS := $(filter-out -mcmodel=small -mno-red-zone,$(PAYLOAD_CFLAGS)) -m32 -Wno-format

$(B)/payload/runtime/%.o: guests/runtime/%.S
	@mkdir -p $(@D)
	$(CC) -MMD -MP -c $< -o $@

$(B)/payload/runtime/%.o: guests/runtime/%.c
	@mkdir -p $(@D)
	$(CC) $(PAYLOAD_CFLAGS) -c $< -o $@

$(B)/payload/spec/%.o: hypervisor/spec/%.c
	@mkdir -p $(@D)
	$(CC) $(PAYLOAD_CFLAGS) -c $< -o $@

$(B)/payload/hv/%.o: hypervisor/%.c
	@mkdir -p $(@D)
	$(CC) $(PAYLOAD_CFLAGS) -c $< -o $@

$(B)/payload/%.o: %.c
	@mkdir -p $(@D)
	$(CC) $(PAYLOAD_CFLAGS) -c $< -o $@

$(B)/payload/%.elf: $(B)/payload/%.o $(B)/payload/conf.o $(PAYLOAD_RT) guests/runtime/payload.ld
	$(LD) -nostdlib -static -z noexecstack -z max-page-size=4096 --no-warn-rwx-segments \
		-T guests/runtime/payload.ld -o $@64 $(filter %.o,$^)
	$(OBJCOPY) -O elf32-i386 $@64 $@

$(B)/payload/32/runtime/%.o: guests/runtime/%.S
	@mkdir -p $(@D)
	$(CC) -m32 -MMD -MP -c $< -o $@

$(B)/payload/32/runtime/%.o: guests/runtime/%.c
	@mkdir -p $(@D)
	$(CC) $(PAYLOAD32_CFLAGS) -c $< -o $@

$(B)/payload/32/spec/%.o: hypervisor/spec/%.c
	@mkdir -p $(@D)
	$(CC) $(PAYLOAD32_CFLAGS) -c $< -o $@

$(B)/payload/32/hv/%.o: hypervisor/%.c
	@mkdir -p $(@D)
	$(CC) $(PAYLOAD32_CFLAGS) -c $< -o $@

$(B)/payload/32/%.o: %.c
	@mkdir -p $(@D)
	$(CC) $(PAYLOAD32_CFLAGS) -c $< -o $@

$(PAYLOAD32_ELF): $(B)/payload/%.elf: $(B)/payload/32/%.o $(B)/payload/32/conf.o $(PAYLOAD32_RT) \
		guests/runtime/payload.ld
	$(LD) -m elf_i386 -nostdlib -static -z noexecstack -z max-page-size=4096 --no-warn-rwx-segments \
		-T guests/runtime/payload.ld -o $@ $(filter %.o,$^)

# Objects that one payload needs besides.
$(B)/payload/mutate.elf: $(B)/payload/golden.o
$(B)/payload/l1task_32.elf $(B)/payload/l1taskfault_32.elf: $(B)/payload/32/l1task.o
$(B)/payload/realmode_32.elf $(B)/payload/bioscalls_32.elf $(B)/payload/textcalls_32.elf: $(B)/payload/32/real_mode.o
$(B)/payload/hostile.elf: $(B)/payload/golden.o $(B)/payload/hostile_vmx.o $(B)/payload/hostile_virtio.o $(B)/payload/hostile_vtd.o
$(B)/payload/victim.elf $(B)/payload/aggressor.elf $(B)/payload/net.elf: $(B)/payload/runtime/virtio_net.o \
	$(B)/payload/runtime/virtio_pci.o
$(B)/payload/vtd_dma.elf $(B)/payload/vtd_irq.elf $(B)/payload/vtd_sriov.elf $(B)/payload/made.elf: $(B)/payload/vtd_unit.o
# L0's driver of such units, and what it does not need to be told apart for.
PAYLOAD_VTD := $(patsubst hypervisor/%.c,$(B)/payload/hv/%.o,$(filter-out %/mirror.c %/mcfg.c %/topology.c %/strays.c %/ranges.c %/usb_handover.c,$(wildcard hypervisor/vtd/*.c))) \
	$(addprefix $(B)/payload/,vtd_unit.o vtd_pci.o vtd_acpi.o vtd_copier.o vtd_seam.o)
$(B)/payload/vtd_rules.elf: $(B)/payload/vtd_rules_irq.o $(B)/payload/vtd_rules_queue.o $(PAYLOAD_VTD)
$(B)/payload/vtd_driver.elf: $(B)/payload/vtd_nvme.o $(PAYLOAD_VTD)
$(B)/payload/bench_disk.elf: $(B)/payload/runtime/virtio_pci.o
$(B)/payload/wildvtd.elf: $(addprefix $(B)/payload/,vtd_unit.o vtd_pci.o wild_model.o)
$(B)/payload/vvtd.elf $(B)/payload/eptdma.elf: $(B)/payload/vtd_unit.o $(B)/payload/runtime/virtio_pci.o
$(patsubst tests/stress/%.c,$(B)/payload/%.elf,$(wildcard tests/stress/*.c)): $(B)/payload/stress.o
$(B)/payload/aggressor.elf: $(B)/payload/stress.o

# Firmware of our own, to see what firmware meets: 64 KiB that end at 4 GiB.
$(B)/payload/rom/%.o: tests/boot/rom/%.S
	@mkdir -p $(@D)
	$(CC) -m32 -MMD -MP -c $< -o $@

$(B)/payload/rom/%.o: tests/boot/rom/%.c
	@mkdir -p $(@D)
	$(CC) $(PAYLOAD32_CFLAGS) -c $< -o $@

$(B)/payload/rom.bin: $(B)/payload/rom/rom.o $(B)/payload/rom/rom_c.o tests/boot/rom/rom.ld
	$(LD) -m elf_i386 -nostdlib -static -z noexecstack --no-warn-rwx-segments -T tests/boot/rom/rom.ld \
		-o $@.elf $(filter %.o,$^)
	$(OBJCOPY) -O binary -j .text $@.elf $@

# A disk that a BIOS boots.
$(B)/payload/disk.img: $(B)/payload/rom/disk.o
	$(LD) -m elf_i386 -nostdlib -static -z noexecstack --no-warn-rwx-segments -Ttext=0x7c00 --oformat=binary \
		-o $@ $<

# The same for a BIOS without a screen.
$(B)/payload/rom/disk-serial.o: tests/boot/rom/disk.S
	@mkdir -p $(@D)
	$(CC) -m32 -DSERIAL -MMD -MP -c $< -o $@

$(B)/payload/disk-serial.img: $(B)/payload/rom/disk-serial.o
	$(LD) -m elf_i386 -nostdlib -static -z noexecstack --no-warn-rwx-segments -Ttext=0x7c00 --oformat=binary \
		-o $@ $<

-include $(wildcard $(B)/payload/rom/*.d)

.SECONDARY: $(PAYLOAD_ELF:.elf=.o) $(B)/payload/conf.o $(B)/payload/golden.o $(B)/payload/stress.o \
	$(B)/payload/hostile_vmx.o $(B)/payload/hostile_virtio.o $(B)/payload/hostile_vtd.o $(addprefix $(B)/payload/runtime/,virtio_net.o virtio_pci.o) $(PAYLOAD_RT) \
	$(PAYLOAD32_ELF:$(B)/payload/%.elf=$(B)/payload/32/%.o) $(B)/payload/32/conf.o $(B)/payload/32/l1task.o $(PAYLOAD32_RT)
.PHONY: payloads
## make payloads     conformance and bench payloads (Multiboot 1 ELF)
payloads: $(PAYLOAD_ELF) $(B)/payload/rom.bin $(B)/payload/disk.img

-include $(wildcard $(addprefix $(B)/payload/,*.d hv/*/*.d runtime/*.d spec/*.d 32/*.d 32/runtime/*.d 32/spec/*.d 32/hv/*/*.d))

# Debian as L1 and L2: kernel and programs from Debian's packages, initramfs made here.
DEBIAN := $(B)/debian
DEBIAN32 := $(B)/debian-i386
KVMCLIENT_SRC := $(wildcard guests/kvmclient/*.c) guests/kvmclient/probe_guest.S

$(DEBIAN)/packages.txt: guests/debian/fetch.sh
	rm -f $@
	guests/debian/fetch.sh $(DEBIAN)

$(B)/kvmclient: $(KVMCLIENT_SRC) guests/kvmclient/vm.h
	@mkdir -p $(@D)
	$(CC) $(WARN) -D_GNU_SOURCE -O2 -static $(KVMCLIENT_SRC) -o $@

$(DEBIAN)/%.cpio: guests/debian/mkinitramfs.sh guests/debian/l1-init guests/debian/l2-init guests/debian/devices-init guests/debian/console-init \
		guests/debian/dhcp-script guests/debian/storage-init guests/debian/boot-server-init guests/debian/bench-init \
		$(B)/kvmclient $(DEBIAN)/packages.txt
	guests/debian/mkinitramfs.sh $* $@ $(B)/kvmclient $(DEBIAN)

$(addprefix $(DEBIAN)/,client.cpio depth.cpio qemu.cpio ovmf.cpio vfio.cpio): $(DEBIAN)/l2.cpio

$(DEBIAN)/ide.cpio: guests/debian/mkinitramfs.sh guests/debian/service-init $(DEBIAN)/packages.txt
	guests/debian/mkinitramfs.sh ide $@ $(B)/kvmclient $(DEBIAN) $(DEBIAN)/modules

# The generic kernel, which has drivers of network cards, for a service VM.
SERVICE := $(B)/debian-service

$(SERVICE)/packages.txt: guests/debian/fetch-service.sh
	rm -f $@
	guests/debian/fetch-service.sh $(SERVICE)

$(SERVICE)/service.cpio: guests/debian/mkinitramfs.sh guests/debian/service-init guests/debian/dhcp-script \
		$(DEBIAN)/packages.txt $(SERVICE)/packages.txt
	guests/debian/mkinitramfs.sh service $@ $(B)/kvmclient $(DEBIAN) $(SERVICE)/modules

# The same kernel as L2, with the driver of the machine's network card, which L1 gives on.
$(SERVICE)/vmlinux: guests/debian/unpack-kernel.sh $(SERVICE)/packages.txt
	guests/debian/unpack-kernel.sh $(SERVICE)/vmlinuz $@

$(SERVICE)/l2.cpio: guests/debian/mkinitramfs.sh guests/debian/l2-init guests/debian/dhcp-script $(DEBIAN)/packages.txt \
		$(SERVICE)/packages.txt
	guests/debian/mkinitramfs.sh card-l2 $@ $(B)/kvmclient $(DEBIAN) $(SERVICE)/modules

$(SERVICE)/vfio.cpio: guests/debian/mkinitramfs.sh guests/debian/l1-init $(B)/kvmclient $(SERVICE)/vmlinux $(SERVICE)/l2.cpio \
		$(DEBIAN)/packages.txt
	guests/debian/mkinitramfs.sh card-vfio $@ $(B)/kvmclient $(DEBIAN)

.PHONY: service-vm
## make service-vm   Debian's kernel and the initramfs of the VM behind the network `user`
service-vm: $(SERVICE)/service.cpio

# fio and iperf3, for long tests.
DEBIAN_IO := $(B)/debian-io

$(DEBIAN_IO)/packages.txt: guests/debian/fetch-programs.sh
	rm -f $@
	guests/debian/fetch-programs.sh $(DEBIAN_IO) fio iperf3

$(DEBIAN_IO)/%.cpio: guests/debian/mkinitramfs.sh guests/debian/devices-init guests/debian/iperf-check guests/debian/l1-init \
		guests/debian/l2-init guests/debian/dhcp-script $(B)/kvmclient $(DEBIAN)/packages.txt $(DEBIAN_IO)/packages.txt
	guests/debian/mkinitramfs.sh $(if $(filter io,$*),io,io-$*) $@ $(B)/kvmclient $(DEBIAN) \
		$(if $(filter io,$*),$(DEBIAN_IO)/root,modules) $(DEBIAN_IO)/root

$(DEBIAN_IO)/qemu.cpio: $(DEBIAN_IO)/l2.cpio

$(DEBIAN_IO)/service.cpio: guests/debian/mkinitramfs.sh guests/debian/service-init guests/debian/dhcp-script guests/debian/iperf-check \
		$(SERVICE)/packages.txt $(DEBIAN)/packages.txt $(DEBIAN_IO)/packages.txt
	guests/debian/mkinitramfs.sh io-service $@ $(B)/kvmclient $(DEBIAN) $(SERVICE)/modules $(DEBIAN_IO)/root

# Other servers of disks than nbdkit, for a long test.
DEBIAN_NBD := $(B)/debian-nbd

$(DEBIAN_NBD)/packages.txt: guests/debian/fetch-programs.sh
	rm -f $@
	guests/debian/fetch-programs.sh $(DEBIAN_NBD) qemu-utils nbd-server socat

$(DEBIAN_NBD)/nbd.cpio: guests/debian/mkinitramfs.sh guests/debian/storage-init $(DEBIAN)/packages.txt $(DEBIAN_NBD)/packages.txt
	guests/debian/mkinitramfs.sh nbd $@ $(B)/kvmclient $(DEBIAN) $(DEBIAN_NBD)/root

# Debian's Ironic, for a long test.
DEBIAN_IRONIC := $(B)/debian-ironic

$(DEBIAN_IRONIC)/packages.txt: tests/ironic/fetch.sh
	rm -f $@
	tests/ironic/fetch.sh $(DEBIAN_IRONIC)

# Debian's installer, and the part of the archive that it finds a disk with, for a long test.
DEBIAN_INSTALLER := $(B)/debian-installer

$(DEBIAN_INSTALLER)/udebs.txt: guests/debian/fetch-installer.sh
	rm -f $@
	guests/debian/fetch-installer.sh $(DEBIAN_INSTALLER)

# A disk with a whole Debian, for long tests.
DEBIAN_DISK := $(B)/debian-disk

$(DEBIAN_DISK)/packages.txt: guests/debian/make-disk.sh
	rm -f $@
	guests/debian/make-disk.sh $(DEBIAN_DISK)

# memtest86+, for a long test.
DEBIAN_MEMTEST := $(B)/debian-memtest

$(DEBIAN_MEMTEST)/packages.txt: guests/debian/fetch-programs.sh
	rm -f $@
	guests/debian/fetch-programs.sh $(DEBIAN_MEMTEST) memtest86+

# The last one that has a 16-bit entry alone.
DEBIAN_MEMTEST5 := $(B)/debian-memtest5

$(DEBIAN_MEMTEST5)/packages.txt: guests/debian/fetch-programs.sh
	rm -f $@
	guests/debian/fetch-programs.sh -s bullseye $(DEBIAN_MEMTEST5) memtest86+

# Xen, its toolstack, and the generic kernel as dom0: the one for clouds cannot be one. What HVM guests boot is a payload.
DEBIAN_XEN := $(B)/debian-xen

XEN_PACKAGES = xen-hypervisor-$1-amd64 xen-utils-$1 xenstore-utils qemu-system-xen qemu-system-data seabios
XEN_DISKS := $(B)/payload/disk-serial.img $(DEBIAN_XEN)/cd/linux.iso $(DEBIAN_XEN)/cd/nested.iso
XEN_LINUX := console=ttyS0 no_timer_check nokaslr mitigations=off init_on_alloc=0 random.trust_cpu=on nowatchdog cryptomgr.notests quiet

# Of a folder, a version and, if it is not the system's, a suite.
define xen_rules
$1/packages.txt: guests/debian/fetch-programs.sh
	rm -f $$@
	guests/debian/fetch-programs.sh $(if $3,-s $3) $$(@D) $(call XEN_PACKAGES,$2)

$1/xen: $1/packages.txt
	zcat $1/root/boot/xen-$2-amd64.gz >$$@

$1/vmlinux: guests/debian/unpack-kernel.sh $1/packages.txt $(SERVICE)/packages.txt
	guests/debian/unpack-kernel.sh $(SERVICE)/vmlinuz $$@

$1/xen.cpio: guests/debian/mkinitramfs.sh guests/debian/xen-init guests/debian/xen-vif $(B)/kvmclient $(DEBIAN)/l2.cpio $(XEN_DISKS) \
		$(DEBIAN)/packages.txt $(SERVICE)/packages.txt $1/packages.txt
	guests/debian/mkinitramfs.sh xen $$@ $(B)/kvmclient $(DEBIAN) $(SERVICE)/modules $1/root $(XEN_DISKS)
endef
$(eval $(call xen_rules,$(DEBIAN_XEN),4.17))
$(eval $(call xen_rules,$(DEBIAN_XEN)-trixie,4.20,trixie))

$(DEBIAN_XEN)/cd/linux.iso: guests/debian/make-iso.sh $(DEBIAN)/packages.txt $(DEBIAN)/l2.cpio
	@mkdir -p $(@D)
	guests/debian/make-iso.sh -w $@ linux $(DEBIAN)/vmlinuz '$(XEN_LINUX)' $(DEBIAN)/l2.cpio

# Xen 4.20 answers at port 0xe9, and keeps what is written there for its own log.
$(DEBIAN_XEN)/cd/nested.iso: guests/debian/make-iso.sh $(B)/payload/guest.elf
	@mkdir -p $(@D)
	guests/debian/make-iso.sh $@ multiboot $(B)/payload/guest.elf "vmx com1"

.PHONY: xen-guests
## make xen-guests   Debian's Xen, of two suites, with dom0 and what its domUs start from
xen-guests: $(foreach d,$(DEBIAN_XEN) $(DEBIAN_XEN)-trixie,$(addprefix $d/,xen vmlinux xen.cpio))

# VirtualBox, and CDs that its guests boot: payloads, and Debian.
DEBIAN_VBOX := $(B)/debian-vbox
VBOX_CD := $(addprefix $(DEBIAN_VBOX)/cd/,guest64.iso guest32.iso guest64-smp.iso guest32-smp.iso guest64-vmx.iso linux.iso linux32.iso)
VBOX_WORDS = $(if $(findstring smp,$*),cpus=4) $(if $(findstring vmx,$*),vmx)
VBOX_LINUX := console=ttyS0 no_timer_check nokaslr mitigations=off init_on_alloc=0 random.trust_cpu=on nowatchdog cryptomgr.notests

$(DEBIAN_VBOX)/packages.txt: guests/debian/fetch-vbox.sh $(DEBIAN)/packages.txt
	rm -f $@
	guests/debian/fetch-vbox.sh $(DEBIAN_VBOX) $(DEBIAN)

$(DEBIAN_VBOX)/cd/guest64%.iso: guests/debian/make-iso.sh $(B)/payload/guest.elf
	@mkdir -p $(@D)
	guests/debian/make-iso.sh $@ multiboot $(B)/payload/guest.elf "$(strip $(VBOX_WORDS))"

$(DEBIAN_VBOX)/cd/guest64.iso: guests/debian/make-iso.sh $(B)/payload/guest.elf
	@mkdir -p $(@D)
	guests/debian/make-iso.sh $@ multiboot $(B)/payload/guest.elf ''

$(DEBIAN_VBOX)/cd/guest32%.iso: guests/debian/make-iso.sh $(B)/payload/guest_32.elf
	@mkdir -p $(@D)
	guests/debian/make-iso.sh $@ multiboot $(B)/payload/guest_32.elf "$(strip $(VBOX_WORDS))"

$(DEBIAN_VBOX)/cd/guest32.iso: guests/debian/make-iso.sh $(B)/payload/guest_32.elf
	@mkdir -p $(@D)
	guests/debian/make-iso.sh $@ multiboot $(B)/payload/guest_32.elf ''

$(DEBIAN_VBOX)/cd/linux.iso: guests/debian/make-iso.sh $(DEBIAN)/packages.txt $(DEBIAN)/l2.cpio
	@mkdir -p $(@D)
	guests/debian/make-iso.sh $@ linux $(DEBIAN)/vmlinuz '$(VBOX_LINUX)' $(DEBIAN)/l2.cpio

$(DEBIAN_VBOX)/cd/linux32.iso: guests/debian/make-iso.sh $(DEBIAN32)/packages.txt $(DEBIAN32)/l2.cpio
	@mkdir -p $(@D)
	guests/debian/make-iso.sh $@ linux $(DEBIAN32)/vmlinuz '$(VBOX_LINUX)' $(DEBIAN32)/l2.cpio

$(DEBIAN_VBOX)/vbox.cpio: guests/debian/mkinitramfs.sh guests/debian/vbox-init $(B)/kvmclient $(VBOX_CD) $(DEBIAN)/packages.txt \
		$(DEBIAN_VBOX)/packages.txt
	guests/debian/mkinitramfs.sh vbox $@ $(B)/kvmclient $(DEBIAN) modules $(DEBIAN_VBOX)

.PHONY: vbox-guests
## make vbox-guests  VirtualBox in Debian, its driver built, and what its guests start from
vbox-guests: $(DEBIAN_VBOX)/vbox.cpio

# The 32-bit kernels as L1, and the one with PAE paging as L2, too.
GCC32 := $(CC) -m32 --sysroot=$(DEBIAN32)/root $(foreach f,-B -L,$(f)$(DEBIAN32)/root/usr/lib/gcc/i686-linux-gnu/12)

$(DEBIAN32)/packages.txt: guests/debian/fetch-i386.sh
	rm -f $@
	guests/debian/fetch-i386.sh $(DEBIAN32)

$(B)/i386/kvmclient: $(KVMCLIENT_SRC) guests/kvmclient/vm.h $(DEBIAN32)/packages.txt
	@mkdir -p $(@D)
	$(GCC32) $(WARN) -D_GNU_SOURCE -O2 -static $(KVMCLIENT_SRC) -o $@

INITRAMFS32 := guests/debian/mkinitramfs.sh guests/debian/l1-init guests/debian/l2-init \
	$(B)/i386/kvmclient $(DEBIAN32)/packages.txt
$(DEBIAN32)/%.cpio: $(INITRAMFS32)
	guests/debian/mkinitramfs.sh $* $@ $(B)/i386/kvmclient $(DEBIAN32)

$(DEBIAN32)/probe-686.cpio: $(INITRAMFS32)
	guests/debian/mkinitramfs.sh probe $@ $(B)/i386/kvmclient $(DEBIAN32) modules-686

$(DEBIAN32)/client.cpio: $(DEBIAN32)/l2.cpio

# The 64-bit L1 of such L2s.
$(DEBIAN32)/qemu-32.cpio: $(INITRAMFS32) $(B)/kvmclient $(DEBIAN)/packages.txt $(DEBIAN32)/l2.cpio
	guests/debian/mkinitramfs.sh qemu-32 $@ $(B)/kvmclient $(DEBIAN)

# Kernels of other suites as L1 and L2, with the same programs: build/debian-SUITE.
SUITES := bullseye trixie sid
define suite_rules
$(DEBIAN)-$1/packages.txt: guests/debian/fetch-kernel.sh $(DEBIAN)/packages.txt
	rm -f $$@
	guests/debian/fetch-kernel.sh $$(@D) $1 $(DEBIAN)

$(DEBIAN)-$1/%.cpio: guests/debian/mkinitramfs.sh guests/debian/l1-init guests/debian/l2-init guests/debian/dhcp-script $(B)/kvmclient $(DEBIAN)-$1/packages.txt
	guests/debian/mkinitramfs.sh $$* $$@ $(B)/kvmclient $$(@D)

$(addprefix $(DEBIAN)-$1/,client.cpio qemu.cpio): $(DEBIAN)-$1/l2.cpio
endef
$(foreach s,$(SUITES),$(eval $(call suite_rules,$s)))

.PHONY: suite-guests
## make suite-guests Debian's kernels of other suites, and initramfs images for L1 and L2
suite-guests: $(foreach s,$(SUITES),$(addprefix $(DEBIAN)-$s/,client.cpio qemu.cpio))

# A Linux whose KVM is a machine for Nestor, with the tool and L0.
$(DEBIAN)/kvm-host.cpio: guests/debian/mkinitramfs.sh guests/debian/kvm-init $(B)/kvmclient $(B)/nestor $(B)/nestor.elf $(DEBIAN)/packages.txt
	guests/debian/mkinitramfs.sh kvm-host $@ $(B)/kvmclient $(DEBIAN) modules $(B)

# libvirt in Debian, and the guest that it manages.
DEBIAN_LIBVIRT := $(B)/debian-libvirt

$(DEBIAN_LIBVIRT)/packages.txt: guests/debian/fetch-programs.sh
	rm -f $@
	guests/debian/fetch-programs.sh $(DEBIAN_LIBVIRT) libvirt-daemon libvirt-daemon-driver-qemu libvirt-clients qemu-utils qemu-system-common socat

$(DEBIAN_LIBVIRT)/%.cpio: guests/debian/mkinitramfs.sh guests/debian/libvirt-init guests/debian/console-init $(B)/kvmclient \
		$(DEBIAN)/packages.txt $(DEBIAN_LIBVIRT)/packages.txt
	guests/debian/mkinitramfs.sh $* $@ $(B)/kvmclient $(DEBIAN) modules $(DEBIAN_LIBVIRT)/root

$(DEBIAN_LIBVIRT)/libvirt.cpio: $(DEBIAN_LIBVIRT)/libvirt-l2.cpio

.PHONY: libvirt-guests
## make libvirt-guests  libvirt in Debian, and the guest that it manages
libvirt-guests: $(DEBIAN_LIBVIRT)/libvirt.cpio

# Incus of Debian 13 on its kernel, from a disk; and the guest that it manages.
DEBIAN_INCUS := $(B)/debian-incus
INCUS_L2 := console=ttyS0 reboot=t tsc=reliable no_timer_check nokaslr mitigations=off init_on_alloc=0 random.trust_cpu=on nowatchdog \
	cryptomgr.notests initcall_blacklist=i8042_init,cmos_init clearcpuid=297 quiet

$(DEBIAN_INCUS)/packages.txt: guests/debian/fetch-programs.sh
	rm -f $@
	guests/debian/fetch-programs.sh -s trixie $(DEBIAN_INCUS) incus-base incus-client qemu-system-x86 qemu-system-common qemu-system-data \
		qemu-system-modules-spice qemu-system-modules-opengl qemu-utils seabios ovmf iproute2 rsync tar attr coreutils gzip squashfs-tools \
		xz-utils util-linux gdisk socat

$(DEBIAN_INCUS)/l2.cpio: guests/debian/mkinitramfs.sh guests/debian/console-init $(DEBIAN)/packages.txt
	@mkdir -p $(@D)
	guests/debian/mkinitramfs.sh libvirt-l2 $@ - $(DEBIAN)

# Incus writes what it is sent of a disk piece by piece, and a zero ends a piece.
$(DEBIAN_INCUS)/l2.iso: guests/debian/make-iso.sh $(DEBIAN)/packages.txt $(DEBIAN_INCUS)/l2.cpio
	guests/debian/make-iso.sh -z $@ linux $(DEBIAN)/vmlinuz '$(strip $(INCUS_L2))' $(DEBIAN_INCUS)/l2.cpio

$(DEBIAN_INCUS)/boot.cpio: guests/debian/mkinitramfs.sh guests/debian/disk-root-init $(DEBIAN)-trixie/packages.txt
	@mkdir -p $(@D)
	guests/debian/mkinitramfs.sh disk-root $@ - $(DEBIAN)-trixie

$(DEBIAN_INCUS)/incus.disk: guests/debian/mkinitramfs.sh guests/debian/incus-init $(B)/kvmclient $(DEBIAN_INCUS)/l2.iso \
		$(DEBIAN)-trixie/packages.txt $(DEBIAN_INCUS)/packages.txt
	guests/debian/mkinitramfs.sh incus $@ $(B)/kvmclient $(DEBIAN)-trixie modules $(DEBIAN_INCUS)/root $(DEBIAN_INCUS)/l2.iso

.PHONY: incus-guests
## make incus-guests  Incus in Debian 13, and the guest that it manages
incus-guests: $(addprefix $(DEBIAN_INCUS)/,boot.cpio incus.disk)

# Programs that are measured in L1 and in L2.
DEBIAN_WORK := $(B)/debian-work

$(DEBIAN_WORK)/packages.txt: guests/debian/fetch-programs.sh guests/debian/work-packages
	rm -f $@
	guests/debian/fetch-programs.sh $(DEBIAN_WORK) $$(cat guests/debian/work-packages)

$(DEBIAN_WORK)/root/usr/lib/jre/program/Work.class: guests/debian/make-jre.sh bench/workloads/guest/Work.java $(DEBIAN_WORK)/packages.txt
	guests/debian/make-jre.sh $(DEBIAN_WORK)/root bench/workloads/guest/Work.java

$(DEBIAN_WORK)/%.cpio: $(DEBIAN_WORK)/root/usr/lib/jre/program/Work.class guests/debian/mkinitramfs.sh guests/debian/work-init $(B)/kvmclient bench/workloads/list $(wildcard bench/workloads/guest/*) \
		$(DEBIAN)/packages.txt $(DEBIAN_WORK)/packages.txt
	guests/debian/mkinitramfs.sh $* $@ $(B)/kvmclient $(DEBIAN) modules $(DEBIAN_WORK)/root

$(DEBIAN_WORK)/work.cpio: $(DEBIAN_WORK)/work-l2.cpio

# Servers that are measured, in an image of their own.
DEBIAN_SERVERS := $(B)/debian-servers

$(DEBIAN_SERVERS)/packages.txt: guests/debian/fetch-programs.sh guests/debian/servers-packages
	rm -f $@
	guests/debian/fetch-programs.sh $(DEBIAN_SERVERS) $$(cat guests/debian/servers-packages)

$(DEBIAN_SERVERS)/%.cpio: guests/debian/mkinitramfs.sh guests/debian/work-init $(B)/kvmclient bench/workloads/servers/list $(wildcard bench/workloads/servers/guest/*) \
		$(DEBIAN)/packages.txt $(DEBIAN_SERVERS)/packages.txt
	guests/debian/mkinitramfs.sh $* $@ $(B)/kvmclient $(DEBIAN) modules $(DEBIAN_SERVERS)/root

$(DEBIAN_SERVERS)/servers.cpio: $(DEBIAN_SERVERS)/servers-l2.cpio

# Linux's own tests of KVM, for an L1.
DEBIAN_SELFTESTS := $(B)/debian-selftests

$(DEBIAN_SELFTESTS)/packages.txt: guests/debian/fetch-selftests.sh
	rm -f $@
	guests/debian/fetch-selftests.sh $(DEBIAN_SELFTESTS)

$(DEBIAN_SELFTESTS)/selftests.cpio: guests/debian/mkinitramfs.sh guests/debian/selftests-init $(B)/kvmclient $(DEBIAN)/packages.txt \
		$(DEBIAN_SELFTESTS)/packages.txt
	guests/debian/mkinitramfs.sh selftests $@ $(B)/kvmclient $(DEBIAN) modules $(DEBIAN_SELFTESTS)

.PHONY: debian-guests
## make debian-guests  Debian's kernels and initramfs images for L1 and L2
debian-guests: $(addprefix $(DEBIAN)/,boot-server.cpio devices.cpio ide.cpio console.cpio storage.cpio probe.cpio client.cpio \
		depth.cpio qemu.cpio ovmf.cpio vfio.cpio) \
		$(addprefix $(DEBIAN32)/,probe-686.cpio client.cpio qemu-32.cpio)

.PHONY: bench
## make bench        ticks of VT-x operations, beside those of KVM as L0
bench: hypervisor tools machine payloads $(DEBIAN)/bench.cpio
	@B=$(B) bench/run.sh
	@B=$(B) bench/apic_exits.sh
	@B=$(B) bench/net.sh
	@B=$(B) bench/virtio.sh

.PHONY: workloads
## make workloads    real programs in L2 against L1, into docs/workloads.md; ROWS='NAME...': these only, CPUS='1 4'
workloads: hypervisor tools machine debian-guests $(DEBIAN_WORK)/work.cpio $(DEBIAN_SERVERS)/servers.cpio
	@B=$(B) bench/workloads/run.sh $(ROWS)

.PHONY: bench-mitigations
## make bench-mitigations  what mitigations cost, into docs/speculation.md
bench-mitigations: hypervisor tools machine payloads
	@B=$(B) bench/mitigations.sh

.PHONY: bench-kvm
## make bench-kvm    measures KVM and QEMU anew, which 'make bench' shows beside (bench/kvm_virtio.txt)
bench-kvm: tools machine payloads $(DEBIAN)/bench.cpio
	@B=$(B) bench/kvm_virtio.sh

.PHONY: demo demo-run
## make demo-run     the demo, without installing anything
## make demo         installs what is needed, builds all, boots Debian, its KVM, and Linux in it
demo:
	@$(MAKE) --no-print-directory setup
	@$(MAKE) --no-print-directory demo-run

demo-run: hypervisor tools machine debian-guests
	@$(B)/nestor run guests/demo.yaml --verbose --log-level info --summary
