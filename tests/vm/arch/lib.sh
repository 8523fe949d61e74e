# What the tests of one architecture's guest share; sourced with their arguments: ARCH KERNEL INITRD ROOTFS.
# ok NAME COMMAND... is one line of TAP; cradle OPTION... is `cradle run` of that guest, its words in $work/out, err.
arch=$1 kernel=$2 initrd=$3 rootfs=$4
work=$(mktemp -d)
trap 'clean_up' EXIT
clean_up() { rm -rf "$work"; }
n=0 failed=0

cradle() { build/cradle run --arch "$arch" --accel tcg --kernel "$kernel" --initrd "$initrd" "$@" 2> "$work/err" > "$work/out"; }
# ok NAME COMMAND...: one line of TAP; what cradle said, when it failed.
ok() {
	local name=$1
	shift
	n=$((n + 1))
	if "$@"; then
		echo "ok $n - $arch: $name"
		return
	fi
	echo "not ok $n - $arch: $name"
	tail -n 20 "$work/out" "$work/err" | cut -c1-200 | sed 's/^/# /'
	failed=$((failed + 1))
}
out() { grep -q -- "$1" "$work/out"; }
err() { grep -q -- "$1" "$work/err"; }
# value NAME: what the guest's script printed as NAME=...
value() { sed -n "s/^$1=//p" "$work/out"; }
