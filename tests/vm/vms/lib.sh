# What the tests of `cradle vm` share; sourced with their arguments: kernel, initrd, root file system.
kernel=$(realpath "$1") initrd=$(realpath "$2") rootfs=$(realpath "$3")
top=$(cd "$(dirname "$0")/../../.." && pwd)
cradle=$top/build/cradle
work=$(mktemp -d)
export CRADLE_CACHE=$work/cache CRADLE_STATE=$work/state CRADLE_KERNEL=$kernel CRADLE_INITRD=$initrd TMPDIR=$work/tmp
export XDG_RUNTIME_DIR=$work/runtime # a share's place while its VM starts
mkdir "$work/tmp" "$work/runtime"
n=0 failed=0 code=0
for tool in pgrep jq; do
	command -v $tool > /dev/null || { echo "not ok 1 - $tool is there"; echo 1..1; exit 1; }
done
# Whatever a failed case left: every process whose files lie in $work, by its own number.
clean_up() {
	for vm in $(ls "$CRADLE_STATE" 2> /dev/null); do "$cradle" vm stop --timeout 0 "$vm" 2> /dev/null; done
	rm -rf "$work"
}
trap clean_up EXIT

vm() { "$cradle" vm "$@" > "$work/out" 2> "$work/err"; code=$?; }
start() { # NAME [OPTION...]
	local name=$1
	shift
	vm start --accel tcg --memory 32M "$@" "$name"
}
# qemu NAME, keeper NAME: pids. Names are this test's own: $$ is in $work only, the state folder in QEMU's arguments.
qemu() { pgrep -f -- "-name cradle-$1 .*$CRADLE_STATE/$1/"; }
keeper() { "$cradle" vm list --json | jq -r ".[] | select(.name == \"$1\") | .keeper_pid"; }
state() { "$cradle" vm list --json | jq -r ".[] | select(.name == \"$1\") | .state"; }
reason() { "$cradle" vm list --json | jq -r ".[] | select(.name == \"$1\") | .reason"; }
# A zombie that nobody has reaped yet does not live.
lives() { grep -q '^State:[[:space:]]*[^Z[:space:]]' "/proc/$1/status" 2> /dev/null; }
dead() { ! lives "$1"; }
# The lock that starts and clean-ups meet at; and who waits for it. Held
# by a process that lives as long as the lock: in a PID namespace the kernel shows no other, nor who waits for it.
lock_store() {
	[ -p "$work/unlock" ] || mkfifo "$work/unlock"
	flock "$CRADLE_STATE" cat "$work/unlock" &
	locker=$!
	until_true grep -q "FLOCK .* $locker " /proc/locks > "$work/never"
}
unlock_store() {
	: > "$work/unlock"
	wait $locker
}
waits_for_store() { grep -q -- "-> FLOCK .* $1 " /proc/locks; }
# qmp NAME COMMAND...: QEMU's answer to the last of them.
qmp() {
	local socket=$CRADLE_STATE/$1/qmp.sock
	shift
	timeout 30 /usr/bin/python3 -c '
import json, socket, sys
s = socket.socket(socket.AF_UNIX); s.connect(sys.argv[1]); f = s.makefile("rw"); f.readline()
for name in ["qmp_capabilities"] + sys.argv[2:]:
    f.write(json.dumps({"execute": name}) + "\n"); f.flush(); print(f.readline())' "$socket" "$@"
}
virtiofsd() { pgrep -f "virtiofsd .*source=$work/"; }
sockets() { grep -c "$work" /proc/net/unix; }
# leftovers: processes and files of any VM of this test.
leftovers() {
	pgrep -f -- "$CRADLE_STATE/"
	virtiofsd
	find "$CRADLE_STATE" "$TMPDIR" "$XDG_RUNTIME_DIR" -mindepth 1
	[ "$(sockets)" = 0 ] || grep "$work" /proc/net/unix
}
# until COMMAND...: at most a minute.
until_true() {
	for _ in $(seq 600); do "$@" && return; sleep 0.1; done
	echo "never: $*"
	return 1
}
verdict() { # NAME PROBLEM: PROBLEM empty = passed
	n=$((n + 1))
	if [ -z "$2" ]; then
		echo "ok $n - $1"
		return
	fi
	failed=1
	echo "not ok $n - $1"
	echo "# $2" | tr '\n' ' '
	echo "; exit code $code; wrote:"
	head -c 800 "$work/out" | sed 's/^/# out: /'
	tail -n 25 "$work/err" | sed 's/^/# err: /'
}
# expect NAME CODE [TEXT...]: of the last command. Each TEXT must stand in what it wrote.
expect() {
	local name=$1 want=$2 problem="" text
	shift 2
	[ "$code" = "$want" ] || problem="exit code is not $want"
	for text in "$@"; do
		cat "$work/out" "$work/err" | grep -qF -- "$text" || problem="'$text' was not said"
	done
	verdict "$name" "$problem"
}
