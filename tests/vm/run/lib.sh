# What the tests of `cradle run` share; sourced with their arguments: kernel, initrd, root file system.
# Each case is one run: its exit code, what it wrote, and that nothing of it stayed behind.
kernel=$(realpath "$1") initrd=$(realpath "$2") rootfs=$(realpath "$3")
top=$(cd "$(dirname "$0")/../../.." && pwd)
cradle=$top/build/cradle
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export CRADLE_CACHE=$work/cache XDG_RUNTIME_DIR=$work/runtime
export CRADLE_KERNEL=$kernel CRADLE_INITRD=$initrd
mkdir "$XDG_RUNTIME_DIR"
accel=(--accel tcg)
n=0 failed=0
command -v pgrep > /dev/null || { echo "not ok 1 - pgrep is there (package procps)"; echo 1..1; exit 1; }

# What a run leaves: QEMU processes that we started, and private folders.
leftovers() {
	pgrep -f "cradle-run-test-$$-" | while read -r pid; do tr '\0' ' ' < "/proc/$pid/cmdline" | cut -c1-60; done
	ls -A "$XDG_RUNTIME_DIR"
}
# run [OPTION...]: output in $work/out and $work/err, exit code in $code.
run() {
	"$cradle" run "${accel[@]}" --name "run-test-$$-$n" "$@" > "$work/out" 2> "$work/err"
	code=$?
}
run_it() { run --rootfs "$rootfs" "$@"; }
verdict() { # NAME PROBLEM: PROBLEM empty = passed
	n=$((n + 1))
	if [ -z "$2" ]; then
		echo "ok $n - $1"
		return
	fi
	failed=1
	echo "not ok $n - $1"
	echo "# $2; exit code $code; wrote:"
	head -c 600 "$work/out" | sed 's/^/# out: /'
	tail -n 25 "$work/err" | sed 's/^/# err: /'
}
# expect NAME CODE [TEXT...]: of the last run. Each TEXT must stand in its standard error.
expect() {
	local name=$1 want=$2 problem="" text
	shift 2
	[ "$code" = "$want" ] || problem="exit code is not $want"
	for text in "$@"; do
		grep -qF -- "$text" "$work/err" || problem="'$text' was not said"
	done
	[ -z "$(leftovers)" ] || problem="left behind: $(leftovers | tr '\n' ' ')"
	verdict "$name" "$problem"
}
# expect_out NAME CODE TEXT [STDERR-TEXT...]: TEXT is all of its standard output.
expect_out() {
	local name=$1 want=$2
	printf '%s\n' "$3" > "$work/want"
	cmp -s "$work/out" "$work/want" || code="$code, wrong output"
	shift 3
	expect "$name" "$want" "$@"
}
# start [OPTION...]: as run_it, in the background; $pid is cradle's.
start() {
	"$cradle" run "${accel[@]}" --name "run-test-$$-$n" --rootfs "$rootfs" "$@" > "$work/out" 2> "$work/err" &
	pid=$!
}
# await TEXT FILE: until the text stands in it, at most a minute.
await() {
	for _ in $(seq 600); do grep -qF -- "$1" "$2" && return; sleep 0.1; done
	return 1
}
# Two SIGINTs, taken in one go: one is pending for the process, the other for its (only) thread, and it goes on
# when both are there. Sent one after the other they might become one, or come a second apart.
interrupt_twice() {
	/usr/bin/python3 -c '
import ctypes, os, signal, sys, time
pid = int(sys.argv[1])
os.kill(pid, signal.SIGSTOP)
while "\nState:\tT" not in open(f"/proc/{pid}/status").read():
    time.sleep(0.01)
os.kill(pid, signal.SIGINT)
ctypes.CDLL(None).tgkill(pid, pid, signal.SIGINT)
os.kill(pid, signal.SIGCONT)' "$pid"
}
finish() { # of what start began
	wait "$pid" 2> "$work/killed"
	code=$?
}
same() { # NAME FILE FILE, after a run that must have ended with 0
	local problem=""
	[ "$code" = 0 ] || problem="exit code is not 0"
	cmp "$2" "$3" > "$work/cmp" 2>&1 || problem="output differs: $(cat "$work/cmp")"
	verdict "$1" "$problem"
}

