#!/bin/bash
# Tests `cradle run --net` with the real QEMU, in a network namespace of its own: its 127.0.0.1 is the one that
# the guest reaches at 10.0.2.2, and the ports there are free. Arguments: kernel, initrd, root file system.
set -u
[ "${1:-}" = --inside ] || exec unshare --net "$0" --inside "$@"
shift
. "$(dirname "$0")/lib.sh"
ip link set lo up || { echo "not ok 1 - ip is there (package iproute2)"; echo 1..1; exit 1; }

# ---- a server of the host ---------------------------------------------------------------------------------
mkdir "$work/www"
head -c 1234567 /dev/urandom > "$work/www/index.html"
/usr/bin/python3 - "$work/www" > "$work/server" 2>&1 <<'PY' &
import functools, http.server, sys

class Handler(http.server.SimpleHTTPRequestHandler):
    def do_POST(self):
        data = self.rfile.read(int(self.headers["Content-Length"]))
        open(self.directory + "/posted", "wb").write(data)
        self.send_response(204)
        self.end_headers()

server = http.server.ThreadingHTTPServer(("127.0.0.1", 8000), functools.partial(Handler, directory=sys.argv[1]))
print("serving", flush=True)
server.serve_forever()
PY
server=$!
trap 'kill $server; rm -rf "$work"' EXIT
await serving "$work/server"

# ---- the example of --help, word for word --------------------------------------------------------------------
mkdir -p "$work/place/build/x86_64" "$work/bin"
ln -s "$rootfs" "$work/place/build/x86_64/rootfs"
ln -s "$cradle" "$work/bin/cradle"
"$cradle" run --help | sed -n '/^Examples:/,$p' | grep -F -- "--net" > "$work/example"
(cd "$work/place" && PATH=$work/bin:$PATH bash "$work/example" > "$work/out" 2> "$work/err")
code=$?
[ "$(wc -l < "$work/example")" = 1 ] || code="$code, not one example"
same "example: the host's server, every byte" "$work/out" "$work/www/index.html"

# ---- user: what the container sees ---------------------------------------------------------------------------
# Its image has a resolv.conf that leads nowhere, as many have.
cp -a "$rootfs" "$work/rootfs"
ln -sf ../run/resolvconf/resolv.conf "$work/rootfs/etc/resolv.conf"
# The kernel's link watch sees a carrier at most once a second (net/core/link_watch.c): right after the boot the
# link carries already, but its operational state, which is what ip shows, is still down. So that is awaited.
cat > "$work/script" <<'SCRIPT'
for i in $(seq 600); do [ "$(cat /sys/class/net/eth0/operstate)" = up ] && break; sleep 0.1; done
ip -o link | sed 's/^[0-9]*: //; s/@.*//; s/ qdisc.*ether / /; s/ qdisc.*//; s/ brd.*//'
ip -o -4 addr | sed 's/^[0-9]*: //; s/  */ /g; s/\\.*//'
ip route
sed 's/  *$//' /proc/net/route
cat /etc/resolv.conf
echo "options ndots:1" >> /etc/resolv.conf && tail -n 1 /etc/resolv.conf
wget -qO- http://10.0.2.2:8000/ | md5sum
seq 100000 > /tmp/numbers # text: busybox sends up to the first NUL
wget -qO- --post-file /tmp/numbers http://10.0.2.2:8000/ && echo posted
ping -c 1 -W 5 10.0.2.2 | grep -c '1 packets received'
SCRIPT
cat > "$work/expected" <<EXPECTED
lo: <LOOPBACK,UP,LOWER_UP> mtu 65536
eth0: <BROADCAST,MULTICAST,UP,LOWER_UP> mtu 1500 52:54:00:c8:ad:1e
lo inet 127.0.0.1/8 scope host lo
eth0 inet 10.0.2.15/24 brd 10.0.2.255 scope global eth0
default via 10.0.2.2 dev eth0
10.0.2.0/24 dev eth0 scope link  src 10.0.2.15
Iface	Destination	Gateway 	Flags	RefCnt	Use	Metric	Mask		MTU	Window	IRTT
eth0	00000000	0202000A	0003	0	0	0	00000000	0	0	0
eth0	0002000A	00000000	0001	0	0	0	00FFFFFF	0	0	0
nameserver 10.0.2.3
options ndots:1
$(md5sum < "$work/www/index.html")
posted
1
EXPECTED
run --net user --rootfs "$work/rootfs" -- /bin/sh -c "$(cat "$work/script")"
sed -i 's/ *$//' "$work/out"
same "--net user: links, addresses, routes, names, bytes both ways" "$work/out" "$work/expected"
seq 100000 | cmp -s - "$work/www/posted" || code="$code, other bytes"
expect "--net user: what was sent arrived, every byte" 0

# ---- none ------------------------------------------------------------------------------------------------------
run_it -- /bin/sh -c 'ip -o link | sed "s/^[0-9]*: //; s/ mtu.*//"; ping -c 1 -W 5 127.0.0.1 | grep -c "1 packets received"
	ip route; grep resolv.conf /proc/mounts; ping -c 1 -W 1 10.0.2.2 2>&1 | sed -n "s/^ping: .*: //p"'
expect_out "none is the default: the loopback alone, and up" 0 "lo: <LOOPBACK,UP,LOWER_UP>
1
Network is unreachable"

# ---- what is refused --------------------------------------------------------------------------------------------
run_it --net usr -- true
expect "another network is refused, with the nearest" 125 "--net 'usr' is not none or user; did you mean 'user'?"
mkdir "$work/bundle"
(cd "$work/bundle" && crun spec --rootless) > "$work/out" 2>&1
cp -a "$rootfs" "$work/bundle/rootfs"
run --net user --bundle "$work/bundle" -- true
expect "a user namespace has a network of its own: refused together with --net user" 125 "--net user: the bundle's user namespace"

# ---- a bundle ------------------------------------------------------------------------------------------------------
rm "$work/bundle/config.json"
(cd "$work/bundle" && crun spec) > "$work/out" 2>&1
/usr/bin/python3 - "$work/bundle/config.json" <<'PY'
import json, sys
c = json.load(open(sys.argv[1]))
c["process"]["terminal"] = False
c["root"]["readonly"] = False
c["mounts"].append({"destination": "/etc/resolv.conf", "type": "bind", "source": "/etc/resolv.conf", "options": ["bind"]})
json.dump(c, open(sys.argv[1], "w"))
PY
run --net user --bundle "$work/bundle" -- /bin/sh -c 'cat /etc/resolv.conf; wget -qO- http://10.0.2.2:8000/ | md5sum'
expect_out "a bundle: the VM's network, and the VM's resolv.conf in the place of the host's" 0 \
	"nameserver 10.0.2.3
$(md5sum < "$work/www/index.html")" "/etc/resolv.conf is left out"

# ---- the agent's calls on a real device and an older kernel, through a VM that is held ------------------------------
mkfifo "$work/hold"
"$cradle" run "${accel[@]}" --name "run-test-$$-$n" --hold --net user --listen "$work/vm.sock" < "$work/hold" > "$work/out" 2> "$work/err" &
pid=$!
exec 9> "$work/hold"
await ready "$work/out"
call() { "$cradle" call "hvsock://$work/vm.sock:1024" "grpc.AgentService/$1" "$2" 2>&1; }
interfaces() { call ListInterfaces '{}' | jq -r '.Interfaces[] | [.name, .hwAddr, .mtu, (.IPAddresses | map(.address) | join(" "))] | @tsv' 2>&1; }
{
	# renamed while it is up, which this kernel does not do; by the device's place; another MTU and address
	call UpdateInterface '{"interface": {"name": "wan", "devicePath": "10", "mtu": 1400, "IPAddresses": [{"address": "10.0.2.16", "mask": "24"}]}}' | jq -r .devicePath
	interfaces | sed 's/ fe80.*//'
	call UpdateRoutes '{"routes": {"Routes": [{"gateway": "10.0.2.2", "device": "wan", "source": "10.0.2.16", "mtu": 1300}]}}' |
		jq -r '.Routes[] | select(.family != "v6") | [.dest, .gateway, .device, .source, .mtu] | @tsv'
	call UpdateInterface '{"interface": {"name": "wan", "devicePath": "11"}}' | grep -o 'Timeout after 3000 ms'
	call UpdateInterface '{"interface": {"name": "wan", "hwAddr": "02:00:00:00:00:01"}}' | grep -o 'Link not found'
} > "$work/seen" 2>&1
exec 9>&-
finish
mv "$work/seen" "$work/out"
expect_out "the calls on a real device: renamed, measured, routed" 0 "$(printf '%s\n' 10 \
	"lo@00:00:00:00:00:00@65536@127.0.0.1 ::1" "wan@52:54:00:C8:AD:1E@1400@10.0.2.15 10.0.2.16" \
	"0.0.0.0/0@10.0.2.2@wan@10.0.2.16@1300" "10.0.2.0/24@@wan@10.0.2.15@0" "Timeout after 3000 ms" "Link not found" | tr @ '\t')"

echo "1..$n"
exit $failed
