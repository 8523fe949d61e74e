#!/bin/bash
# Tests `cradle run` with the real QEMU. Each case is one run: its exit code, what it wrote, and that
# nothing of it stayed behind. Arguments: kernel, initrd, root file system.
set -u
. "$(dirname "$0")/lib.sh"

# ---- a container that runs ------------------------------------------------------------------------------
run_it --env A=b --workdir /tmp --user nobody:0 -- sh -c 'echo "$A $PWD $(id -u):$(id -g)"; echo apart >&2; exit 42'
echo 'b /tmp 65534:0' > "$work/want"
cmp -s "$work/out" "$work/want" || code=wrong-output
expect "exit code, environment, folder, user, two streams" 42 apart

head -c 3000001 /dev/urandom > "$work/data"
run_it -i -- cat < "$work/data"
same "three megabytes in and out again, byte for byte" "$work/data" "$work/out"

run_it -- cat
expect "without -i standard input is at its end" 0

run_it --cpus 1.5 --memory 64M --explain --stats -- sh -c 'cat /sys/fs/cgroup/cpu.max /sys/fs/cgroup/memory.max; nproc'
printf '150000 100000\n67108864\n2\n' > "$work/want"
cmp -s "$work/out" "$work/want" || code=wrong-output
expect "limits arrive; --explain shows the sum, --stats the figures" 0 "the VM" "limit 64 MiB"

"$cradle" run "${accel[@]}" --name "run-test-$$-$n" --rootfs "$rootfs" -- yes 2> "$work/err" | head -n 2 > "$work/out"
code=${PIPESTATUS[0]}
expect "a reader that goes ends the container as SIGPIPE would" 141

# ---- killed ---------------------------------------------------------------------------------------------
run_it --memory 64M -- dd if=/dev/zero of=/dev/null bs=80M count=1
expect "killed for memory: 137, and a line with limit, peak and cause" 137 \
	"run-test-$$-$n was OOM-killed: it reached its own memory limit (limit 64 MiB, peak 6"

(run_it --listen "$work/vm.sock" -- sleep 1000; exit "$code") &
for _ in $(seq 600); do
	"$cradle" call "hvsock://$work/vm.sock:1024" SignalProcess \
		"{\"container_id\": \"run-test-$$-$n\", \"signal\": 9}" > "$work/call" 2>&1 && break
	sleep 0.1
done
wait $!
code=$?
grep -q OOM "$work/err" && code=explained-as-oom
expect "killed by SIGKILL: 137 without such a line" 137

# ---- what cannot run (the rest of it: test_failures.sh) ------------------------------------------------------
run_it --user nobody-at-all -- true
expect "an unknown user is named" 125 "'nobody-at-all'"

# ---- from outside -------------------------------------------------------------------------------------------
mkfifo "$work/hold"
(run --hold --listen "$work/vm.sock" < "$work/hold"; exit "$code") &
exec 9> "$work/hold"
for _ in $(seq 600); do grep -q '^ready ' "$work/out" && break; sleep 0.1; done
"$cradle" call "hvsock://$work/vm.sock:1024" grpc.Health/Check > "$work/call" 2>&1
exec 9>&-
wait $!
code=$?
grep -q SERVING "$work/call" && [ ! -e "$work/vm.sock" ] || code=no-answer
expect "--hold serves callers until its input ends" 0

"$cradle" run "${accel[@]}" --name "run-test-$$-$n" --rootfs "$rootfs" -- sh -c 'echo up; sleep 1000' > "$work/out" 2> "$work/err" &
for _ in $(seq 600); do grep -q up "$work/out" && break; sleep 0.1; done
kill -TERM $!
wait $!
code=$?
expect "SIGTERM kills a container that does not handle it, and all of it is gone" 137 "does not handle SIGTERM"

"$cradle" run "${accel[@]}" --name "run-test-$$-$n" --rootfs "$rootfs" -- sh -c 'echo up; sleep 1000' > "$work/out" 2> "$work/err" &
for _ in $(seq 600); do grep -q up "$work/out" && break; sleep 0.1; done
kill -KILL $!
wait $! 2> "$work/killed"
for _ in $(seq 100); do pgrep -f "cradle-run-test-$$-" > "$work/pids" || break; sleep 0.1; done
run_it --qemu /nonexistent/qemu -- true
expect "SIGKILL ends QEMU too; the next run removes the folder" 125

# ---- as an ordinary user, from a tar ------------------------------------------------------------------------
tar -C "$rootfs" -czf "$work/rootfs.tar.gz" .
if [ "$(id -u)" = 0 ]; then
	chmod 711 "$work"
	chmod 644 "$work/rootfs.tar.gz"
	mkdir "$work/home"
	# this tree may lie where nobody else may go
	cp "$cradle" "$kernel" "$initrd" "$work/home"
	chown -R 65534 "$work/home"
	setpriv --reuid 65534 --regid 65534 --clear-groups env -u XDG_RUNTIME_DIR HOME="$work/home" CRADLE_CACHE="$work/home/cache" \
		CRADLE_KERNEL="$work/home/${kernel##*/}" CRADLE_INITRD="$work/home/${initrd##*/}" \
		"$work/home/cradle" run "${accel[@]}" --name "run-test-$$-$n" --rootfs "$work/rootfs.tar.gz" -- \
		sh -c 'ls -lnd /etc/passwd | cut -c1-30; echo x > /new && cat /new' > "$work/out" 2> "$work/err"
	code=$?
else
	run --rootfs "$work/rootfs.tar.gz" -- sh -c 'ls -lnd /etc/passwd | cut -c1-30; echo x > /new && cat /new'
fi
[ "$(tail -n 1 "$work/out")" = x ] || code=wrong-output
expect "an ordinary user runs a tar, whose files stay root's" 0

echo "1..$n"
exit $failed
