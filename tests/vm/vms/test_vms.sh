#!/bin/bash
# Tests `cradle vm` with the real QEMU: one VM's life from start to stop, then what kills a VM at each
# stage, beside one that must not notice. Arguments: kernel, initrd, root file system, disk image, an
# initrd whose agent misbehaves (../run/bad_agent.c).
set -u
. "$(dirname "$0")/lib.sh"
disk=$(realpath "$4") bad=$(realpath "$5")
# boot NAME: a start in the background that boots until somebody ends it: the guest's agent is deaf.
# Waits until the guest has said something. $starter is its pid.
boot() {
	local name=$1
	"$cradle" vm start --accel tcg --memory 32M --initrd "$bad" --append bad=deaf --boot-timeout 600 "$name" > "$work/out" 2> "$work/err" &
	starter=$!
	until_true [ -s "$CRADLE_STATE/$name/kernel.log" ] > "$work/never" || cat "$work/never"
}
gone() { [ -z "$(leftovers)" ]; }
answers() { "$cradle" call "$1" Check > "$work/call" 2>&1 && grep -q SERVING "$work/call"; }

# ---- what is refused before there is a VM ----------------------------------------------------------------
start ../x
expect "a path is no name" 125 "'../x' cannot be a VM's name"
vm status nobody
expect "a VM that is not there" 125 "there is no VM 'nobody'"
vm strat web
expect "a wrong word is answered with the right one" 125 "did you mean 'start'"
start web --memory 1M
expect "a size that cannot start" 125 "--memory 6M"
start web --net usr
expect "a network that is none" 125 "--net 'usr' is not none or user; did you mean 'user'?"
start web -v "$work:/a/path"
expect "a share by a path: there is no container yet" 125 "--volume '$work:/a/path': '/a/path' is no tag: 1 to 15 letters and digits"
start web -v "$work/nothing:work"
expect "a share of nothing" 125 "a folder cannot be shared" "--volume $work/nothing:work" ENOENT
"$cradle" call web Check > "$work/out" 2> "$work/err"
code=$?
expect "a name where an address is wanted, and nobody has it" 125 "there is no VM 'web'"
verdict "and nothing is left" "$(leftovers)"

# ---- a VM's life ------------------------------------------------------------------------------------------
mkdir -p "$work/share/second"
echo kept > "$work/share/second/kept"
start web --cpus 2 --net user -v "$work/share:work" --volume "$work/share/second:second:ro"
expect "start waits for the agent and tells its address" 0 "ready web hvsock://$CRADLE_STATE/web/agent.sock:1024"
start web
expect "its name is taken" 125 "there is a VM 'web' already"
"$cradle" call web ListInterfaces > "$work/out" 2> "$work/err"; code=$?
"$cradle" call web ListRoutes >> "$work/out" 2>> "$work/err" || code=routes
expect "--net user: the interface and the way out are there when it is ready" 0 '"address": "10.0.2.15"' '"gateway": "10.0.2.2"'
# The agent writes files below this folder only: here it is the share. Its second one is read-only, as asked.
shared=/run/kata-containers/shared/containers
storage() { echo "{\"driver\": \"virtio-fs\", \"source\": \"$1\", \"fstype\": \"virtiofs\", \"mount_point\": \"$shared$2\"}"; }
copy() { "$cradle" call web CopyFile "{\"path\": \"$shared/$1\", \"file_size\": 6, \"file_mode\": 33188, \"dir_mode\": 493, \"data\": \"aGVsbG8K\"}"; }
"$cradle" call web CreateSandbox "{\"sandbox_id\": \"web\", \"storages\": [$(storage work ""), $(storage second /second)]}" > "$work/out" 2> "$work/err" &&
	copy file >> "$work/out" 2>> "$work/err"
code=$?
[ "$(cat "$work/share/file")" = hello ] || code=missing
expect "--volume: what the guest writes is on the host" 0
copy second/file > "$work/out" 2> "$work/err"
code=$?
[ "$(ls "$work/share/second")" = kept ] || code=written
expect "and a read-only one stays as it is" 1 EROFS
vm list
expect "list shows it" 0 "web                  running"
vm status --json web
jq -e '.state == "running" and .as_given and .asked.memory_bytes == 33554432 and .asked.cpus == 2 and .given.cpus == 2 and .seen.cpus == 2
	and .seen.memory_bytes >= .given.memory_bytes - .kernel_bytes and .seen.memory_bytes < .given.memory_bytes' "$work/out" > "$work/jq" || code=wrong
expect "status: asked, given, and seen by the guest" 0
"$cradle" vm status web > "$work/out" 2> "$work/err"; code=$?
expect "for people too" 0 "32 MiB" "ASKED        GIVEN         SEEN"
answers web || code=no-answer
"$cradle" stats web > "$work/out" 2>&1 || code=no-stats
"$cradle" oom web >> "$work/out" 2>&1 || code=no-oom
expect "call, stats and oom take its name" 0
qmp web query-memory-size-summary > "$work/out" 2> "$work/err"
code=$?
expect "QMP answers: the memory as given" 0 "\"base-memory\": $("$cradle" vm status --json web | jq .given.memory_bytes)"
# The console's bytes may come after the answer.
until_true grep -q listening "$CRADLE_STATE/web/agent.log"
vm log web
expect "the agent's records" 0 '{"msg":"agent is listening"'
vm log --kernel web
expect "the kernel's lines" 0 "Linux version"
! grep -q '"msg"' "$work/out" || code=mixed
expect "and only those" 0
"$cradle" vm console web > "$work/follow" 2>&1 &
follower=$!
until_true grep -q "agent is listening" "$work/follow"
grep -q 'not what its launcher' "$CRADLE_STATE/web/agent.log" && code=differs
expect "the agent finds nothing wrong with the VM's size" 0
pids="$(keeper web) $(qemu web)"
[ "$(ls -l "/proc/$(keeper web)/fd" | grep -c "pipe:\|/dev/pts\|$work/\(out\|err\)")" = 3 ] || code=holds
expect "the keeper holds nothing of its starter's (three pipes are the stderr of QEMU and two virtiofsd)" 0
vm stop web
expect "stop" 0
grep -q 'told to end' "$work/follow" && code=wrong
wait $follower || code=follower
grep -q 'sandbox destroyed' "$work/follow" || code=not-graceful
expect "the guest ended by itself, and who followed the console saw it to its end" 0
verdict "nothing is left" "$(leftovers; for pid in $pids; do until_true dead "$pid"; done)"

# ---- the starter's end is not the VM's, unless it is asked to end ------------------------------------------
# Its QEMU starts when somebody reads what it writes: the starter is certainly dead by then.
mkfifo "$work/held"
printf '#!/bin/sh\necho held > "%s"\nexec qemu-system-%s "$@"\n' "$work/held" "$(uname -m)" > "$work/held-qemu"
chmod +x "$work/held-qemu"
"$cradle" vm start --accel tcg --memory 32M --qemu "$work/held-qemu" other > "$work/out" 2> "$work/err" &
starter=$!
until_true [ -e "$CRADLE_STATE/other/vm.json" ] > "$work/never"
kill -KILL $starter
wait $starter 2> "$work/killed"
cat "$work/held" > "$work/read"
until_true eval '[ "$(state other)" = running ]' > "$work/never"
code=$?
answers other || code=no-answer
expect "SIGKILL at the starter while it boots: the VM comes up all the same" 0
boot unwanted
kill -TERM $starter
wait $starter
code=$?
[ ! -e "$CRADLE_STATE/unwanted" ] && [ -z "$(qemu unwanted)" ] || code=left
expect "SIGTERM at the starter: not started, nothing left" 143 "interrupted"

# ---- faults, with 'other' beside them, which must not notice -----------------------------------------------
start web
kill -KILL "$(qemu web)"
until_true eval '[ "$(state web)" = dead ]' > "$work/never"
vm list
expect "QEMU is killed: dead, and why" 0 "QEMU died" "ended by signal 9"
vm status web
expect "status knows it too" 0 "web: dead, QEMU died"
"$cradle" call web Check > "$work/out" 2> "$work/err"; code=$?
expect "a call says that it is dead" 125 "VM 'web' is dead"
vm log --keeper web
expect "the keeper's log has it" 0 "QEMU died"
[ -z "$(qemu web)" ] && [ ! -e "$CRADLE_STATE/web/agent.sock" ] && [ ! -e "$CRADLE_STATE/web/qmp.sock" ] || code=left
expect "no socket and no process is left" 0
start web
expect "its name is free again" 0 "ready web"
vm stop --timeout 0 web

start web -v "$work/share:work"
kill -KILL "$(virtiofsd | tail -n 1)"
until_true eval '[ "$(state web)" = dead ]' > "$work/never"
vm list
expect "virtiofsd is killed: the VM, which would wait for it for ever, is dead, and why" 0 "a share with the host ended" "virtiofsd of $work/share"
start web -v "$work/share:work"
[ -n "$(virtiofsd)" ] || code=none

pid=$(qemu web)
kill -KILL "$(keeper web)"
until_true dead "$pid" > "$work/never" || code=lives
until_true eval '[ -z "$(virtiofsd)" ]' > "$work/never" || code=virtiofsd
expect "the keeper is killed: QEMU, whose vsock device it was, and virtiofsd go with it" 0
vm list
expect "dead, and why" 0 "its keeper is gone without a word"
vm stop web
[ ! -e "$CRADLE_STATE/web" ] || code=left
expect "stop removes what it left" 0

start web
kill -STOP "$(keeper web)"
pids="$(keeper web) $(qemu web)"
vm stop --timeout 0.2 web
[ ! -e "$CRADLE_STATE/web" ] || code=left
for pid in $pids; do until_true dead "$pid" > "$work/never" || code=lives; done
expect "a keeper that does not answer is killed, and all of it is gone" 0 "does not answer"

start web
kill -STOP "$(qemu web)"
vm stop --timeout 0.2 web
[ ! -e "$CRADLE_STATE/web" ] && [ -z "$(qemu web)" ] || code=left
expect "a QEMU that does not answer is killed" 0 "did not end within 0.2 s"

boot web
kill -KILL "$(qemu web)"
wait $starter
code=$?
[ ! -e "$CRADLE_STATE/web" ] || code=left
expect "QEMU is killed while it boots: the starter says so, and nothing is left" 125 "QEMU died" "ended by signal 9"

boot web
pid=$(qemu web)
kill -KILL "$(keeper web)"
wait $starter
code=$?
until_true dead "$pid" > "$work/never" || code=lives
[ ! -e "$CRADLE_STATE/web" ] || code=left
expect "the keeper is killed while it boots: the starter says so, and nothing is left" 125 "the keeper of VM 'web' was ended by signal 9"

boot web
pid=$(qemu web)
lock_store
kill -KILL "$(keeper web)"
until_true waits_for_store $starter > "$work/never"
# What the starter is to clean up is gone already, and somebody has got the name meanwhile.
mv "$CRADLE_STATE/web" "$work/old-web"
mkdir -m 700 "$CRADLE_STATE/web"
unlock_store
wait $starter
code=$?
until_true dead "$pid" > "$work/never" || code=lives
[ -e "$CRADLE_STATE/web" ] || code=removed
expect "the same, and somebody gets the name before the starter cleans up: left alone" 125 \
	"the keeper of VM 'web' was ended by signal 9"
vm stop web

start web --qemu /nonexistent/qemu
expect "QEMU is missing" 125 "QEMU did not start" "/nonexistent/qemu is not there"
start web --disk "$disk" --initrd none
expect "a disk, and a kernel that lacks the driver and has no initrd: it panics" 125 "the guest's kernel panicked" "Unable to mount root fs" \
	"the last lines of the guest's console"
start web --disk "$kernel"
expect "a disk image that is none" 125 "no guest to boot" "$kernel holds none of erofs"
start web --append agent.server_addr=unix:///no/such/folder/socket
expect "the agent gives up while it boots: its last word" 125 "the guest ended" "agent cannot go on"
leftovers > "$work/left"
verdict "after all these nothing is left but the one beside them" "$(while read -r it; do
	[[ $it == *"$CRADLE_STATE/other"* ]] || [ "$it" = "$(qemu other)" ] || echo "$it"; done < "$work/left")"

# A guest that hears nothing of an end: the power button is pressed (QMP's event says so), then it is ended firmly.
qmp_events() { # FILE: QEMU's events, a line each, from now on; $listener is its pid
	/usr/bin/python3 -c '
import json, socket, sys
s = socket.socket(socket.AF_UNIX); s.connect(sys.argv[1]); f = s.makefile("rw"); f.readline()
f.write(json.dumps({"execute": "qmp_capabilities"}) + "\n"); f.flush()
print(f.readline(), flush=True)
for line in f:
    print(json.loads(line).get("event"), flush=True)' "$CRADLE_STATE/web/qmp.sock" > "$1" 2>&1 &
	listener=$!
	until_true grep -q return "$1" > "$work/never"
}
start web --initrd "$bad" --append bad=refuse
qmp_events "$work/events"
"$cradle" vm stop --timeout 600 web > "$work/patient" 2>&1 &
stopper=$!
until_true grep -q '^POWERDOWN$' "$work/events" > "$work/never"
pressed=$?
vm stop --timeout 0 web
wait $stopper || code=stop
[ $pressed = 0 ] || code=not-pressed
wait $listener
[ ! -e "$CRADLE_STATE/web" ] && [ -z "$(qemu web)" ] || code=left
expect "the agent refuses to end: the power button; whose patience is over then ends the guest firmly" 0 "did not end within 0.0 s: it is ended now"
! grep -q 'does not answer' "$work/err" || code=killed
expect "by its keeper, which did not have to be killed" 0

start web --initrd "$bad" --append bad=signals
qmp_events "$work/events"
"$cradle" vm stop --timeout 600 web > "$work/out" 2> "$work/err" &
stopper=$!
until_true grep -q '^POWERDOWN$' "$work/events" > "$work/never"
code=$?
[ "$(state web)" = stopping ] || code=state
kill -KILL "$(qemu web)"
wait $stopper || code=stop
wait $listener
[ ! -e "$CRADLE_STATE/web" ] || code=left
expect "the agent says yes and stays: the power button; then QEMU is killed: stopped, nothing is left" 0
start web --initrd "$bad" --append bad=signals
pid=$(qemu web)
"$cradle" vm stop --timeout 600 web > "$work/out" 2> "$work/err" &
stopper=$!
until_true eval '[ "$(state web)" = stopping ]' > "$work/never"
kill -KILL "$(keeper web)"
wait $stopper
code=$?
until_true dead "$pid" > "$work/never" || code=lives
[ ! -e "$CRADLE_STATE/web" ] || code=left
expect "the keeper is killed while it stops: stopped, nothing is left" 0
answers other || code=no-answer
expect "and the VM beside them answers" 0

# The relay is killed, then what is behind it. The launcher's words about the size are replaced by wrong ones.
start web --append "unknown_nmi_panic cradle.memory=1073741824 cradle.cpus=3"
until_true grep -q launcher "$CRADLE_STATE/web/agent.log"
vm log web
expect "the agent says by one line that the VM is not what the launcher says" 0 'not what its launcher says it gave' 'of 1024.0 MiB' \
	'1 CPUs are online, of 3'
"$cradle" relay --listen "unix://$work/relay.sock" web > "$work/relay.out" 2> "$work/relay.err" &
relay=$!
until_true grep -q ready "$work/relay.out"
answers "unix://$work/relay.sock" || code=no-answer
expect "a relay to a VM by its name" 0
"$cradle" call "unix://$work/relay.sock" GetOOMEvent > "$work/out" 2> "$work/err" &
caller=$!
until_true eval 'qmp web query-status > "$work/qmp"; ! dead '"$caller"
kill -KILL $relay
wait $caller
code=$?
wait $relay 2> "$work/killed"
answers web && answers other || code=no-answer
expect "the relay is killed: the caller hears it, the VM does not notice" 125 "the agent closed the connection"
"$cradle" relay --listen "unix://$work/relay.sock" web > "$work/relay.out" 2> "$work/relay.err" &
relay=$!
until_true grep -q ready "$work/relay.out"
answers "unix://$work/relay.sock"
code=$?
expect "another takes its place" 0
qmp web inject-nmi > "$work/qmp" 2>&1
until_true eval '[ "$(state web)" = dead ]' > "$work/never"
vm list
expect "the guest's kernel panics: dead, and why" 0 "the guest's kernel panicked"
start web --rootfs "$rootfs" --disk "$disk"
until_true grep -q 'agent is listening' "$CRADLE_STATE/web/agent.log"
grep -q '"going over to the root file system of a disk".*"disk":"/dev/vdb"' "$CRADLE_STATE/web/agent.log" || code=initrd
expect "booted from a disk image: the agent is its /sbin/init" 0
answers "unix://$work/relay.sock"
code=$?
expect "started again, the relay reaches the new one" 0
kill $relay
wait $relay
"$cradle" call web DestroySandbox > "$work/call" 2>&1
until_true eval '[ "$(state web)" = dead ]' > "$work/never"
vm status web
expect "somebody else ends the guest: dead, and why" 0 "web: dead, the guest ended"
vm stop web

# ---- the one beside them --------------------------------------------------------------------------------------
answers other || code=no-answer
vm list
expect "the VM beside all this did not notice" 0 "other                running"
keeper=$(keeper other)
lock_store
"$cradle" vm stop --timeout 60 other > "$work/out" 2> "$work/err" &
stopper=$!
until_true waits_for_store "$keeper" > "$work/never"; code=$?
[ -e "$CRADLE_STATE/other/lock" ] || code=half-gone
unlock_store
wait $stopper || code=stop
expect "its keeper removes it under the lock that a start takes" 0
verdict "and leaves nothing either" "$(until_true gone > "$work/never" || leftovers)"

# ---- strange things in the folder -------------------------------------------------------------------------------
mkdir -m 700 "$CRADLE_STATE/made"
printf '{"state":"running","reason":"\\u001b[31m","vm_bytes":18446744073709551615}' > "$CRADLE_STATE/made/vm.json"
echo 1 > "$CRADLE_STATE/made/lock"
vm list
expect "an entry made by hand is dead, whatever it says" 0 "made                 dead"
vm stop made
[ ! -e "$CRADLE_STATE/made" ] || code=left
expect "and can be removed; the process its lock file names lives" 0
chmod 755 "$CRADLE_STATE"
vm list
expect "a folder open to others is refused" 125 "open to others"
chmod 700 "$CRADLE_STATE"

# ---- the help's examples, as they stand there ----------------------------------------------------------------------
"$cradle" vm --help | sed -n '/^Examples:/,/^$/p' | sed -n 's/^  cradle/"$cradle"/p' > "$work/examples"
[ "$(wc -l < "$work/examples")" -ge 8 ] || code=few
bash -ec "set -e; export cradle=$cradle; set -x; $(cat "$work/examples")" > "$work/out" 2> "$work/err"
code=$?
expect "the examples of cradle vm --help work as they stand there" 0 "ready web"
verdict "and leave nothing" "$(leftovers)"
echo "1..$n"
exit $failed
