#!/bin/bash
# Twenty runs at once, again and again: test_together.sh KERNEL INITRD ROOTFS ROUNDS
# Each has an output, an exit code and an input of its own, and none gets anything of another's. The first
# round begins without a cache: all twenty want to pack the same image. Then: disk, processes and sockets
# are as they were before the first round.
set -u
. "$(dirname "$0")/lib.sh"
rounds=$4 at_once=20
code="(see below)" # for verdict
export TMPDIR=$work/tmp
mkdir "$TMPDIR"
mark=together-$$-$RANDOM

# Processes that a run has started carry the mark in their environment.
marked() { grep -lz "^CRADLE_TEST_MARK=$mark\$" /proc/[0-9]*/environ 2> "$work/unreadable" | tr '\n' ' '; }
files() { (cd "$work" && find runtime cache tmp -printf '%p %s\n' | sort); find /tmp "${XDG_RUNTIME_DIR}" -maxdepth 1 -name 'cradle-vm-*' -newer "$work/begin"; }
one() { # NUMBER: what is wrong with this run
	local i=$1 dir=$work/one-$1 code
	mkdir -p "$dir"
	head -c $((i * 1237)) /dev/urandom > "$dir/in"
	echo "from $mark $i" | cat - "$dir/in" > "$dir/want"
	CRADLE_TEST_MARK=$mark "$cradle" run "${accel[@]}" --rootfs "$rootfs" -i --memory 32M --boot-timeout 500 --agent-timeout 500 \
		--env "NUMBER=$i" -- sh -c "echo from $mark \$NUMBER; cat; echo \$NUMBER >&2; exit \$((NUMBER + 100))" \
		< "$dir/in" > "$dir/out" 2> "$dir/err"
	code=$?
	cmp "$dir/out" "$dir/want" || echo "run $i: wrong output"
	[ $code = $((i + 100)) ] || { echo "run $i: exit code $code"; tail -n 3 "$dir/err"; }
	grep -v '^cradle: packing' "$dir/err" | cmp -s - <(echo "$i") || { echo "run $i: standard error:"; head -n 3 "$dir/err"; }
}
round() {
	for i in $(seq $at_once); do one "$i" > "$work/problem.$i" 2>&1 & done
	wait
	cat "$work"/problem.*
}
: > "$work/begin"
begin=$(date +%s)
verdict "$at_once runs at once, all packing the same image" "$(round)"
files > "$work/before"
problem=""
for _ in $(seq 2 "$rounds"); do problem+=$(round); done
verdict "$rounds rounds of them: each has its own output, standard error and exit code" "$problem"
for _ in $(seq 100); do [ -z "$(marked)" ] && break; sleep 0.1; done
verdict "no process is left" "$(marked)"
verdict "the disk is as it was" "$(files | diff "$work/before" -)"
verdict "no socket is left" "$(grep -F "$work/" /proc/net/unix)"
echo "# $((rounds * at_once)) runs took $(($(date +%s) - begin)) s"
echo "1..$n"
exit $failed
