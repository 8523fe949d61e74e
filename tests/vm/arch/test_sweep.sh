#!/bin/bash
# Limits from the least to $SWEEP (MiB): test_sweep.sh ARCH KERNEL INITRD ROOTFS
# A workload that touches 0.98 of its limit lives, and so does the VM; below the least a refusal names it. In
# make soak-sweep (SWEEP up to 4096) also 8 MiB more than each limit: it is the container's own that ends it,
# never the VM (more would not be given by malloc: the VM has 32 MiB more). TAP on stdout; make test has 16 and 512 MiB on s390x, make test-arch on all.
set -u
. "$(dirname "$0")/lib.sh"
# touch_kib LIMIT KIB: in a container of LIMIT MiB. 1 MiB of it is what busybox and its page tables weigh.
# Whole blocks: one read(2) gives 2 GiB at most.
touch_kib() { cradle --rootfs "$rootfs" --memory "$1M" --stats -- dd if=/dev/zero of=/dev/null bs=$(($2 - 1024))k count=1 iflag=fullblock; }

cradle --rootfs "$rootfs" --memory 5M -- true
ok "below the least: refused" [ $? = 125 ]
ok "naming the least" err '--memory 6M'
cradle --rootfs "$rootfs" --memory 6M -- true
ok "the least that is not refused is enough for true" [ $? = 0 ]
for mib in ${SWEEP:-16 512}; do
	touch_kib "$mib" $((mib * 1024 * 98 / 100))
	ok "with $mib MiB: 0.98 of it can be used" [ $? = 0 -a "$(grep -c '^1+0 records in' "$work/err")" = 1 ]
	echo "# $arch: $mib MiB: $(grep -o 'memory of.*' "$work/err")"
	[ -n "${SWEEP:-}" ] || continue
	touch_kib "$mib" $(((mib + 8) * 1024))
	ok "with $mib MiB: 8 MiB more than it is 137" [ $? = 137 ]
	ok "by its own limit" err "it reached its own memory limit (limit $mib MiB\|it reached its own memory limit (limit $((mib / 1024)) GiB"
done
echo "1..$n"
exit $((failed > 0))
