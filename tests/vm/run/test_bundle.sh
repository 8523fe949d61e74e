#!/bin/bash
# Tests `cradle run --bundle` with the real QEMU: bundles as crun, runc and umoci make them, options
# beside them, and what the VM cannot give. Arguments: kernel, initrd, root file system.
set -u
. "$(dirname "$0")/lib.sh"

# change FILE PYTHON: PYTHON changes c, the configuration.
change() {
	/usr/bin/python3 -c "
import json, sys
c = json.load(open(sys.argv[1]))
$2
json.dump(c, open(sys.argv[1], 'w'))" "$1"
}
bundle() { # NAME TOOL...: a bundle whose configuration TOOL makes
	mkdir "$work/$1"
	(cd "$work/$1" && shift && "$@") > "$work/out" 2>&1 || sed 's/^/# /' "$work/out"
	cp -a "$rootfs" "$work/$1/rootfs"
}
run_bundle() { # NAME [OPTION...]
	local name=$1
	shift
	"$cradle" run "${accel[@]}" --bundle "$work/$name" "$@" > "$work/out" 2> "$work/err" < "${input:-/dev/null}"
	code=$?
}

# ---- as the tools make them ---------------------------------------------------------------------------------
bundle crun crun spec
bundle runc runc spec
printf 'echo "$(hostname) $(ulimit -n) $(tty)"; touch /x; exit 5\n' > "$work/script"
for tool in crun runc; do
	# Unchanged: a terminal, sh, a root that is read-only. Its input is typed, echoed and answered.
	input=$work/script run_bundle $tool -i
	tr -d '\r' < "$work/out" | grep -E "^$tool |Read-only" | sed 's/^touch: //' > "$work/lines"
	mv "$work/lines" "$work/out"
	expect_out "a bundle of $tool spec, unchanged" 5 "$tool 1024 /dev/pts/0
/x: Read-only file system"
done

umoci init --layout "$work/image" > "$work/umoci" 2>&1
umoci new --image "$work/image:a" >> "$work/umoci" 2>&1
for folder in bin etc; do umoci insert --image "$work/image:a" "$rootfs/$folder" /$folder >> "$work/umoci" 2>&1; done
umoci config --image "$work/image:a" --config.env A=b --config.user nobody --config.workingdir /bin \
	--config.cmd /bin/sh --config.cmd -c --config.cmd 'echo "$A $PWD $(id -u) $(hostname)"; exit 6' >> "$work/umoci" 2>&1
umoci unpack --image "$work/image:a" "$work/umoci-bundle" >> "$work/umoci" 2>&1 || sed 's/^/# /' "$work/umoci"
run_bundle umoci-bundle
tr -d '\r' < "$work/out" > "$work/lines" && mv "$work/lines" "$work/out"
expect_out "a bundle of umoci unpack, unchanged" 6 "b /bin 65534 umoci-default"

umoci unpack --rootless --image "$work/image:a" "$work/rootless" >> "$work/umoci" 2>&1
run_bundle rootless --user 0 -- sh -c 'ls -d /sys/class/mem; cat /proc/self/uid_map'
tr -d '\r' < "$work/out" > "$work/lines" && mv "$work/lines" "$work/out"
expect_out "a rootless one: a user namespace, the guest's /sys, a note about resolv.conf" 0 "/sys/class/mem
         0          0          1" "/etc/resolv.conf is left out"

# As who made it: umoci's rootless bundles are for ordinary users, and so is cradle. The root file system is his.
if [ "$(id -u)" = 0 ]; then
	# this tree may lie where nobody else may go
	mkdir "$work/home" "$work/home/bin"
	cp "$cradle" "$kernel" "$initrd" "$work/home/bin"
	cp -a "$work/image" "$work/home"
	chmod 711 "$work"
	chown -R 65534:65534 "$work/home"
	as_user=(setpriv --reuid 65534 --regid 65534 --clear-groups env -u XDG_RUNTIME_DIR HOME="$work/home" CRADLE_CACHE="$work/home/cache"
		CRADLE_KERNEL="$work/home/bin/${kernel##*/}" CRADLE_INITRD="$work/home/bin/${initrd##*/}")
	own_cradle=$work/home/bin/cradle
else
	as_user=(env)
	own_cradle=$cradle
	mkdir "$work/home"
	cp -a "$work/image" "$work/home"
fi
"${as_user[@]}" umoci unpack --rootless --image "$work/home/image:a" "$work/home/bundle" >> "$work/umoci" 2>&1 || sed 's/^/# /' "$work/umoci"
"${as_user[@]}" "$own_cradle" run "${accel[@]}" --bundle "$work/home/bundle" --user 0 -- sh -c 'id -u; stat -c %u:%g /bin /etc/passwd; echo x > /etc/new && cat /etc/new' \
	> "$work/out" 2> "$work/err" < /dev/null
code=$?
tr -d '\r' < "$work/out" > "$work/lines" && mv "$work/lines" "$work/out"
expect_out "a rootless one, by the ordinary user who unpacked it" 0 "0
0:0
0:0
x"

# ---- its limits, and options beside it -------------------------------------------------------------------------
config=$work/crun/config.json
change "$config" "
c['process']['terminal'] = False
c['process']['rlimits'] = [{'type': 'RLIMIT_MEMLOCK', 'hard': 2**64-1, 'soft': 2**64-2}]
c['linux']['resources'].update(memory={'limit': 48 << 20}, cpu={'quota': 50000, 'period': 100000, 'cpus': '0-63'}, pids={'limit': 33})
c['hooks'] = {}
c['linux']['seccomp'] = {'defaultAction': 'SCMP_ACT_ALLOW', 'defaultErrnoRet': 1,
	'syscalls': [{'names': ['chmod', 'fchmodat'], 'action': 'SCMP_ACT_ERRNO', 'errnoRet': 7}]}"
cat > "$work/look" <<'LOOK'
cat /sys/fs/cgroup/memory.max /sys/fs/cgroup/cpu.max /sys/fs/cgroup/pids.max
grep 'locked memory' /proc/self/limits | tr -s ' '
echo x > /dev/null && chmod 700 /dev/null
LOOK
run_bundle crun -- sh -c "$(cat "$work/look") 2>&1"
expect_out "limits, an rlimit of 2^64-1, seccomp" 1 "50331648
50000 100000
33
Max locked memory 18446744073709551614 unlimited bytes 
chmod: /dev/null: Argument list too long" "cpus and mems are left out"
run_bundle crun --memory 64M --cpus 2 --env TERM=new --user nobody --workdir /etc --name "run-test-$$-$n" -- \
	sh -c 'cat /sys/fs/cgroup/memory.max /sys/fs/cgroup/cpu.max; echo "$TERM $PWD $(id -u) $HOME $(hostname)"'
expect_out "options beside it win" 0 "67108864
200000 100000
new /etc 65534 / run-test-$$-$n"

# ---- hooks: startContainer's are the container's own programs ----------------------------------------------------
change "$config" "c['hooks'] = {'startContainer': [{'path': '/bin/sh', 'args': ['sh', '-c', 'cat > /tmp/state; echo \$A >> /tmp/state'], 'env': ['A=b'], 'timeout': 30}]}
c['root']['readonly'] = False
del c['linux']['seccomp']"
run_bundle crun --name "run-test-$$-$n" -- sh -c 'grep -c "\"id\":\"run-test-.*\"status\":\"created\"" /tmp/state; tail -n 1 /tmp/state'
expect_out "a startContainer hook runs in the container, with its state" 0 "1
b"
change "$config" "c['hooks']['startContainer'][0]['path'] = '/no/hook'"
run_bundle crun -- true
expect "one that cannot run fails the start, not the command" 125 "the container does not start" "/no/hook"

# ---- what the VM cannot give ---------------------------------------------------------------------------------
refused() { # NAME PYTHON TEXT...
	local name=$1 what=$2
	shift 2
	cp "$work/runc/config.json" "$work/kept"
	change "$work/runc/config.json" "$what"
	run_bundle runc
	mv "$work/kept" "$work/runc/config.json"
	expect "refused by name: $name" 125 "the bundle cannot be run" "$@"
}
refused "a bind of a device" "c['mounts'].append({'destination': '/d', 'type': 'none', 'source': '/dev/fuse', 'options': ['rbind']})" \
	"mounts: /d is a bind of the host's '/dev/fuse'"
refused "a file system of the host" "c['mounts'].append({'destination': '/d', 'type': 'ext4', 'source': '/dev/sdz'})" "/d" ext4 /dev/sdz
refused "a namespace with a path" "c['linux']['namespaces'][1]['path'] = '/run/netns/a'" "network has the path '/run/netns/a'"
for kind in prestart createRuntime createContainer poststart poststop; do
	refused "a $kind hook" "c['hooks'] = {'$kind': [{'path': '/bin/true'}]}" "hooks.$kind: these are programs of the host"
done
refused "AppArmor" "c['process']['apparmorProfile'] = 'docker-default'" "process.apparmorProfile 'docker-default'"
refused "blockIO by device" "c['linux']['resources']['blockIO'] = {'throttleReadBpsDevice': [{'major': 8, 'minor': 0, 'rate': 9}]}" linux.resources.blockIO
refused "net_cls" "c['linux']['resources']['network'] = {'classID': 1}" linux.resources.network
refused "what the API has no name for" "c['linux']['resources']['unified'] = {'memory.high': '1M'}" "linux.resources.unified: the VM's agent knows no such property"
refused "a mistake" "c['process']['user']['uid'] = 'root'" "process.user.uid"
refused "no process" "del c['process']" "process is missing"
refused "another version" "c['ociVersion'] = '2.0.0'" "ociVersion 2.0.0"
run_bundle nowhere
expect "no such bundle" 125 "read $work/nowhere/config.json: ENOENT"

echo "1..$n"
exit $failed
