#!/bin/bash
# A request of 1.2 CPUs and 600 MiB, in one architecture's guest: test_size.sh ARCH KERNEL INITRD ROOTFS
# What the guest sees is what `cradle size --json` said, what it keeps for itself is what the measured table
# says (within 5 %), and QEMU could not add a byte later: no hot-plug region. Then, in the VM that stays, what
# `cradle run` never does: an exec beside the first process. Prints boot time and the agent's PSS. TAP on stdout;
# `make test` runs it for this machine's architecture and for s390x, `make test-arch` for all.
set -u
. "$(dirname "$0")/lib.sh"
export CRADLE_STATE=$work/state TMPDIR=$work/tmp
mkdir "$work/tmp"
name=asked
clean_up() {
	build/cradle vm stop --timeout 0 $name > "$work/stop" 2>&1
	rm -rf "$work"
}
table=host-tools/vm/sizing_table.def
request="--memory 600M --cpus 1.2"

build/cradle size --json --arch "$arch" --initrd "$initrd" $request > "$work/size" || echo "# cradle size failed"
said() { jq -r "$1" "$work/size"; }
line() { said ".sum[] | select(.line == \"$1\") | .bytes"; }
# The guest's own need at this size, KiB: between the two measured points (one CPU) that are around it.
table_kib() {
	sed -n "s/^SIZING_POINT($arch, //p" $table | tr -d ',)' | awk -v vm="$(($(said .vm_bytes) >> 20))" '
		$2 == 1 && $1 <= vm { x = $1; y = $3 }
		$2 == 1 && $1 > vm { printf "%d", y + ($3 - y) * (vm - x) / ($1 - x); exit }'
}

cradle --rootfs "$rootfs" $request --explain -- /bin/sh -c '
	echo "cpus=$(nproc)"
	echo "total=$(awk "/^MemTotal/ { print \$2 }" /proc/meminfo)"
	echo "limit=$(cat /sys/fs/cgroup/memory.max)"
	echo "quota=$(cat /sys/fs/cgroup/cpu.max)"'
ok "1.2 CPUs and 600 MiB run" [ $? = 0 ]
ok "the VM is what cradle size said" err "$(awk -v b="$(said .vm_bytes)" 'BEGIN { printf "%.1f MiB  the VM$", b / 1048576 }')"
ok "nproc is what it said" [ "$(value cpus) $(said .vcpus)" = "2 2" ]
ok "memory.max is the limit, to the byte" [ "$(value limit) $(said .limit_bytes)" = "629145600 629145600" ]
ok "cpu.max is 1.2 CPUs" [ "$(value quota)" = "$(said '"\(.cpu_quota) \(.cpu_period)"')" ]
total=$(value total)
lacks=$(($(said .vm_bytes) / 1024 - total))
ok "MemTotal lacks no more than was counted" [ $lacks -le $((($(line kernel) + $(line tables)) / 1024)) ]
ok "the limit and the agent's reserve fit in it" \
	[ "$(value total)" -ge $((($(said .limit_bytes) + $(said .agent_reserve_bytes)) / 1024)) ]
ok "the table is right within 5 %" [ $((lacks * 100)) -ge $(($(table_kib) * 95)) -a $((lacks * 100)) -le $(($(table_kib) * 105)) ]
echo "# $arch: MemTotal lacks $lacks KiB of $(($(said .vm_bytes) / 1024)); the table has $(table_kib), cradle counts $((($(line kernel) + $(line tables)) / 1024))"

# json FILTER FILE: true of it.
json() { jq -e "$1" "$2" > "$work/jq" 2>&1; }
# qmp COMMAND [ARGUMENTS]: what QEMU answers.
qmp() {
	timeout 60 /usr/bin/python3 -c '
import json, socket, sys
s = socket.socket(socket.AF_UNIX); s.connect(sys.argv[1]); f = s.makefile("rw"); f.readline()
for name, arguments in ("qmp_capabilities", "{}"), (sys.argv[2], sys.argv[3]):
    f.write(json.dumps({"execute": name, "arguments": json.loads(arguments)}) + "\n"); f.flush(); answer = f.readline()
print(json.dumps(json.loads(answer)["return"]))' "$CRADLE_STATE/$name/qmp.sock" "$1" "${2:-{\}}"
}
began=$(date +%s%N)
build/cradle vm start --arch "$arch" --accel tcg --kernel "$kernel" --initrd "$initrd" --rootfs "$rootfs" $request $name > "$work/out" 2> "$work/err"
ok "the same as a VM that stays" [ $? = 0 ]
took=$((($(date +%s%N) - began) / 1000000))
build/cradle vm status --json $name > "$work/out" 2> "$work/err"
ok "asked, given and seen agree" json ".as_given and .asked == {memory_bytes: 629145600, cpus: 1.2} and
	.given == {memory_bytes: $(said .vm_bytes), cpus: 2} and .seen.cpus == 2 and (.seen.memory_bytes / 1024 - $total | fabs) < 256" "$work/out"
qmp query-memory-devices > "$work/out"
ok "no memory device" [ "$(cat "$work/out")" = "[]" ]
qmp qom-get '{"path": "/machine", "property": "memory"}' > "$work/out"
ok "no hot-plug region, no slot" json ".size == $(said .vm_bytes) and (.\"max-size\" // .size) == .size and (.slots // 0) == 0" "$work/out"
qmp query-memory-size-summary > "$work/out"
ok "base memory is all there is" json ".\"base-memory\" == $(said .vm_bytes) and (.\"plugged-memory\" // 0) == 0" "$work/out"
build/cradle stats --json $name > "$work/out" 2> "$work/err"
ok "the agent's own memory is told" json ".guest.agent_bytes > 500000 and .guest.agent_bytes < 4000000" "$work/out"
pss=$(jq '.guest.agent_bytes / 1024 | floor' "$work/out")

# call METHOD JSON: its answer in $work/out.
call() { build/cradle call --timeout 60 $name "$@" > "$work/out" 2> "$work/err"; }
root=/run/kata-containers/c1
process='"Cwd": "/", "User": {}, "Capabilities": {}'
call CreateSandbox '{"hostname": "asked", "sandbox_id": "asked"}'
call CreateContainer "{\"container_id\": \"c1\", \"storages\": [{\"driver\": \"blk\", \"source\": \"/dev/vda\",
	\"fstype\": \"erofs\", \"options\": [\"ro\"], \"mount_point\": \"$root/rootfs\"}],
	\"OCI\": {\"Version\": \"1.0.2\", \"Root\": {\"Path\": \"$root/rootfs\", \"Readonly\": true},
	\"Mounts\": [{\"destination\": \"/proc\", \"type\": \"proc\", \"source\": \"proc\"},
	{\"destination\": \"/dev\", \"type\": \"tmpfs\", \"source\": \"tmpfs\", \"options\": [\"mode=755\"]}],
	\"Process\": {\"Args\": [\"/bin/sleep\", \"1000\"], $process},
	\"Linux\": {\"CgroupsPath\": \"/c1\", \"Namespaces\": [{\"Type\": \"pid\"}, {\"Type\": \"mount\"}, {\"Type\": \"ipc\"}, {\"Type\": \"uts\"}]}}}" &&
	call StartContainer '{"container_id": "c1"}'
ok "a container is created and started" [ $? = 0 ]
call ExecProcess "{\"container_id\": \"c1\", \"exec_id\": \"e1\",
	\"process\": {\"Args\": [\"/bin/sh\", \"-c\", \"uname -m; exit 5\"], $process}}"
ok "an exec beside it" [ $? = 0 ]
call ReadStdout '{"container_id": "c1", "exec_id": "e1", "len": 100}'
ok "whose output is read" [ "$(jq -r .data "$work/out" | base64 -d)" = "$arch" ]
call WaitProcess '{"container_id": "c1", "exec_id": "e1"}'
ok "and whose exit code arrives" json ".status == 5" "$work/out"
call StatsContainer '{"container_id": "c1"}'
ok "the container's figures" json '.cgroup_stats.memory_stats.usage.usage > 0' "$work/out"
call RemoveContainer '{"container_id": "c1"}'
ok "it is removed" [ $? = 0 ]
echo "# $arch: agent answers $took ms after vm start; agent $(stat -c %s "build/$arch/cradle-agent") bytes, PSS $pss KiB at rest"
build/cradle vm stop $name > "$work/out" 2> "$work/err"
ok "and it stops" [ $? = 0 ]
echo "1..$n"
exit $((failed > 0))
