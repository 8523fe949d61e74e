#!/bin/bash
# One architecture's guest, end to end: test_arch.sh ARCH KERNEL INITRD ROOTFS DISK [UNIT_ROOTFS TEST...]
# Boots it with `cradle run`: streams byte for byte, exit codes, the network, an OOM kill with its cause, a volume
# (or its refusal), a boot from the disk image. With UNIT_ROOTFS (tests/vm/arch/unit-rootfs) also the unit tests in its /unit (SUITE/test_FILE) run in
# the guest: on s390x that is what a big-endian machine makes of them. TAP on stdout; started by make test-arch.
set -u
. "$(dirname "$0")/lib.sh"
disk=$5
shift 5
vm_kib() { awk '/  the VM$/ { printf "%d", $2 * 1024 }' "$work/err"; }

# Every byte value, and lengths in which a swapped count would show.
head -c 300001 /dev/urandom > "$work/in"
sum=$(md5sum < "$work/in" | cut -d' ' -f1)
cat > "$work/script" <<'SCRIPT'
echo "machine=$(uname -m)"
echo "cpus=$(nproc)"
echo "total=$(awk '/^MemTotal/ { print $2 }' /proc/meminfo)"
echo "sum=$(md5sum | cut -d' ' -f1)"
head -c 70001 /dev/zero | tr '\000' x
echo
dd if=/dev/zero of=/tmp/file bs=1k count=1000 2> /dev/null && echo "wrote=$(wc -c < /tmp/file)"
[ -c /dev/null ] && echo > /dev/null && echo "null=open"
# A BPF program says which devices: made nodes are as good as given ones, the guest's disk is nobody's.
mknod /tmp/zero c 1 5 && dd if=/tmp/zero of=/dev/null bs=5 count=1 2> /dev/null && echo "zero=open"
mknod /tmp/disk b $(sed 's/:/ /' /sys/block/vda/dev) && ! dd if=/tmp/disk of=/dev/null bs=512 count=1 2> /tmp/why &&
	grep -q 'Operation not permitted' /tmp/why && echo "disk=closed"
# By the device's place (a PCI slot, a channel device) and through netlink, whatever the byte order.
echo "address=$(ip -o -4 addr show eth0 | awk '{ print $4 }')"
echo "route=$(ip route | awk '$1 == "default" { print $3, $5 }')"
ping -c 1 -W 20 10.0.2.2 > /dev/null && echo "gateway=answers"
echo complaint >&2
exit 7
SCRIPT
start=$(date +%s%N)
cradle -i --rootfs "$rootfs" --memory 96M --cpus 1 --net user --explain --stats -- /bin/sh -c "$(cat "$work/script")" < "$work/in"
code=$?
took=$((($(date +%s%N) - start) / 1000000))
ok "the exit code arrives" [ "$code" = 7 ]
ok "it is that machine" [ "$(value machine)" = "$arch" ]
ok "standard input arrives unchanged" [ "$(value sum)" = "$sum" ]
ok "so does output" awk '/^xx/ { n = gsub(/x/, "") } END { exit n != 70001 }' "$work/out"
ok "and standard error" err '^complaint$'
ok "the overlay takes writes" [ "$(value wrote)" = 1024000 ]
ok "devices that are allowed open" [ "$(value null) $(value zero)" = "open open" ]
ok "the guest's disk does not" [ "$(value disk)" = closed ]
ok "the network is set up" [ "$(value address), $(value route), $(value gateway)" = "10.0.2.15/24, 10.0.2.2 eth0, answers" ]
ok "one CPU" [ "$(value cpus)" = 1 ]
ok "memory: the limit and the agent's reserve fit" [ "$(value total)" -ge $(((96 + 32) * 1024)) ]
ok "memory: within 5 % of the table" [ "$(value total)" -le $(($(vm_kib) * 105 / 100 - $(
	awk '/guest.s kernel itself|tables of all memory/ { sum += $3 * 1024 } END { printf "%d", sum }' "$work/err"))) ]
ok "figures come back" err 'memory of .* limit 96 MiB'
echo "# $arch: $took ms for a whole run, agent $(stat -c %s "build/$arch/cradle-agent") bytes"

# Word for word, where it is at home: the example is for s390x.
if [ "$arch" = s390x ]; then
	mkdir -p "$work/place/build/s390x" "$work/place/bin"
	ln -s "$(realpath "$rootfs")" "$work/place/build/s390x/rootfs"
	ln -s "$(realpath build/cradle)" "$work/place/bin/cradle"
	build/cradle run --help | sed -n '/^Examples:/,$p' | grep -- --arch > "$work/example"
	export CRADLE_KERNEL CRADLE_INITRD
	CRADLE_KERNEL=$(realpath "$kernel") CRADLE_INITRD=$(realpath "$initrd")
	(cd "$work/place" && PATH=$work/place/bin:$PATH sh "$work/example") > "$work/out" 2> "$work/err"
	ok "the example of run --help with --arch" [ "$(wc -l < "$work/example") $(cat "$work/out")" = "1 s390x" ]
fi

cradle --rootfs "$rootfs" --memory 64M -- dd if=/dev/zero of=/dev/null bs=80M count=1
ok "an OOM kill is 137" [ $? = 137 ]
ok "and has its cause" err 'was OOM-killed: it reached its own memory limit (limit 64 MiB, peak 6[0-4].*killed: dd, which held'

# virtio-fs, written and read on both sides. FUSE is spoken in the guest's byte order and with its numbers of open(2)'s
# flags, which virtiofsd takes for its own.
mkdir "$work/shared"
echo from the host > "$work/shared/here"
cradle --rootfs "$rootfs" --memory 64M -v "$work/shared:/shared" -- /bin/sh -c 'cat /shared/here && head -c 70001 /dev/zero > /shared/there && ls -l /shared/there'
code=$?
case "$(uname -m) $arch" in
"x86_64 s390x" | "x86_64 ppc64le")
	ok "a volume is refused" [ $code = 125 ]
	ok "with the reason" err "a guest of $arch: virtiofsd .*\\(byte order\\|O_LARGEFILE\\)" ;;
*)
	ok "a volume is read" [ "$code $(head -n 1 "$work/out")" = "0 from the host" ]
	ok "and written" [ "$(wc -c < "$work/shared/there")" = 70001 ] ;;
esac

# The image as the guest's root, by its driver there (virtio-blk, on s390x a channel device).
cradle --disk "$disk" --rootfs "$rootfs" --memory 64M --verbose -- /bin/sh -c 'echo "machine=$(uname -m)"'
ok "booted from the disk image" [ "$? $(value machine)" = "0 $arch" ]
ok "whose /sbin/init is the agent" err 'going over to the root file system of a disk'

if [ $# -gt 0 ]; then
	unit_rootfs=$1
	shift
	cradle --rootfs "$unit_rootfs" --memory 400M -e CMOCKA_MESSAGE_OUTPUT=TAP -e TMPDIR=/tmp -e CRADLE_TEST_PATIENCE=5 -- /bin/sh -c '
		cd /
		for test; do
			timeout 300 setpriv --nnp unit/$test < /dev/null > /tmp/log 2>&1
			code=$?
			sed "s|^ok [0-9]* - |&$test: |; s|^not ok [0-9]* - |&$test: |" /tmp/log | grep "^ok\|^not ok\|error:"
			echo "ended $code $test"
		done' sh "$@"
	ok "the unit tests ran" [ $? = 0 ]
	ok "all of them passed" eval '! grep -q "^not ok\|^ended [1-9]" "$work/out"'
	ok "and there were some" [ "$(grep -c '^ok' "$work/out")" -gt 100 ]
	ok "in every program" [ "$(grep -c '^ended 0 ' "$work/out")" = $# ]
	grep '^not ok\|^ended [1-9]' "$work/out" | sed 's/^/# /'
	echo "# $arch: $(grep -c '^ok' "$work/out") unit tests passed in the guest"
fi
echo "1..$n"
exit $((failed > 0))
