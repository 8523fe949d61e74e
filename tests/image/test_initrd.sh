#!/bin/bash
# rootfs-builder/build and kernel-configs/check on made-up kernels: content, order, reproducibility, refusals.
# TAP on stdout; no network, no root.
set -u
top=$(cd "$(dirname "$0")/../.." && pwd)
work=$(mktemp -d)
trap 'chmod -R u+rwx "$work"; rm -rf "$work"' EXIT
n=0 failed=0

ok() { # ok "name" command...
	local name=$1
	shift
	n=$((n + 1))
	if "$@" > "$work/out" 2>&1; then
		echo "ok $n - $name"
	else
		echo "not ok $n - $name"
		sed 's/^/# /' "$work/out"
		failed=$((failed + 1))
	fi
}
refused() { # refused TEXT command...: fails, and says TEXT
	local text=$1
	shift
	! "$@" > "$work/said" 2>&1 && grep -qF -- "$text" "$work/said" || { cat "$work/said"; return 1; }
}
same() { diff -u "$1" "$2"; }

# A module tree: alpha needs beta and gamma, beta needs gamma; delta is compressed; epsilon is built in.
tree() {
	mkdir -p "$1/kernel/drivers"
	for module in alpha beta-one gamma; do echo "module $module" > "$1/kernel/drivers/$module.ko"; done
	echo "module delta" | gzip -n > "$1/kernel/drivers/delta.ko.gz"
	echo kernel/drivers/epsilon.ko > "$1/modules.builtin"
	cat > "$1/modules.dep" <<-'DEP'
	kernel/drivers/unrelated.ko: kernel/drivers/gamma.ko
	kernel/drivers/alpha.ko: kernel/drivers/gamma.ko kernel/drivers/beta-one.ko
	kernel/drivers/delta.ko.gz:
	kernel/drivers/gamma.ko:
	kernel/drivers/beta-one.ko: kernel/drivers/gamma.ko
	DEP
}
names() { printf '%s\n' '# comment' 'alpha   # why' 'epsilon' 'delta' > "$1"; }
build() { "$top/rootfs-builder/build" --type initrd "$@"; }

tree "$work/a/tree"; names "$work/a/names"
printf 'the agent' > "$work/a/agent"
build --agent "$work/a/agent" --output "$work/a/img" --modules "$work/a/tree" --module-names "$work/a/names"

# The same again: another folder, later, another umask, read-only inputs, made in another order.
sleep_until_next_second() { local now; now=$(date +%s); while [ "$(date +%s)" = "$now" ]; do :; done; }
sleep_until_next_second
(
	umask 077
	mkdir "$work/b"
	printf 'the agent' > "$work/b/agent"
	names "$work/b/names"; tree "$work/b/tree"
	cd "$work/b" && TZ=Asia/Tokyo LC_ALL=C.UTF-8 build --agent agent --output img --modules tree --module-names names
)
ok "two builds are byte-equal" cmp "$work/a/img" "$work/b/img"

cat > "$work/expected" <<'LIST'
drwxr-xr-x 0 0 0 dev
drwxr-xr-x 0 0 0 etc
drwxr-xr-x 0 0 0 etc/cradle
-rw-r--r-- 0 0 91 etc/cradle/modules
-rw-r--r-- 0 0 0 etc/resolv.conf
-rwxr-xr-x 0 0 9 init
drwxr-xr-x 0 0 0 lib
drwxr-xr-x 0 0 0 lib/modules
-rw-r--r-- 0 0 13 lib/modules/alpha.ko
-rw-r--r-- 0 0 16 lib/modules/beta-one.ko
-rw-r--r-- 0 0 13 lib/modules/delta.ko
-rw-r--r-- 0 0 13 lib/modules/gamma.ko
dr-xr-xr-x 0 0 0 proc
drwxr-xr-x 0 0 0 run
dr-xr-xr-x 0 0 0 sys
drwxrwxrwt 0 0 0 tmp
LIST
cpio --quiet -tvn < "$work/a/img" | awk '{ print $1, $3, $4, $5, $NF }' > "$work/got"
ok "it holds exactly the expected entries" same "$work/expected" "$work/got"
printf '/lib/modules/%s.ko\n' gamma beta-one alpha delta > "$work/expected"
(mkdir "$work/x" && cd "$work/x" && cpio --quiet -id etc/cradle/modules lib/modules/delta.ko < "$work/a/img")
ok "modules are listed in loading order" same "$work/expected" "$work/x/etc/cradle/modules"
ok "a compressed module is unpacked" grep -qx 'module delta' "$work/x/lib/modules/delta.ko"

build --agent "$work/a/agent" --output "$work/gz1" --gzip
build --agent "$work/a/agent" --output "$work/gz2" --gzip
ok "compressed builds are byte-equal" cmp "$work/gz1" "$work/gz2"
ok "and are what they say" bash -c "gzip -dc '$work/gz1' | cpio --quiet -t | grep -qx init"

echo zeta > "$work/zeta"
build --agent "$work/a/agent" --output "$work/z" --modules "$work/a/tree" --module-names "$work/zeta" 2> "$work/zeta-said"
ok "an unknown module is named" grep -q zeta "$work/zeta-said"
ok "a missing agent is named" refused "no agent at /nowhere" build --agent /nowhere --output "$work/failed-img"
ok "a tree without modules.dep is named" refused "has no modules.dep" build --agent "$work/a/agent" --output "$work/failed-img" --modules "$work"
ok "nothing is left of a failed build" bash -c "! ls '$work' | grep -q ^failed-img"

check() { "$top/kernel-configs/check" --fragment "$work/fragment" --modules "$work/a/names" "$@"; }
cat > "$work/fragment" <<'FRAGMENT'
# required: no life
CONFIG_A=y
# wanted: less comfort
CONFIG_B=y
# required, module alpha: no alpha
CONFIG_C=y
# required, module unlisted: no unlisted
CONFIG_D=y
FRAGMENT
printf 'CONFIG_%s=y\n' A B C D > "$work/config"
ok "a full configuration passes" check "$work/config"
printf 'CONFIG_A=y\n# CONFIG_B is not set\nCONFIG_C=m\nCONFIG_D=y\n' > "$work/config"
ok "a wanted option may be missing, a loaded module counts" check "$work/config"
ok "but it is named with its cost" bash -c "grep -q 'CONFIG_B.*less comfort' '$work/out' || '$top/kernel-configs/check' --fragment '$work/fragment' --modules '$work/a/names' '$work/config' | grep -q 'CONFIG_B: is off: less comfort'"
printf 'CONFIG_AA=y\nCONFIG_B=y\nCONFIG_C=y\nCONFIG_D=y\n' > "$work/config"
ok "a required option is missed by its whole name" refused "CONFIG_A: is off: no life" check "$work/config"
printf 'CONFIG_A=m\nCONFIG_B=y\nCONFIG_C=y\nCONFIG_D=y\n' > "$work/config"
ok "a module that nothing loads does not count" refused "CONFIG_A: is a module" check "$work/config"
printf 'CONFIG_A=y\nCONFIG_B=y\nCONFIG_C=y\nCONFIG_D=m\n' > "$work/config"
ok "nor one that the initrd does not carry" refused "unlisted" check "$work/config"

# ---- the disk image -----------------------------------------------------------------------------------
disk() { "$top/rootfs-builder/build" --type disk --agent "$work/a/agent" "$@"; }
ok "a disk image is built" disk --output "$work/disk1"
ok "it is an erofs" [ "$(od -An -tx4 -j1024 -N4 --endian=little "$work/disk1" | tr -d ' ')" = e0f5e1e2 ]
touch -d '2001-01-01' "$work/a/agent"
(umask 077; disk --output "$work/disk2")
ok "the same again, later, with another umask: the same bytes" cmp "$work/disk1" "$work/disk2"
printf 'another agent' > "$work/a/agent2"
ok "another agent: other bytes" eval 'disk --agent "$work/a/agent2" --output "$work/disk3" && ! cmp -s "$work/disk1" "$work/disk3"'
ok "it takes no modules" refused "takes neither --modules" disk --modules "$work/a/tree" --output "$work/disk4"

sed -n '/^CONFIG_/p' "$top/kernel-configs/agent.config" > "$work/config"
ok "every option of our fragment says why" "$top/kernel-configs/check" "$work/config"

echo "1..$n"
[ "$failed" = 0 ]
