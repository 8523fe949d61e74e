#!/bin/bash
# demo.sh: the end of `make run`. Boots two VMs with cradle: one runs an ordinary container, the other's
# container eats more memory than it may. Checks that both ended as told; exit code 0 only then.
# Environment: CRADLE ROOTFS KERNEL INITRD (paths), ARCH (of the guest), QEMU (optional).
set -u
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
failed=0

say() { printf '  %-8s %s\n' "$1" "$2"; }
bad() { say FAILED "$1"; failed=1; }
# Another architecture than this machine's is shown, as it has to be typed.
arch=()
[ "$ARCH" = "$(uname -m)" ] || arch=(--arch "$ARCH")
cradle_run() { "$CRADLE" run ${QEMU:+--qemu "$QEMU"} --kernel "$KERNEL" --initrd "$INITRD" --rootfs "$ROOTFS" "$@"; }

# Words as a person would type them: quoted only where the shell needs it.
quoted() {
	local word
	for word; do
		case $word in
		*[!A-Za-z0-9_./=:,+%-]*) printf " '%s'" "${word//\'/\'\\\'\'}" ;;
		*) printf ' %s' "$word" ;;
		esac
	done
}

# Runs cradle, shows what it writes as it comes, keeps stdout and stderr; the exit code is in $code.
# Pipes and no process substitution: the shell waits for the end of these.
shown_run() {
	say RUN "cradle run$(quoted "$@")"
	{
		{
			cradle_run "$@"
			echo $? > "$work/code"
		} 2>&1 >&3 3>&- | tee "$work/err" >&2 3>&-
	} 3>&1 | tee "$work/out"
	code=$(cat "$work/code")
}

shown_run ${arch[@]+"${arch[@]}"} --memory 256M --explain --stats --env GREETING=hello -- \
	/bin/sh -c 'echo "$GREETING from process $$ of $(hostname), Linux $(uname -r)"; ls -d /bin /etc /proc; echo done'
[ "$code" = 0 ] || bad "the first container ended with exit code $code, not 0"
grep -q '^hello from process 1 ' "$work/out" && grep -qx 'done' "$work/out" ||
	bad "the first container's output did not arrive"
grep -qi 'peak' "$work/err" || bad "the first container's memory figures were not printed"

shown_run ${arch[@]+"${arch[@]}"} --memory 64M -- dd if=/dev/zero of=/dev/null bs=80M count=1
[ "$code" = 137 ] || bad "the second container ended with exit code $code, not 137 (killed)"
grep -q 'was OOM-killed: it reached its own memory limit (limit 64 MiB, peak 6[0-4]' "$work/err" ||
	bad "the second container's OOM kill was not explained"

[ "$failed" = 0 ] || exit 1
say OK "both containers ended as told: 0, and 137 for the one that was OOM-killed"
