#!/bin/bash
# Tests that a killed cradle leaves nothing: SIGKILL at each stage line of --timing, five times each (all
# five at once), then processes, files and sockets are counted; and SIGKILL while an image is packed.
# Arguments: kernel, initrd, root file system.
set -u
. "$(dirname "$0")/lib.sh"
times=5

cached() { (cd "$CRADLE_CACHE" && find . | sort); }
# What one whole run leaves: the image in the cache.
run_it -- true
expect "a run for comparison" 0
cached > "$work/before"

# left DIR NAME: what is there of a run whose folders are below DIR.
left() {
	pgrep -f "cradle-$2 "
	find "$1/runtime" "$1/tmp" -mindepth 1
	grep -F "$1/" /proc/net/unix
}
# Nothing of the killed run is there, at most half a minute later.
gone() {
	for _ in $(seq 300); do
		[ -z "$(left "$@")" ] && return
		sleep 0.1
	done
	left "$@"
}
# In a subshell: kill_at STAGE NUMBER; prints what is wrong.
kill_at() {
	local dir=$work/$2 name=run-test-$$-$n-$2 pid
	mkdir -p "$dir/runtime" "$dir/tmp"
	export XDG_RUNTIME_DIR=$dir/runtime TMPDIR=$dir/tmp
	"$cradle" run "${accel[@]}" --name "$name" --rootfs "$rootfs" --timing --boot-timeout 300 -- true > "$dir/out" 2> "$dir/err" &
	pid=$!
	await "  $1" "$dir/err" || echo "never reached"
	kill -KILL $pid 2> "$dir/killed"
	wait $pid 2> "$dir/killed"
	case $1 in
	"image ready" | "VM started")
		# QEMU may not have connected yet: then the next run removes the socket's folder.
		for _ in $(seq 300); do [ -z "$(pgrep -f "cradle-$name ")" ] && break; sleep 0.1; done
		"$cradle" run "${accel[@]}" --name "$name" --rootfs "$rootfs" --qemu /nonexistent/qemu -- true 2> "$dir/next"
		;;
	esac
	gone "$dir" "$name"
}
while read -r stage; do
	for i in $(seq $times); do (kill_at "$stage" "$i") > "$work/problem.$i" 2>&1 & done
	wait
	problem=$(cat "$work"/problem.*; cached | diff "$work/before" -)
	cp "$work/1/err" "$work/err"
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

# While the image is packed, in a cache of its own: the next run that packs throws the half of it away.
# What is packed has no end, so that it is never too late.
kill_packing() {
	local dir=$work/$1 pid packer
	mkdir "$dir/root"
	export CRADLE_CACHE=$dir/cache
	cp -a "$rootfs/." "$dir/root"
	truncate -s 20G "$dir/root/big"
	"$cradle" run "${accel[@]}" --rootfs "$dir/root" --qemu /nonexistent/qemu -- true 2> "$dir/err" &
	pid=$!
	for _ in $(seq 600); do packer=$(pgrep -f "mkfs.erofs.*$dir/root"); [ -n "$packer" ] && break; sleep 0.1; done
	[ -n "$packer" ] || echo "nobody packs"
	kill -KILL $pid
	wait $pid 2> "$dir/killed"
	rm "$dir/root/big"
	"$cradle" run "${accel[@]}" --rootfs "$dir/root" --qemu /nonexistent/qemu -- true 2> "$dir/next"
	find "$CRADLE_CACHE" -name '.building-*'
	pgrep -f "mkfs.erofs.*$dir/root"
}
for i in $(seq $times); do (kill_packing "$i") > "$work/problem.$i" 2>&1 & done
wait
verdict "SIGKILL while the image is packed, $times times: the next run removes what was written" "$(cat "$work"/problem.*)"

echo "1..$n"
exit $failed
