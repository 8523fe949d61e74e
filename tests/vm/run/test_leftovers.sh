#!/bin/bash
# Tests that a killed cradle leaves nothing: SIGKILL at each stage line of --timing, five times each,
# then processes, files and sockets are counted; and SIGKILL while an image is packed.
# Arguments: kernel, initrd, root file system.
set -u
. "$(dirname "$0")/lib.sh"
times=5

files() { (cd "$work" && find runtime cache "$TMPDIR" | sort); }
sockets() { grep -c "$work" /proc/net/unix; }
export TMPDIR=$work/tmp
mkdir "$TMPDIR"
# What one whole run leaves: the image in the cache.
run_it -- true
expect "a run for comparison" 0
files > "$work/before"

# gone: nothing of the killed run is there, at most ten seconds later.
gone() {
	for _ in $(seq 100); do
		[ -z "$(leftovers)" ] && [ "$(sockets)" = 0 ] && files | cmp -s - "$work/before" && return
		sleep 0.1
	done
	leftovers
	files | diff "$work/before" - | head -n 5
	return 1
}
kill_at() { # STAGE
	start --timing -- true
	await "  $1" "$work/err" || echo "never reached"
	kill -KILL $pid 2> "$work/killed"
	finish
	case $1 in
	"image ready" | "VM started")
		# QEMU may not have connected yet: then the next run removes the socket's folder.
		for _ in $(seq 100); do [ -z "$(pgrep -f "cradle-run-test-$$-")" ] && break; sleep 0.1; done
		"$cradle" run "${accel[@]}" --name "run-test-$$-$n" --rootfs "$rootfs" --qemu /nonexistent/qemu -- true 2> "$work/next"
		;;
	esac
	gone
}
while read -r stage; do
	problem=""
	for _ in $(seq $times); do problem+=$(kill_at "$stage"); done
	verdict "SIGKILL at '$stage', $times times: nothing is left" "$problem"
done <<'STAGES'
image ready
VM started
kernel handed over
agent answered
container created
container started
container exited
VM gone
STAGES

# While the image is packed: the next run that packs throws the half of it away.
problem=""
mkdir "$work/root"
cp -a "$rootfs/." "$work/root"
for i in $(seq $times); do
	head -c 60M /dev/urandom > "$work/root/big"
	"$cradle" run "${accel[@]}" --rootfs "$work/root" --qemu /nonexistent/qemu -- true 2> "$work/err" &
	pid=$!
	await packing "$work/err"
	kill -KILL $pid
	finish
	rm "$work/root/big"
	echo "$i" > "$work/root/small"
	"$cradle" run "${accel[@]}" --rootfs "$work/root" --qemu /nonexistent/qemu -- true 2> "$work/next"
	problem+=$(find "$CRADLE_CACHE" -name '.building-*')$(pgrep -f "mkfs.erofs.*$work")
done
verdict "SIGKILL while the image is packed, $times times: the next run removes what was written" "$problem"

echo "1..$n"
exit $failed
