#!/bin/bash
# Tests that a failure is explained, with the real QEMU: one line with stage, object and cause, one with
# what to do about it, the console's last lines when (and only when) the guest is to blame; and that
# nothing of the run stays. Arguments: kernel, initrd, root file system, an initrd whose agent misbehaves
# (bad_agent.c), the kernel's module tree (may be missing).
set -u
. "$(dirname "$0")/lib.sh"
bad=$(realpath "$4") modules=${5:+$(realpath "$5")}
at_once=4 # some of them only wait
count=0 via=()

# explained NAME CODE STAGE OBJECT CAUSE ADVICE CONSOLE OPTION...: a run that must fail so. CONSOLE: a text of
# the console's lines, or - for none of them. Runs beside others; judge_all says how it went.
explained() {
	count=$((count + 1))
	printf '%s\n' "${@:1:7}" > "$work/$count.want"
	while [ "$(jobs -rp | wc -l)" -ge $at_once ]; do wait -n; done
	local number=$count
	shift 7
	(
		"${via[@]}" "$cradle" run "${accel[@]}" --name "run-test-$$-f$number" "$@" \
			> "$work/$number.out" 2> "$work/$number.err" < /dev/null
		echo $? > "$work/$number.code"
	) &
}
guest() { explained "${@:1:7}" --rootfs "$rootfs" "${@:8}" -- true; }
# Why what stands in $work/err is no explanation of: STAGE OBJECT CAUSE ADVICE CONSOLE.
problem_of() {
	local at line
	at=$(grep -n "^cradle: $1: " "$work/err" | cut -d: -f1)
	[ -n "$at" ] || { echo "no line of the stage '$1'"; return; }
	line=$(sed -n "${at}p" "$work/err")
	[[ $line == *"$2"* ]] || echo "its line does not name '$2'"
	[[ $line == *"$3"* ]] || echo "its line does not say '$3'"
	line=$(sed -n "$((at + 1))p" "$work/err")
	[[ $line == "        "*"$4"* ]] || echo "no advice '$4'"
	if [ "$5" = - ]; then
		! grep -q '^        | ' "$work/err" || echo "shows a console that does not matter"
	else
		[[ $(sed -n "$((at + 2))p" "$work/err") == "        the last lines of the guest's console:" ]] || echo "no console"
		sed -n "$((at + 3)),\$p" "$work/err" | grep -F -- "$5" | grep -q '^        | ' || echo "no '$5' of the console"
	fi
}
judge_all() {
	exec 9>&-
	wait
	for number in $(seq $count); do
		mapfile -t want < "$work/$number.want"
		mv "$work/$number.err" "$work/err"
		cp "$work/$number.out" "$work/out"
		code=$(cat "$work/$number.code")
		problem=$(problem_of "${want[@]:2}"; pgrep -f "cradle-run-test-$$-f$number " > "$work/pids" && echo "QEMU is still there")
		[ "$code" = "${want[1]}" ] || problem+=" exit code is not ${want[1]}"
		verdict "${want[0]}" "${problem//$'\n'/; }"
	done
	verdict "nothing of them all is left" "$(leftovers)"
}

# How long a boot takes here and now: what waits for one that never ends waits for three. Packs the image, too.
begin=$(date +%s)
run_it -- true
expect "a run that does not fail" 0
took=$(($(date +%s) - begin))
patience=$((3 * took + 6))
# What does not answer any more is given a silence no healthy guest needs on a machine as busy as this one.
silence=$((took + 4))

# ---- guests that do not come up, or not as far as their agent ----------------------------------------------
initrd_of() { # NAME OPTION...: an initrd in $work
	"$top/rootfs-builder/build" --type initrd --output "$work/$1" "${@:2}" > "$work/$1.log" 2>&1 || sed 's/^/# /' "$work/$1.log"
}
without() { grep -v "$1" "$top/rootfs-builder/initrd-modules.txt"; }
agent=$top/build/$(uname -m)/cradle-agent
bad_agent=${bad%/*}/bad-agent
initrd_of deaf-no-vsock.img --agent "$bad_agent"
guest "the kernel has no vsock, and the agent is silent about it" 125 "the guest has no vsock" "kernel $kernel" \
	"did not come up within $patience s" "VIRTIO_VSOCKETS" "bad agent: deaf" \
	--initrd "$work/deaf-no-vsock.img" --append bad=deaf --boot-timeout $patience
guest "the agent never listens" 125 "the agent does not answer" "vsock port 1024" "nobody listened" "--boot-timeout" "bad agent: deaf" \
	--initrd "$bad" --append bad=deaf --boot-timeout $patience
if [ -n "$modules" ]; then
	initrd_of no-vsock.img --agent "$agent" --modules "$modules" --module-names <(without vsock)
	guest "the kernel has no vsock, and the agent says so" 125 "the guest has no vsock" "kernel $kernel" \
		"socket for vsock://" "VIRTIO_VSOCKETS" "EAFNOSUPPORT" --initrd "$work/no-vsock.img"
	initrd_of no-erofs.img --agent "$agent" --modules "$modules" --module-names <(without erofs)
	guest "the kernel has no erofs" 125 "the container could not be made" "/dev/vda" "(type erofs): ENODEV" "EROFS_FS" "call failed" \
		--initrd "$work/no-erofs.img"
fi
head -c 4096 /dev/zero > "$work/zero.img"
guest "an initrd of zeroes" 125 "the guest's kernel panicked" "initrd $work/zero.img" "mount root" "is the initrd whole" "Kernel panic" \
	--initrd "$work/zero.img"
head -c 900000 "$initrd" > "$work/half.img"
guest "an initrd that was cut off" 125 "the guest's kernel panicked" "initrd $work/half.img" "No working init" "is the initrd whole" "Kernel panic" \
	--initrd "$work/half.img"
mkdir -p "$work/none/etc"
(cd "$work/none" && find . | cpio -o -H newc --quiet) > "$work/none.img"
guest "an initrd without an agent" 125 "the guest's kernel panicked" "initrd $work/none.img" "mount root" "is an agent in it" "Kernel panic" \
	--initrd "$work/none.img"
# foreign FILE: of an architecture that nobody has (the ELF header's e_machine).
foreign() { printf '\xfe\xfe' | dd of="$1" bs=1 seek=18 conv=notrunc status=none; }
cp "$agent" "$work/foreign-agent"
foreign "$work/foreign-agent"
initrd_of foreign.img --agent "$work/foreign-agent"
guest "an agent of another architecture" 125 "the guest's kernel panicked" "initrd $work/foreign.img" "No working init" \
	"no program of this architecture" "Failed to execute /init (error -8)" --initrd "$work/foreign.img"
guest "an agent that crashes at once" 125 "the guest's kernel panicked" "initrd $bad" "Attempted to kill init" "process 1 of the guest, ended" \
	"bad agent: crash" --initrd "$bad" --append bad=crash

# ---- guests that cannot be trusted ----------------------------------------------------------------------------
hostile() { guest "${@:1:7}" --initrd "$bad" --append "bad=$8" "${@:9}"; }
hostile "the agent answers garbage" 125 "the agent cannot be trusted" "a frame that is no response" "broke the protocol" "guest been taken over" \
	"bad agent: garbage" garbage
hostile "it answers a call twice" 125 "the agent cannot be trusted" "a second response to one call" "broke the protocol" "guest been taken over" \
	"bad agent: twice" twice
hostile "it gives more output than was asked for" 125 "the agent cannot be trusted" "ReadStdout of 65536 bytes" "with 100000" "guest been taken over" \
	"bad agent: long" long
hostile "it takes the connection and answers nothing" 125 "the agent does not answer any more" "container run-test-" "nothing for $silence s" \
	"--agent-timeout" "bad agent: mute" mute --agent-timeout $silence
hostile "it stops answering in the middle of output" 125 "the agent does not answer any more" "container run-test-" "nothing for $silence s" \
	"--agent-timeout" "bad agent: stall" stall --agent-timeout $silence
stalled=$count
hostile "it crashes while it makes the container" 125 "the guest's kernel panicked" "initrd $bad" "Attempted to kill init! exitcode=0x0000000b" \
	"process 1 of the guest, ended" "bad agent: segv" segv
hostile "it hangs up" 125 "the agent is gone" "agent" "closed the connection" "--verbose" "bad agent: hangup" hangup

# ---- QEMU ---------------------------------------------------------------------------------------------------
qemu=qemu-system-$(uname -m)
wrapper() { # NAME SCRIPT
	printf '#!/bin/sh\n%s\n' "$2" > "$work/$1"
	chmod +x "$work/$1"
}
guest "QEMU is missing" 125 "QEMU did not start" "/nonexistent/qemu" "is not there" "apt install" - --qemu /nonexistent/qemu
wrapper refused "exec $qemu \"\$@\" -machine no-such-property=on"
guest "QEMU refuses its arguments" 125 "QEMU did not start" "$work/refused ended with 1" "no-such-property" "QEMU's own message" - --qemu "$work/refused"
wrapper old "[ \"\$1\" = --version ] && echo 'QEMU emulator version 5.2.0 (Debian)' && exit; exec $qemu \"\$@\" -machine no-such-property=on"
guest "QEMU is too old" 125 "QEMU is too old" "$work/old is version 5.2.0" "no-such-property" "needs QEMU 7.2" - --qemu "$work/old"
wrapper killed 'exec timeout -s KILL 0.2 '"$qemu"' "$@"'
guest "QEMU is killed at its start" 125 "QEMU died" "$work/killed" "signal 9" "killed from outside" - --qemu "$work/killed"
# when_up COMMAND...: what happens to QEMU when the last run's container runs.
when_up() {
	local number=$count pid
	for _ in $(seq 900); do
		grep -q up "$work/$number.out" && pid=$(pgrep -f "cradle-run-test-$$-f$number ") && "$@" "$pid" && return
		sleep 0.1
	done &
}
running() { explained "${@:1:7}" --rootfs "$rootfs" "${@:8}" -- sh -c 'echo up; sleep 1000'; }
running "QEMU is killed while the container runs" 125 "QEMU died" "$qemu" "signal 9" "killed from outside" -
when_up kill -KILL
running "QEMU is stopped while the container runs" 125 "the agent does not answer any more" "container run-test-" "nothing for $silence s" \
	"is stopped" '"name":"kata-agent"' --agent-timeout $silence
when_up kill -STOP
mkfifo "$work/hold"
taken=$work/taken.sock
/usr/bin/python3 -c '
import socket, sys
s = socket.socket(socket.AF_UNIX); s.bind(sys.argv[1]); s.listen()
print("listening", flush=True); sys.stdin.read()' "$taken" < "$work/hold" > "$work/listening" &
exec 9> "$work/hold"
await listening "$work/listening"
guest "the address of its vsock is taken" 125 "the VM cannot be reached from outside" "$taken" EADDRINUSE "nobody else listens" - --listen "$taken"
head -c 5000 /dev/urandom > "$work/noise"
guest "the kernel is none" 125 "the kernel cannot be loaded" "kernel $work/noise" "qemu: " "a whole kernel" - --kernel "$work/noise"
guest "no kernel" 125 "no guest to boot" "kernel $work/nothing" ENOENT "make ARCH=" - --kernel "$work/nothing"
: > "$work/empty.img"
guest "an empty initrd" 125 "no guest to boot" "initrd $work/empty.img" "an empty file" "make ARCH=" - --initrd "$work/empty.img"

# ---- images and commands --------------------------------------------------------------------------------------
explained "an image of 0 bytes" 125 "the image is bad" "$work/empty.img" "an empty file" "--rootfs wants" - --rootfs "$work/empty.img" -- true
explained "an image that is none" 125 "the image is bad" "$work/noise" "tar" "--rootfs wants" - --rootfs "$work/noise" -- true
mkdir "$work/empty"
explained "an empty folder" 125 "the image is bad" "$work/empty" "empty" "--rootfs wants" - --rootfs "$work/empty" -- true
explained "no such folder" 125 "the image is bad" "$work/nowhere" ENOENT "--rootfs wants" - --rootfs "$work/nowhere" -- true
mkdir "$work/papers"
echo text > "$work/papers/letter"
explained "a folder that is no root file system" 127 "the command is not in the image" "the file true" ENOENT "Is its name right" - \
	--rootfs "$work/papers" -- true
cp -a "$rootfs" "$work/root"
printf '#!/no/such/shell\n' > "$work/root/bin/script"
cp "$work/root/bin/busybox" "$work/root/bin/foreign"
foreign "$work/root/bin/foreign"
cp /bin/true "$work/root/bin/dynamic"
chmod 755 "$work/root/bin/"{script,foreign,dynamic}
# command CODE STAGE OBJECT CAUSE ADVICE COMMAND
command() { explained "a command: $6" "$1" "$2" "$3" "$4" "$5" - --rootfs "$work/root" -- "$6"; }
command 127 "the command is not in the image" no-such-command ENOENT "Is its name right" no-such-command
command 127 "the command is not in the image" /bin/script ENOENT "is its interpreter there" /bin/script
command 127 "the command is not in the image" /bin/dynamic ENOENT "is its interpreter there" /bin/dynamic
command 126 "the command cannot be executed" /bin/foreign ENOEXEC "built for this architecture" /bin/foreign
command 126 "the command cannot be executed" /etc/passwd EACCES "Is it executable" /etc/passwd

# ---- what the host has not ---------------------------------------------------------------------------------
guest "memory too small to boot" 125 "wrong size" "--memory" "--memory 6M" "--explain" - --memory 1M
guest "more memory than the host has" 125 "wrong size" "the VM would need" "this host has only" "--explain" - --memory 900G
via=(unshare -m sh -c 'mount --bind "$1" /mnt && mount -t tmpfs -o nr_inodes=1 none /tmp && shift && exec env -u XDG_RUNTIME_DIR CRADLE_CACHE=/mnt/cache "$@"' sh "$work")
guest "/tmp is full" 125 "QEMU did not start" "/tmp" ENOSPC "XDG_RUNTIME_DIR" -
mkdir "$work/small"
via=(unshare -m sh -c 'mount -t tmpfs -o size=64k none "$1" && CRADLE_CACHE=$1 && export CRADLE_CACHE && shift && exec "$@"' sh "$work/small")
explained "the cache is full" 125 "the image is bad" "$rootfs" "No space left" "CRADLE_CACHE" - --rootfs "$rootfs" -- true
via=()

judge_all
verdict "what came before it stopped answering is not lost" "$([ "$(cat "$work/$stalled.out")" = hello ] || cat "$work/$stalled.out")"

# ---- guests that flood ------------------------------------------------------------------------------------------
start --initrd "$bad" --append bad=events --verbose -- true
await "bad agent: 50 events" "$work/err"
ms=$(sed -n 's/.*bad agent: 50 events in \([0-9]*\) ms.*/\1/p' "$work/err")
[ "$(cat "$work/out")" = hello ] || ms=
interrupt_twice
finish
# Each is asked for 20 ms after the one before; a millisecond is lost here and there by clocks of two machines.
[ "${ms:-0}" -ge 900 ] || code="$code, 50 OOM events in ${ms:-?} ms"
expect "an OOM event as often as it is asked for: asked for at a bounded rate, and the run goes on" 130 "SIGINT twice"
start --initrd "$bad" --append bad=console -- true
await hello "$work/out"
# The flood goes on: more than is kept of a console was read.
read_so_far() { awk '/^rchar/ { print $2 }' "/proc/$pid/io"; }
until_read=$(($(read_so_far) + 300000))
for _ in $(seq 600); do [ "$(read_so_far)" -ge $until_read ] && break; sleep 0.1; done
[ "$(read_so_far)" -ge $until_read ]
flooded=$?
kib=$(awk '/^VmRSS/ { print $2 }' "/proc/$pid/status")
interrupt_twice
finish
[ $flooded = 0 ] || code="$code, no flood"
[ "$kib" -le 32768 ] || code="$code, $kib KiB resident"
expect "a console that is written full: it is read, little of it is kept, and signals are heard" 130 "SIGINT twice"

echo "1..$n"
exit $failed
