#!/bin/bash
# Tests what `cradle run` has for every day, with the real QEMU: --timing, signals, --timeout.
# Arguments: kernel, initrd, root file system, an initrd whose agent misbehaves (bad_agent.c).
set -u
. "$(dirname "$0")/lib.sh"
bad=$(realpath "$4")

# ---- timing -----------------------------------------------------------------------------------------------
stages="image ready
VM started
kernel handed over
agent answered
container created
container started
container exited
VM gone"
run_it --timing -- true
sed -n 's/^cradle: timing: *[0-9.]* ms *+[0-9.]* ms  //p' "$work/err" > "$work/out"
expect_out "--timing: every stage, in order" 0 "$stages"

run_it --timing --json -- sh -c 'exit 3'
/usr/bin/python3 - "$work/err" > "$work/out" 2>&1 <<'PY'
import json, sys
lines = [json.loads(line) for line in open(sys.argv[1]) if line.startswith("{")]
assert abs(sum(line["took_ms"] for line in lines) - lines[-1]["at_ms"]) < 0.1, lines
for line in lines:
    print(line["stage"])
PY
expect_out "--timing --json: the same as JSON objects, whose times add up" 3 "$stages"

run_it --timing --qemu /nonexistent/qemu -- true
sed -n 's/^cradle: timing: *[0-9.]* ms *+[0-9.]* ms  //p' "$work/err" > "$work/out"
expect_out "--timing of a run that fails ends where it failed" 125 "image ready
VM started
VM gone"

# ---- signals ----------------------------------------------------------------------------------------------
for signal in INT TERM HUP QUIT USR1 USR2; do echo "trap 'echo got $signal' $signal"; done > "$work/traps"
start -- sh -c "$(cat "$work/traps")
	echo up; while ! [ -e /tmp/end ]; do sleep 0.05; done"
await up "$work/out"
for signal in INT TERM HUP QUIT USR1 USR2; do
	kill -$signal $pid
	await "got $signal" "$work/out" || break
done
sort "$work/out" | tr '\n' ' ' > "$work/sorted"
interrupt_twice
finish
mv "$work/sorted" "$work/out"; echo >> "$work/out"
expect_out "six signals reach the container; SIGINT twice within a second ends the VM" 130 \
	"got HUP got INT got QUIT got TERM got USR1 got USR2 up " "SIGINT twice within a second"

start -- sh -c 'echo up; exec sleep 1000'
await up "$work/out"
kill -INT $pid
await "still runs after SIGINT" "$work/err"
kill -TERM $pid
finish
expect "a container without handlers: SIGINT is explained, SIGTERM kills" 137 "does not handle SIGTERM"

early() { # NAME CODE SIGNAL: of a guest that never gets so far that it could be too late
	start --timing --initrd "$bad" --append bad=deaf -- true
	await "VM started" "$work/err"
	kill -"$3" $pid
	finish
	expect "$1" "$2"
}
early "before the container runs SIGINT ends the run" 130 INT
early "before the container runs SIGTERM ends the run" 143 TERM
early "before the container runs SIGHUP ends the run" 129 HUP
early "before the container runs SIGQUIT ends the run" 131 QUIT

# A shell might not have its handler yet when the signal comes: this agent says what it is asked to deliver.
start --timing --verbose --initrd "$bad" --append bad=signals -- true
await "VM started" "$work/err"
kill -USR1 $pid
await "bad agent: signal 10" "$work/err"
before=$(grep -c "container started" "$work/err")
interrupt_twice
finish
[ "$before" = 1 ] || code="$code, not started"
expect "SIGUSR1 before the container runs kills nothing and is passed on when it runs" 130 "bad agent: signal 10"

# ---- time limit -------------------------------------------------------------------------------------------
run_it --timeout 1s -- sh -c 'trap "" TERM INT; while :; do sleep 1; done'
expect "--timeout kills, and says so" 137 "ran longer than --timeout 1s: killing it"
run_it --timeout 1m -- sh -c 'exit 4'
expect "--timeout that is not reached changes nothing" 4

# ---- the examples of --help, word for word --------------------------------------------------------------------
mkdir -p "$work/place/build/x86_64" "$work/place/folder" "$work/place/bundle"
cd "$work/place"
ln -s "$rootfs" build/x86_64/rootfs
echo text > folder/file
cp -a "$rootfs" bundle/rootfs
crun spec -b bundle > "$work/out" 2>&1 || sed 's/^/# /' "$work/out"
mkdir "$work/bin"
ln -s "$cradle" "$work/bin/cradle"
PATH=$work/bin:$PATH
example() { # the one example of run --help that contains $1
	"$cradle" run --help | sed -n '/^Examples:/,$p' | grep -F -- "$1" > "$work/example"
	[ "$(wc -l < "$work/example")" = 1 ] || echo "# not one example with $1"
	bash "$work/example" > "$work/out" 2> "$work/err" < "${2:-/dev/null}"
	code=$?
}
example "rootfs -- /bin/echo hello"
expect_out "example: echo" 0 hello
example "tar c folder"
expect_out "example: tar" 0 "folder/
folder/file"
example "free -m"
grep -q '^Mem:' "$work/out" || code="no output"
expect "example: memory" 0 "limit 64 MiB"
example "run -v folder:/work"
[ "$(tar tf folder/all.tar)" = file ] || code="no archive"
rm -f folder/all.tar
expect "example: a volume" 0
example --bundle
[ "$(tr -d '\r' < "$work/out")" = hello ] || code="wrong output"
expect "example: a bundle" 0
mkfifo "$work/hold"
(example --hold "$work/hold"; exit "$code") &
exec 9> "$work/hold"
await "ready /tmp/vm.sock" "$work/out"
"$cradle" run --help | sed -n '/^Examples:/,$p' | grep -F "cradle call" | bash > "$work/call" 2>&1
exec 9>&-
wait $!
code=$?
grep -q SERVING "$work/call" || code="no answer"
expect "example: hold and call" 0
"$cradle" run --help | sed -n '/^Examples:/,$p' | grep -c '^ *cradle\|| cradle' > "$work/out"
expect_out "no example was forgotten (-t is run by test_terminal.py, --net by test_net.sh, --arch needs another architecture)" 0 10

echo "1..$n"
exit $failed
