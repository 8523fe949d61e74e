#!/bin/bash
# Tests `cradle run --volume` and a bundle's binds with the real QEMU and virtiofsd: content, modes and owners
# both ways, as root and as an ordinary user; read-only; a guest that tries to reach more than its share; and
# that nothing stays behind, however a run ends. Arguments: kernel, initrd, root file system.
set -u
. "$(dirname "$0")/lib.sh"
[ "$(id -u)" = 0 ] || { echo "not ok 1 - runs as root"; echo 1..1; exit 1; }
chmod 711 "$work"
share=$work/share

# What a virtiofsd would leave as well: itself (its share's place is in its arguments), and sockets.
eval "qemu_$(declare -f leftovers)"
leftovers() {
	qemu_leftovers
	pgrep -af "virtiofsd .*source=$work/"
	grep -oE "$work/.*(vsock|share)$" /proc/net/unix
}
gone() { # at most ten seconds later nothing is there
	for _ in $(seq 100); do
		[ -z "$(leftovers)" ] && return
		sleep 0.1
	done
}
# Each run's script says a line for each thing it looks at.
fresh() { rm -rf "$share"; mkdir -p "$share"; }

# ---- both ways, as root -----------------------------------------------------------------------------------
fresh
mkdir "$work/second" "$share/many-host"
head -c 16777217 /dev/urandom > "$share/big-host"
for i in $(seq 1000); do echo "file $i" > "$share/many-host/$i"; done
echo "from the host" > "$share/text"
chown 1001:1002 "$share/text"
chmod 4604 "$share/text"
echo single > "$work/single"
echo beside > "$work/beside"
echo kept > "$work/second/kept"
cat > "$work/guest" <<'GUEST'
stat -c '%n %u:%g %a' /s/text
cat /s/text
umask 0
mkdir -m 2751 /s/dir; echo "from the guest" > /s/dir/file; chmod 6640 /s/dir/file
chown 1003:1004 /s/dir/file; chmod 6640 /s/dir/file
ln -s file /s/dir/link; ln /s/dir/file /s/dir/hard; mkfifo /s/dir/pipe
echo more >> /s/text
mv /s/dir/hard /s/moved
rm /s/many-host/500
cp /s/big-host /s/big-guest
mkdir /s/many
i=0; while [ $i -lt 1000 ]; do i=$((i + 1)); echo "file $i" > /s/many/$i; done
cat $(ls /s/many-host | sort -n | sed 's,^,/s/many-host/,') | md5sum
touch /second/new 2>&1
(echo x > /second/kept) 2>&1 | sed 's/^sh: //'
cat /second/kept
cat /etc/single; echo changed > /etc/single
ls /run/kata-containers 2>&1
mknod /s/device b 8 0 2>&1
exit 0
GUEST
run_it -v "$share:/s" --volume "$work/second:/second:ro" -v "$work/single:/etc/single" -- sh -c "$(cat "$work/guest")"
cat > "$work/wanted" <<WANTED
/s/text 1001:1002 4604
from the host
$(for i in $(seq 1000); do [ $i = 500 ] || echo "file $i"; done | md5sum)
touch: /second/new: Read-only file system
can't create /second/kept: Read-only file system
kept
single
ls: /run/kata-containers: No such file or directory
mknod: /s/device: Operation not permitted
WANTED
sed -i 's/line [0-9]*: //' "$work/out"
expect_out "three volumes at once; what the guest sees, makes and may not make" 0 "$(cat "$work/wanted")"

(cd "$share" && stat -c '%n %u:%g %a %F %h' dir dir/file dir/link dir/pipe moved text && readlink dir/link &&
	cat dir/file text && ls many | wc -l && ls many-host | wc -l) > "$work/out" 2>&1
expect_out "modes, owners, links and names on the host" 0 "dir 0:0 2751 directory 2
dir/file 1003:1004 6640 regular file 2
dir/link 0:0 777 symbolic link 1
dir/pipe 0:0 666 fifo 1
moved 1003:1004 6640 regular file 2
text 1001:1002 4604 regular file 1
file
from the guest
from the host
more
1000
999"
code=0
for i in $(seq 1000); do [ "$(cat "$share/many/$i")" = "file $i" ] || code="file $i differs"; done
same "1000 small files and one of 16 MiB, byte for byte" "$share/big-host" "$share/big-guest"
cat "$work/single" "$work/beside" "$work/second/kept" > "$work/out"
[ "$(ls -A "$work/second")" = kept ] && [ ! -e "$share/device" ] || code="something was made"
expect_out "a single file is changed in place, what is beside it is not; read-only stays as it was" 0 "changed
beside
kept"

# ---- while it runs; the agent looks at its shares ------------------------------------------------------------
fresh
start --listen "$work/vm.sock" -v "$share:/s" -- sh -c 'echo up; while ! [ -e /s/go ]; do sleep 0.1; done; cat /s/go; echo seen > /s/answer; while [ -e /s/go ]; do sleep 0.1; done'
await up "$work/out"
echo "made meanwhile" > "$share/go"
for _ in $(seq 300); do [ -s "$share/answer" ] && break; sleep 0.1; done
"$cradle" call "hvsock://$work/vm.sock:1024" RemoveStaleVirtiofsShareMounts > "$work/call" 2>&1 || echo "# $(cat "$work/call")"
"$cradle" call "hvsock://$work/vm.sock:1024" GetGuestDetails > "$work/details" 2>&1
rm "$share/go"
finish
grep -q virtio-fs "$work/details" || code="the agent does not name its driver"
expect_out "changes are seen on both sides while it runs; the agent's look at its shares is answered" 0 "up
made meanwhile"

# ---- an ordinary user --------------------------------------------------------------------------------------
user=12345
mkdir "$work/home"
cp "$cradle" "$kernel" "$initrd" "$work/home"
tar -C "$rootfs" -cf "$work/home/rootfs.tar" .
mkdir "$work/home/runtime" "$work/home/share"
echo mine > "$work/home/share/mine"
echo others > "$work/home/share/others"
echo secret > "$work/home/share/secret"
chown -R $user:$((user + 1)) "$work/home"
chown 0:0 "$work/home/share/others" "$work/home/share/secret"
chmod 644 "$work/home/share/others"
chmod 600 "$work/home/share/secret"
as_user() { # the program gets groups as a login does
	setpriv --reuid $user --regid $((user + 1)) --groups $((user + 1)),27 env XDG_RUNTIME_DIR="$work/home/runtime" \
		HOME="$work/home" CRADLE_CACHE="$work/home/cache" \
		CRADLE_KERNEL="$work/home/${kernel##*/}" CRADLE_INITRD="$work/home/${initrd##*/}" \
		"$work/home/cradle" run "${accel[@]}" --name "run-test-$$-$n" --rootfs "$work/home/rootfs.tar" "$@" > "$work/out" 2> "$work/err"
	code=$?
	[ -z "$(ls -A "$work/home/runtime")" ] || code="$code, left in its runtime folder"
}
as_user -v "$work/home/share:/s" -v "$work/home/share:/ro:ro" -- sh -c 'cd /s; stat -c "%n %u:%g" mine others
	cat others; cat secret 2>&1; echo x > made; chmod 751 made; mkdir dir; mv mine dir; chown 5:5 made 2>&1; rm -f /ro/made 2>&1; echo $(ls /s)'
expect_out "an ordinary user: his files are the container root's, others' files stay others'" 0 "mine 0:0
others 65534:65534
others
cat: can't open 'secret': Permission denied
chown: made: Invalid argument
rm: can't remove '/ro/made': Read-only file system
dir made others secret"
as_user --user guest -v "$work/home/share:/s" -- sh -c 'cd /s; stat -c "%n %u:%g" made; echo y >> made; echo z > dir/new; stat -c "%n %u:%g" dir/new; id -u'
expect_out "with --user they are that user's" 0 "made 1000:1000
dir/new 1000:1000
1000"
(cd "$work/home/share" && stat -c '%n %u:%g %a' made dir dir/new dir/mine && cat made) > "$work/out"
expect_out "on the host all of it is his" 0 "made $user:$((user + 1)) 751
dir $user:$((user + 1)) 755
dir/new $user:$((user + 1)) 644
dir/mine $user:$((user + 1)) 644
x
y"

# ---- a hostile guest -----------------------------------------------------------------------------------------
# Of a bundle, whose container has every capability: root of the guest in all but name.
fresh
mkdir "$share/inside" "$work/readonly"
echo secret > "$work/secret"
ln -s /etc/passwd "$share/absolute"
ln -s ../../../../../../..$work/secret "$share/up"
ln -s "$work/secret" "$share/host-path"
mkdir "$work/bundle" && (cd "$work/bundle" && crun spec) && cp -a "$rootfs" "$work/bundle/rootfs"
bundle_with() { # PYTHON changes c, the configuration
	/usr/bin/python3 -c "
import json, sys
c = json.load(open(sys.argv[1]))
c['process']['terminal'] = False
c['root']['readonly'] = False
$1
json.dump(c, open(sys.argv[1], 'w'))" "$work/bundle/config.json"
}
bundle_with "
import subprocess
every = [('CAP_' + n).upper() for n in 'chown dac_override dac_read_search fowner fsetid kill setgid setuid setpcap linux_immutable net_bind_service net_admin net_raw ipc_lock ipc_owner sys_module sys_rawio sys_chroot sys_ptrace sys_pacct sys_admin sys_boot sys_nice sys_resource sys_time sys_tty_config mknod lease audit_write setfcap mac_override mac_admin syslog'.split()]
c['process']['capabilities'] = {k: every for k in ('bounding', 'effective', 'permitted', 'inheritable', 'ambient')}
c['linux']['maskedPaths'] = c['linux']['readonlyPaths'] = []
c['mounts'] += [
	{'destination': '/s', 'type': 'bind', 'source': '../share', 'options': ['rbind', 'rw']},
	{'destination': '/ro', 'type': 'none', 'source': '$work/readonly', 'options': ['bind', 'ro']},
	{'destination': '/etc/single', 'type': 'bind', 'source': '$work/single', 'options': ['bind']},
	{'destination': '/replaced', 'type': 'bind', 'source': '/nonexistent/folder', 'options': ['bind']}]"
cat > "$work/guest" <<GUEST
grep -c guest:x:1000 /s/absolute
for f in up host-path; do cat /s/\$f 2>&1; done
ln -s ../../../.. /s/inside/out; ls -d /s/inside/out$work 2>&1
cd /s/inside/../..; pwd; ls -d .$work 2>&1
mount -o remount,bind,rw /ro && mount -o remount,rw /ro && touch /ro/made 2>&1
mkdir /raw; mount -t virtiofs volume0 /raw && ls -d /raw/..$work 2>&1; ls /raw
umount /raw; mount -t virtiofs volume1 /raw && touch /raw/made 2>&1
umount /raw; mount -t virtiofs volume2 /raw && ls -A /raw && touch /raw/made 2>&1
mknod /s/null c 1 3 2>&1
echo file > /s/plain; chmod 4755 /s/plain
ls /replaced
GUEST
"$cradle" run "${accel[@]}" --bundle "$work/bundle" --name "run-test-$$-$n" -v "$work/second:/replaced" -- sh -c "$(cat "$work/guest")" > "$work/out" 2> "$work/err"
code=$?
sed -i "s,$work,WORK,g" "$work/out"
expect_out "a bundle's binds: links and '..' stay in the guest; read-only holds against its root" 0 "1
cat: can't open '/s/up': No such file or directory
cat: can't open '/s/host-path': No such file or directory
ls: /s/inside/outWORK: No such file or directory
/
ls: .WORK: No such file or directory
touch: /ro/made: Read-only file system
ls: /raw/..WORK: No such file or directory
absolute
host-path
inside
up
touch: /raw/made: Read-only file system
file
touch: /raw/made: Read-only file system
mknod: /s/null: Operation not permitted
kept"
[ -z "$(ls -A "$work/readonly")" ] && [ "$(ls "$share")" = "absolute
host-path
inside
plain
up" ] || code="something was made"
stat -c '%a %u' "$share/plain" > "$work/out"
cat "$work/secret" "$work/single" >> "$work/out"
expect_out "nothing of the host but the share was touched" 0 "4755 0
secret
changed"

# ---- however it ends -----------------------------------------------------------------------------------------
fresh
start -v "$share:/s" -v "$work/single:/f:ro" -- sh -c 'trap "" INT; echo up; while :; do date > /s/now; done'
await up "$work/out"
pgrep -cf "virtiofsd .*source=$work/" > "$work/count"
interrupt_twice
finish
[ "$(cat "$work/count")" = 4 ] || code="$(cat "$work/count") processes of virtiofsd"
expect "Ctrl-C twice, while the guest writes" 130
start -v "$share:/s" -- sh -c 'echo up; while :; do date > /s/now; done'
await up "$work/out"
kill -KILL $pid
finish
gone
expect "SIGKILL of cradle, while the guest writes" 137
start --timing -v "$share:/s" -- true
await "VM started" "$work/err"
kill -KILL $pid
finish
# The folder of its sockets is removed by the next run.
for _ in $(seq 100); do [ -z "$(leftovers | grep -v '^cradle-vm-')" ] && break; sleep 0.1; done
run_it --qemu /nonexistent/qemu -v "$share:/s" -- true
expect "SIGKILL of cradle at the start; a QEMU that is not there" 125 "/nonexistent/qemu is not there"
start --timeout 90s -v "$share:/s" -- sh -c 'echo up; while :; do date > /s/now; done'
await up "$work/out"
kill -KILL "$(pgrep -nf "virtiofsd .*source=$work/")"
finish
expect "SIGKILL of virtiofsd ends the VM, with its reason" 125 "a share with the host ended: virtiofsd of $share ended with 1"

# ---- what cannot be --------------------------------------------------------------------------------------------
run_it -v "$work/nothing:/s" -- true
expect "HOST is not there" 125 "a folder cannot be shared" "--volume $work/nothing:/s" ENOENT
run_it -v "/dev/null:/s:ro" -- true
expect "HOST is a device" 125 "--volume /dev/null:/s:ro" "the host kernel's"
run_it -v "$share:s" -- true
expect "GUEST is relative" 125 "'s' is no absolute path of the container"
CRADLE_VIRTIOFSD=/nonexistent/virtiofsd run_it -v "$share:/s" -- true
expect "virtiofsd is not there" 125 "virtiofsd /nonexistent/virtiofsd: ENOENT" "apt install qemu-system-common"
printf '#!/bin/sh\necho "cannot do it" >&2\nexit 3\n' > "$work/virtiofsd"
chmod +x "$work/virtiofsd"
CRADLE_VIRTIOFSD=$work/virtiofsd run_it -v "$share:/s" -- true
expect "virtiofsd dies at its start" 125 "a share with the host ended: virtiofsd of $share ended with 3: cannot do it"
other=s390x
[ "$(uname -m)" = s390x ] && other=x86_64
run_it --arch $other -v "$share:/s" -- true
expect "a guest of the other byte order" 125 "byte order" "$other"

echo "1..$n"
exit $failed
