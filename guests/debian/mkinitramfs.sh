#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Makes the initramfs of L1 or L2: uncompressed (decompression costs emulated time), reproducible.
#
#   guests/debian/mkinitramfs.sh KIND OUTPUT KVMCLIENT [DIR [MODULES [ROOT [DISK...]]]]
#
# DIR: what fetch.sh, fetch-i386.sh or fetch-kernel.sh made.
# KIND: boot-server (a VM from which others start by network), devices (L1 that tries its virtio devices), io (the same with fio and iperf3), console (L1 with a shell), l2 (busybox and l2-init), probe (L1 with KVM, no L2), client (L1 with an L2 for our KVM client), depth (the same, which can give its own image to L2),
# qemu (the same with Debian's QEMU), bench (measures guests of KVM and QEMU; their payloads come in a second archive), storage (serves a disk by nbdkit), nbd (or by qemu-nbd or nbd-server), ide (owns the machine's disk), service (and its network card). DIR: default build/debian. MODULES is
# the folder there that has L1's; default modules. For ide and service it is the folder itself, for io and nbd the root of fetch-programs.sh.
# ovmf: qemu with OVMF, which starts a bzImage. qemu-32: qemu whose L2s are OUTPUT's neighbours vmlinuz and vmlinuz-686, with l2.cpio.
# vfio: qemu with what L1 needs to give a PCI function of its own to L2.
# card-l2, card-vfio: l2 and vfio for the machine's network card; the L2 of the second is OUTPUT's neighbours vmlinux and l2.cpio, the generic kernel.
# vbox: L1 with VirtualBox; ROOT is the folder of fetch-vbox.sh, whose CDs it has.
# kvm-host: a Linux whose KVM is the machine on which Nestor runs; ROOT is the folder with the tool and L0. The runs come in a second archive.
# libvirt-l2: what libvirt's guest is; libvirt: L1 with libvirt, whose daemon is below ROOT and whose guest is OUTPUT's neighbour libvirt-l2.cpio.
# disk-root: goes on with a system on the first disk. incus: OUTPUT, NAME.disk, is such a disk, of an L1 with Incus, which is below ROOT; DISK: its guest's.
# work-l2: programs that are measured, below ROOT; work: the same with KVM and QEMU, whose L2 is that one, OUTPUT's neighbour work-l2.cpio.
# servers-l2, servers: the same with a web server, its database and its client, and what measures disks.
# selftests: L1 with Linux's tests of KVM; ROOT is the folder of fetch-selftests.sh.
# xen: Xen's dom0; MODULES is the folder of its modules, ROOT of fetch-programs.sh, each DISK what HVM guests boot.
# io-l2, io-qemu (whose L2 is that one, OUTPUT's neighbour l2.cpio), io-service: l2, qemu and service with iperf3, which is below ROOT.
set -eu
kind=$1 output=$2 client=$3 dir=${4:-build/debian} modules=${5:-modules} root=${6-} disks=("${@:7}") l2=$dir/l2.cpio time=0
here=$(cd "$(dirname "$0")" && pwd)
stage=$(mktemp -d)
trap 'rm -rf "$stage"' EXIT

put() { # FILE TARGET-FOLDER
	mkdir -p "$stage/$2"
	cp -L "$1" "$stage/$2/"
}

base() { # APPLET...
	mkdir -p "$stage"/{proc,sys,dev,tmp}
	put "$dir/root/bin/busybox" bin
	for a in sh mount "$@"; do
		ln -sf busybox "$stage/bin/$a"
	done
}

# Modules that not every kernel has, since their code is in another one there.
divided=' drivers/virtio/virtio_pci_modern_dev drivers/virtio/virtio_pci_legacy_dev drivers/vfio/vfio_virqfd '

# A module, unless it is a part of the kernel there.
module() { # FOLDER MODULE
	if [ -f "$1/kernel/$2.ko" ]; then
		put "$1/kernel/$2.ko" lib/modules
	elif ! grep -q -x "kernel/$2.ko" "$1/modules.builtin" && ! [[ $divided == *" $2 "* ]]; then
		echo "mkinitramfs.sh: the kernel of $1 has no module $2" >&2
		exit 1
	fi
}

needed() {
	objdump -p "$1" | sed -n 's/^ *NEEDED *//p'
}

# A program and the shared libraries that it loads, all to the places where the loader looks; from packages below ROOT.
program() { # FILE [ROOT]
	local root=${2:-$dir/root} lib path
	local file=$root$1
	put "$file" "$(dirname "$1")"
	local queue=("$file") seen=' '
	while [ ${#queue[@]} -gt 0 ]; do
		for lib in $(needed "${queue[0]}"); do
			case $seen in *" $lib "*) continue ;; esac
			seen="$seen$lib "
			path=$(find "$root/lib" "$root/usr/lib" -name "$lib" -print -quit)
			[ -n "$path" ] || { echo "mkinitramfs.sh: no $lib for $1" >&2 && exit 1; }
			case $path in
			*/virtualbox/*) put "$path" usr/lib/virtualbox ;;
			*) put "$path" lib/x86_64-linux-gnu ;;
			esac
			queue+=("$path")
		done
		queue=("${queue[@]:1}")
	done
	mkdir -p "$stage/lib64"
	cp -L "$root"/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2 "$stage/lib64/"
}

# The same of this host, which is a Linux with e2fsprogs.
host_program() {
	host_file "$(PATH=$PATH:/usr/sbin:/sbin command -v "$1")"
}

host_file() {
	local lib
	put "$1" bin
	ldd "$1" | grep -o '/[^ ]*' | while read -r lib; do
		put "$lib" "$(dirname "$lib")"
	done
}

l1() {
	local m
	base insmod poweroff cat
	put "$client" bin
	for m in virt/lib/irqbypass arch/x86/kvm/kvm arch/x86/kvm/kvm-intel; do
		module "$dir/$modules" "$m"
	done
	cp "$here/l1-init" "$stage/init"
}

l2_image() {
	put "${l2_kernel-$dir/vmlinux}" l2
	cp "$l2" "$stage/l2/initrd"
}

drivers() { # MODULE...: virtio ones
	local m
	for m in virtio/virtio virtio/virtio_ring block/virtio_blk "$@"; do
		module "$dir/modules" "drivers/$m"
	done
}

of_pci=(virtio/virtio_pci_modern_dev virtio/virtio_pci_legacy_dev virtio/virtio_pci)

qemu() {
	local f
	program /usr/bin/qemu-system-x86_64
	for f in bios-microvm.bin bios-256k.bin; do
		put "$dir/root/usr/share/seabios/$f" usr/share/seabios
	done
	for f in pvh.bin linuxboot_dma.bin kvmvapic.bin; do
		put "$dir/root/usr/share/qemu/$f" usr/share/qemu
	done
}

# What measures guests of KVM and QEMU, and their host's bridge.
bench() {
	local m
	l1
	base insmod poweroff cat grep dd sleep seq ifconfig brctl tr readlink
	drivers "${of_pci[@]}"
	for m in net/llc/llc net/802/stp net/bridge/bridge net/core/failover drivers/net/net_failover drivers/net/virtio_net \
		drivers/net/tun drivers/net/tap drivers/vhost/vhost_iotlb drivers/vhost/vhost drivers/vhost/vhost_net; do
		put "$dir/modules/kernel/$m.ko" lib/modules
	done
	vfio_drivers
	qemu
	put "$dir/root/usr/share/qemu/multiboot_dma.bin" usr/share/qemu
	cp "$here/bench-init" "$stage/init"
}

# What tries the virtio devices.
devices() {
	local m
	base insmod poweroff cat head wc cmp cut mv grep tr dd sha256sum sync seq umount mkdir cp \
		blkdiscard blockdev ln rm stty
	drivers "${of_pci[@]}" char/virtio_console char/hw_random/virtio-rng virtio/virtio_balloon
	host_program mke2fs
	host_program e2fsck
	for m in drivers/net/virtio_net drivers/net/net_failover net/core/failover net/llc/llc net/802/stp \
		net/802/mrp net/802/garp net/8021q/8021q; do
		put "$dir/modules/kernel/$m.ko" lib/modules
	done
	cdrom_drivers
	for m in httpd ifconfig ip ls md5sum nc nslookup ping sleep taskset tee udhcpc vconfig wget; do
		ln -s busybox "$stage/bin/$m"
	done
	mkdir -p "$stage/etc"
	put "$here/dhcp-script" bin
	cp "$here/devices-init" "$stage/init"
}

# What serves a disk to other VMs.
storage() {
	base insmod head tr dd sleep
	drivers "${of_pci[@]}"
	for m in vsock vmw_vsock_virtio_transport_common vmw_vsock_virtio_transport; do
		put "$dir/modules/kernel/net/vmw_vsock/$m.ko" lib/modules
	done
	program /usr/bin/nbdkit
	put "$dir/root/usr/lib/x86_64-linux-gnu/nbdkit/plugins/nbdkit-file-plugin.so" \
		usr/lib/x86_64-linux-gnu/nbdkit/plugins
	cp "$here/storage-init" "$stage/init"
}

ide_drivers() { # FOLDER
	local m
	for m in scsi/scsi_common scsi/scsi_mod ata/libata ata/ata_piix scsi/sd_mod; do
		put "$1/kernel/drivers/$m.ko" lib/modules
	done
	for m in crypto/crct10dif_common lib/crc-t10dif lib/crc64 lib/crc64-rocksoft block/t10-pi; do
		[ ! -e "$1/kernel/$m.ko" ] || put "$1/kernel/$m.ko" lib/modules # else the kernel has it
	done
}

# What has the machine's disk. MODULES is the folder itself.
ide() {
	base insmod poweroff grep tr sleep cat dd md5sum seq sync readlink sort uniq wc
	ide_drivers "$modules"
	put "$modules/kernel/drivers/pci/pci-pf-stub.ko" lib/modules
	cp "$here/service-init" "$stage/init"
}

# And bridges its network card. MODULES is fetch-service.sh's.
service() {
	local m
	ide
	for m in ip brctl udhcpc ping tftp; do
		ln -s busybox "$stage/bin/$m"
	done
	mkdir -p "$stage/etc"
	for m in drivers/virtio/virtio drivers/virtio/virtio_ring drivers/virtio/virtio_pci_modern_dev \
		drivers/virtio/virtio_pci_legacy_dev drivers/virtio/virtio_pci net/core/failover \
		drivers/net/net_failover drivers/net/virtio_net drivers/net/ethernet/intel/e1000/e1000 \
		net/llc/llc net/802/stp net/bridge/bridge; do
		put "$modules/kernel/$m.ko" lib/modules
	done
	put "$here/dhcp-script" bin
}

iperf() { # ROOT
	local m
	program /usr/bin/iperf3 "$1"
	ln -s ../usr/bin/iperf3 "$stage/bin/"
	base awk cat grep seq sleep
	put "$here/iperf-check" bin
}

# A guest that L1's QEMU runs.
l2_base() {
	put "$client" bin
	base reboot insmod sha256sum head seq dd cmp ip udhcpc ping wget sleep
	mkdir -p "$stage/etc"
	put "$here/dhcp-script" bin
	cp "$here/l2-init" "$stage/init"
}

l2() {
	l2_base
	[ ! -d "$dir/modules/kernel/drivers/virtio" ] || drivers virtio/virtio_mmio "${of_pci[@]}" # not for 32 bits
	[ ! -d "$dir/modules/kernel/drivers/virtio" ] || network_drivers
	[ ! -d "$dir/modules/kernel/drivers/virtio" ] || module "$dir/modules" drivers/net/xen-netfront
}

# The same of the generic kernel, with the driver of the machine's network card. MODULES is fetch-service.sh's.
card_l2() {
	l2_base
	put "$modules/kernel/drivers/net/ethernet/intel/e1000/e1000.ko" lib/modules
	unsign e1000
}

l1_with_qemu() {
	local m
	l1
	base insmod poweroff cat head dd cmp ifconfig brctl tunctl
	drivers "${of_pci[@]}"
	network_drivers
	for m in drivers/net/tun net/llc/llc net/802/stp net/bridge/bridge; do
		module "$dir/modules" "$m"
		unsign "${m##*/}"
	done
	l2_image
	qemu
}

vfio_drivers() {
	local m
	drivers # of what comes back from L2
	for m in vfio vfio_virqfd vfio_iommu_type1 pci/vfio-pci-core pci/vfio-pci; do
		module "$dir/modules" "drivers/vfio/$m"
		unsign "${m##*/}"
	done
	module "$dir/modules" drivers/pci/pci-pf-stub
}

cdrom_drivers() {
	local m
	for m in drivers/scsi/scsi_common drivers/scsi/scsi_mod drivers/scsi/virtio_scsi drivers/cdrom/cdrom \
		drivers/scsi/sr_mod fs/isofs/isofs; do
		module "$dir/modules" "$m"
		unsign "${m##*/}"
	done
}

network_drivers() {
	local m
	for m in drivers/net/virtio_net drivers/net/net_failover net/core/failover; do
		module "$dir/modules" "$m"
		unsign "${m##*/}"
	done
}

# Without debug information and signature, whose check takes the kernel a second of emulated time.
unsign() { # MODULE
	[ ! -f "$stage/lib/modules/$1.ko" ] || strip -g "$stage/lib/modules/$1.ko"
}

# What others on its network start from.
boot_server() {
	local m
	base insmod poweroff ip seq sleep mkdir
	mkdir -p "$stage/etc"
	echo 'root:x:0:0:root:/:/bin/sh' >"$stage/etc/passwd"
	echo 'root:x:0:' >"$stage/etc/group"
	drivers "${of_pci[@]}" net/net_failover net/virtio_net
	put "$dir/modules/kernel/net/core/failover.ko" lib/modules
	cdrom_drivers
	for m in "$stage"/lib/modules/*.ko; do
		unsign "$(basename "$m" .ko)"
	done
	host_program dnsmasq
	cp "$here/boot-server-init" "$stage/init"
}

# dom0 of Xen, with its toolstack and what domUs start from. MODULES and ROOT: of the packages of both.
xen() {
	local m xen
	xen=$(cd "$root" && echo usr/lib/xen-*)
	base insmod poweroff cat mkdir ln grep tail tr usleep brctl ifconfig umount wc dd head mv cp
	put "$client" bin
	for m in drivers/xen/{xen-evtchn,xen-privcmd,xen-gntdev,xen-gntalloc,xenfs/xenfs} net/llc/llc net/802/stp net/bridge/bridge \
		drivers/net/xen-netback/xen-netback; do
		put "$modules/kernel/$m.ko" lib/modules
		unsign "${m##*/}"
	done
	for m in xl xenstored xenconsoled xen-init-dom0 libxl-save-helper; do
		program "/$xen/bin/$m" "$root"
	done
	program /usr/bin/xenstore-write "$root"
	program /usr/libexec/xen-qemu-system-i386 "$root"
	put "$root/$xen/boot/hvmloader" "$xen/boot"
	put "$root/usr/share/seabios/bios-256k.bin" usr/share/seabios
	for m in kvmvapic linuxboot linuxboot_dma; do
		put "$root/usr/share/qemu/$m.bin" usr/share/qemu
	done
	for m in en-us common modifiers; do # QEMU wants to know the keys of no screen
		[ ! -e "$root/usr/share/qemu/keymaps/$m" ] || put "$root/usr/share/qemu/keymaps/$m" usr/share/qemu/keymaps
	done
	mkdir -p "$stage/domu"
	cp "$dir/vmlinux" "$dir/vmlinuz" "${disks[@]}" "$stage/domu/"
	cp "$l2" "$stage/domu/initrd"
	put "$here/xen-vif" bin
	cp "$here/xen-init" "$stage/init"
}

# VirtualBox without what needs a screen, and the CDs that its guests boot. It wants its files to be root's, and to know who root is.
vbox() {
	local f
	base insmod poweroff mkdir mkfifo sleep kill killall cat grep sed head tail tr rm
	put "$client" bin
	mkdir -p "$stage/etc" "$stage/l2"
	echo 'root:x:0:0:root:/root:/bin/sh' >"$stage/etc/passwd"
	echo 'root:x:0:' >"$stage/etc/group"
	put "$root/vboxdrv.ko" lib/modules
	unsign vboxdrv
	for f in VBoxHeadless VBoxSVC VBoxHeadless.so VBoxVMM.so VBoxDD.so VBoxDD2.so VBoxDDU.so VBoxRT.so VBoxXPCOM.so VBoxXPCOMIPCD.so \
		VBoxHostChannel.so VBoxSharedFolders.so VBoxSharedClipboard.so VBoxDragAndDropSvc.so VBoxGuestPropSvc.so VBoxGuestControlSvc.so; do
		program "/usr/lib/virtualbox/$f" "$root/root"
	done
	for f in VBoxC.so VBoxSVCM.so VBoxXPCOMIPCC.so; do
		program "/usr/lib/virtualbox/components/$f" "$root/root"
	done
	cp -P "$root"/root/usr/lib/virtualbox/components/* "$stage/usr/lib/virtualbox/components/"
	cp "$root"/root/usr/lib/virtualbox/*.r0 "$stage/usr/lib/virtualbox/"
	cp "$root"/cd/*.iso "$stage/l2/"
	cp "$here/vbox-init" "$stage/init"
}

# A guest with a shell on its console, and drivers of a disk.
libvirt_l2() {
	base insmod poweroff cat head sha256sum stty setsid sleep sync
	drivers "${of_pci[@]}"
	cp "$here/console-init" "$stage/init"
}

# libvirt's daemon with its driver for QEMU, and its client. ROOT: of fetch-programs.sh.
libvirt() {
	local m
	l1
	base insmod poweroff ifconfig nc grep head ln mkdir mkfifo rm sleep tail tr usleep cat
	drivers "${of_pci[@]}" net/net_failover net/virtio_net
	put "$dir/modules/kernel/net/core/failover.ko" lib/modules
	for m in "$stage"/lib/modules/*.ko; do
		unsign "$(basename "$m" .ko)"
	done
	l2_image
	qemu
	for m in /usr/sbin/libvirtd /usr/bin/virsh /usr/bin/socat /usr/bin/qemu-img /usr/lib/libvirt/libvirt_iohelper \
		/usr/lib/x86_64-linux-gnu/libvirt/connection-driver/libvirt_driver_qemu.so; do
		program $m "$root"
	done
	put "$root/usr/lib/x86_64-linux-gnu/qemu/accel-tcg-x86_64.so" usr/lib/x86_64-linux-gnu/qemu # libvirt asks what QEMU can without KVM
	mkdir -p "$stage"/usr/share/libvirt "$stage"/etc
	cp -r "$root/usr/share/libvirt/cpu_map" "$stage/usr/share/libvirt/"
	printf 'root:x:0:0:root:/root:/bin/sh\nlibvirt-qemu:x:64055:64055::/var/lib/libvirt:/bin/false\n' >"$stage/etc/passwd"
	printf 'root:x:0:\nkvm:x:104:\nlibvirt-qemu:x:64055:\n' >"$stage/etc/group"
	printf 'passwd: files\ngroup: files\nhosts: files\n' >"$stage/etc/nsswitch.conf"
	printf '127.0.0.1 localhost\n10.0.0.1 node1\n10.0.0.2 node2\n' >"$stage/etc/hosts"
	printf 'tcp 6 TCP\nudp 17 UDP\n' >"$stage/etc/protocols"
	cp "$here/libvirt-init" "$stage/init"
}

# What goes on with a system on the first disk.
disk_root() {
	base insmod switch_root usleep
	drivers "${of_pci[@]}"
	cp "$here/disk-root-init" "$stage/init"
}

# A whole system with Incus, to be a disk: its daemon, its client, what the daemon runs, and the disk of its guest. ROOT: of fetch-programs.sh.
incus() {
	local m
	l1
	base insmod poweroff cat date grep head hostname ifconfig ln mkdir mkfifo nc rm sleep tail tr
	rm "$stage/init"
	for m in drivers/vhost/vhost_iotlb drivers/vhost/vhost net/vmw_vsock/vsock net/vmw_vsock/vmw_vsock_virtio_transport_common \
		drivers/vhost/vhost_vsock net/core/failover drivers/net/net_failover drivers/net/virtio_net; do
		module "$dir/modules" "$m"
		unsign "${m##*/}"
	done
	for m in /usr/libexec/incus/incusd /usr/bin/{incus,qemu-system-x86_64,qemu-img,rsync,tar,setfattr,getfattr,unsquashfs,gzip,xz,dd,nice,prlimit,socat} \
		/usr/bin/ip /usr/sbin/sgdisk /usr/lib/x86_64-linux-gnu/qemu/{ui-spice-core,chardev-spice,ui-opengl,hw-usb-redirect,hw-display-virtio-{vga,gpu,gpu-pci}}.so; do
		program "$m" "$root"
	done
	for m in "$root"/usr/share/seabios/{bios,vgabios-virtio}.bin; do
		put "$m" usr/share/seabios
	done
	for m in "$root"/usr/share/qemu/{kvmvapic,linuxboot_dma}.bin; do
		put "$m" usr/share/qemu
	done
	for m in "$root"/usr/share/OVMF/OVMF_{CODE,VARS}_4M.fd; do
		put "$m" usr/share/OVMF
	done
	mkdir -p "$stage"/{etc,root,run,mnt,var/lib/incus,var/log/incus,var/cache,var/tmp} "$stage/usr/sbin"
	printf 'root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\n' >"$stage/etc/passwd"
	printf 'root:x:0:\nkvm:x:104:\nincus:x:105:\nincus-admin:x:106:\nnogroup:x:65534:\n' >"$stage/etc/group"
	printf 'root:1000000:1000000000\n' | tee "$stage/etc/subuid" >"$stage/etc/subgid"
	printf 'passwd: files\ngroup: files\nhosts: files\n' >"$stage/etc/nsswitch.conf"
	printf '127.0.0.1 localhost\n10.0.0.1 node1\n10.0.0.2 node2\n' >"$stage/etc/hosts"
	cp "$root/etc/os-release" "$stage/etc/" 2>/dev/null || printf 'NAME=Debian\nID=debian\nVERSION_ID=13\n' >"$stage/etc/os-release"
	mkdir -p "$stage/l2"
	cp "${disks[@]}" "$stage/l2/"
	cp "$here/incus-init" "$stage/usr/sbin/init"
	ln -s usr/sbin "$stage/sbin"
}

# Of programs that are measured: their first process, and the rows with what those read. FOLDER: of the list.
measured() { # FOLDER...
	base insmod poweroff reboot awk rm cut mkfifo ln readlink dirname basename
	put "$client" bin
	drivers "${of_pci[@]}" block/brd
	mkdir -p "$stage/work"
	cp "$1/list" "$1"/guest/* "$stage/work/"
	cp "$here/work-init" "$stage/init"
}

# ROOT: of fetch-programs.sh.
work_programs() {
	local m gcc=usr/lib/gcc/x86_64-linux-gnu/12 python=usr/lib/python3.11
	measured "$here/../../bench/workloads"
	for m in /bin/{cat,cp,dash,dd,false,grep,gzip,mkdir,true} /usr/bin/{head,openssl,printf,python3.11,redis-benchmark,redis-server,sort,sqlite3,stress-ng,tail,test,tr,wc,xz} \
		/bin/tar /usr/bin/{make,x86_64-linux-gnu-{ar,as,ld.bfd,gcc-12}} /$gcc/cc1; do
		program "$m" "$root"
	done
	program /usr/lib/jre/bin/java "$root"
	program /usr/lib/jre/lib/server/libjvm.so "$root"
	cp -r "$root/usr/lib/jre" "$stage/usr/lib/"
	ln -s ../lib/jre/bin/java "$stage/usr/bin/java"
	for m in ar as ld.bfd gcc-12; do
		mv "$stage/usr/bin/x86_64-linux-gnu-$m" "$stage/usr/bin/${m%.bfd}"
	done
	cp -r "$root/$gcc/include" "$stage/$gcc/"
	mkdir -p "$stage/usr/include" "$stage/$python"
	cp -r "$root"/usr/include/{*.h,asm-generic,linux,x86_64-linux-gnu} "$stage/usr/include/"
	cp -r "$root/$python"/{*.py,encodings,collections,re} "$stage/$python/"
	mkdir "$stage/work/nestor"
	cp -r "$here"/../../hypervisor/lib "$stage/work/nestor/"
	head -c 4M "$root/$gcc/cc1" >"$stage/work/4M"
	head -c 1M "$root/$gcc/cc1" >"$stage/work/1M"
	head -c 96K "$root/usr/bin/python3.11" >"$stage/work/96K"
	gzip -n -1 -c "$stage/work/1M" >"$stage/work/1M.gz"
	cat "$root"/usr/include/linux/[a-d]*.h >"$stage/work/text"
}

# A web server with PHP and WordPress, its database, its client, and what measures disks. WordPress is without what browsers alone read.
server_programs() {
	local m share=usr/share/wordpress
	time=1 # PHP keeps no compiled script of the time 0
	measured "$here/../../bench/workloads/servers"
	base cat chmod chown cp dd grep head httpd ifconfig kill mkdir mktemp mount rmdir sleep tail tr umount wget
	host_program mke2fs
	network_drivers
	for m in /bin/dash /usr/bin/{ab,fio,php8.2,sqlite3} /usr/sbin/{apache2,mariadbd} /usr/lib/apache2/modules/libphp8.2.so; do
		program "$m" "$root"
	done
	cp "$root"/usr/lib/apache2/modules/mod_{authz_core,dir,mpm_prefork}.so "$stage/usr/lib/apache2/modules/"
	mkdir -p "$stage"/usr/share/mysql "$stage"/etc/php/8.2/{apache2,cli}/conf.d "$stage"/etc/wordpress "$stage"/var/lib
	cp -r "$root"/usr/share/mysql/{charsets,english,mysql_{system_tables,system_tables_data,performance_tables}.sql} "$stage/usr/share/mysql/"
	for m in common/{ctype,iconv,tokenizer} mysql/{mysqli,mysqlnd} opcache/opcache; do
		program "/usr/lib/php/20220829/${m#*/}.so" "$root"
		# In the order of Debian's priorities: mysqlnd and opcache before the others.
		cp "$root/usr/share/php8.2-${m%/*}/$m.ini" "$stage/etc/php/8.2/cli/conf.d/$(sed -n 's/^; priority=//p' "$root/usr/share/php8.2-${m%/*}/$m.ini")-${m#*/}.ini"
	done
	cp "$stage"/etc/php/8.2/cli/conf.d/* "$stage/etc/php/8.2/apache2/conf.d/"
	cp -r "$root/usr/share/wordpress" "$stage/usr/share/"
	find "$stage/$share/wp-includes/js" ! -name 'wp-emoji-loader*' ! -type d -delete # that one is a part of pages
	rm -r "$stage/$share"/wp-admin/{css,images,js}
	for m in apache2 cli; do
		cp "$root/usr/lib/php/8.2/php.ini-production" "$stage/etc/php/8.2/$m/php.ini"
	done
	cp -r "$root/var/lib/wordpress" "$stage/var/lib/"
	for m in UTC zone.tab; do # of which PHP's is made
		put "$root/usr/share/zoneinfo/$m" usr/share/zoneinfo
	done
	chmod 1777 "$stage/tmp" # the servers are not root
	printf '%s\n' root:x:0:0:root:/:/bin/sh www-data:x:33:33::/var/www:/bin/false mysql:x:100:101::/var/lib/mysql:/bin/false >"$stage/etc/passwd"
	printf '%s\n' root:x:0: www-data:x:33: mysql:x:101: >"$stage/etc/group"
	printf 'passwd: files\ngroup: files\nhosts: files\n' >"$stage/etc/nsswitch.conf"
	printf '127.0.0.1 localhost\n' >"$stage/etc/hosts"
}

# The L1 of such programs; its L2 is OUTPUT's neighbour.
measuring_l1() {
	local m
	l2=${output%.cpio}-l2.cpio
	l1 && l2_image && qemu && vfio_drivers
	base brctl
	for m in net/llc/llc net/802/stp net/bridge/bridge drivers/net/{tun,tap} drivers/vhost/{vhost_iotlb,vhost,vhost_net}; do
		module "$dir/modules" "$m"
	done
	cp "$here/work-init" "$stage/init"
}

# QEMU and KVM, and Nestor as this host built it, with this host's libraries and firmware.
kvm_host() {
	l1
	base insmod poweroff cat tr
	qemu
	put "$dir/root/usr/share/seabios/vgabios-stdvga.bin" usr/share/seabios
	put /usr/share/ovmf/OVMF.fd usr/share/ovmf
	host_file "$root/nestor"
	cp "$root/nestor.elf" "$stage/bin/"
	cp "$here/kvm-init" "$stage/init"
}

case $kind in
boot-server) boot_server ;;
devices) devices ;;
io)
	devices
	program /usr/bin/fio "$modules"
	iperf "$modules"
	ln -s ../usr/bin/fio "$stage/bin/"
	;;
console)
	base poweroff cat head sha256sum stty setsid sleep
	cp "$here/console-init" "$stage/init"
	;;
ide) ide ;;
service) service ;;
storage) storage ;;
nbd)
	storage
	base poweroff sha256sum
	ide_drivers "$dir/modules"
	for m in /usr/bin/qemu-nbd /usr/bin/qemu-img /usr/bin/socat /bin/nbd-server; do
		program "$m" "$modules"
	done
	;;
l2) l2 ;;
io-l2) l2 && iperf "$root" ;;
probe) l1 ;;
bench) bench ;;
client) l1 && l2_image ;;
selftests)
	l1
	base insmod poweroff tr timeout mkdir
	mkdir -p "$stage/selftests"
	cp "$root"/bin/* "$stage/selftests/"
	cp "$here/selftests-init" "$stage/init"
	;;
depth)
	l1 && l2_image
	base find cpio rm mkdir reboot
	;;
qemu) l1_with_qemu ;;
ovmf)
	l2_kernel=$dir/vmlinuz
	l1_with_qemu
	put /usr/share/ovmf/OVMF.fd usr/share/ovmf
	;;
qemu-32)
	l2=$(dirname "$output")/l2.cpio l2_kernel=$(dirname "$output")/vmlinuz
	l1_with_qemu
	put "$l2_kernel-686" l2
	;;
vfio) l1_with_qemu && vfio_drivers ;;
card-l2) card_l2 ;;
card-vfio)
	l2=$(dirname "$output")/l2.cpio l2_kernel=$(dirname "$output")/vmlinux
	l1_with_qemu && vfio_drivers
	;;
io-qemu) l2=$(dirname "$output")/l2.cpio && l1_with_qemu ;;
io-service) service && iperf "$root" ;;
xen) xen ;;
kvm-host) kvm_host ;;
libvirt-l2) libvirt_l2 ;;
libvirt) l2=$(dirname "$output")/libvirt-l2.cpio && libvirt ;;
work-l2) work_programs ;;
disk-root) disk_root ;;
incus) incus ;;
work)
	work_programs
	measuring_l1
	;;
servers-l2) server_programs ;;
servers)
	server_programs
	measuring_l1
	;;
vbox) vbox ;;
*)
	echo "mkinitramfs.sh: KIND is boot-server, devices, io, console, l2, probe, client, depth, selftests, qemu, qemu-32, ovmf, bench, vfio, card-l2, card-vfio, storage, nbd, ide, service, io-l2, io-qemu, io-service, kvm-host, work-l2, work, servers-l2, servers, libvirt-l2, libvirt, disk-root, incus, vbox or xen, not '$kind'" >&2
	exit 64
	;;
esac
find "$stage" -exec touch -h -d "@$time" {} +
if [[ $output == *.disk ]]; then
	mkdir -p "$stage"/{proc,sys,dev,tmp}
	truncate -s 1200M "$output.new" # sparse
	PATH=$PATH:/usr/sbin:/sbin mke2fs -q -t ext4 -O ^has_journal -E root_owner=0:0,hash_seed=00000000-0000-4000-8000-000000000001 \
		-U 00000000-0000-4000-8000-000000000002 -d "$stage" "$output.new"
	mv "$output.new" "$output"
	exit
fi
chmod 755 "$stage/init"
(cd "$stage" && find . -mindepth 1 | LC_ALL=C sort |
	cpio --quiet --reproducible -o -H newc -R 0:0) >"$output.new"
# Whole pages: QEMU's microvm loads an initramfs up to the end of memory, less what its last page has free, and puts its ACPI tables there.
truncate -s %4096 "$output.new"
mv "$output.new" "$output"
