#!/usr/bin/python3
"""A guest whose memory changes while it runs: virtio-mem, a balloon, a DIMM. Two boots.

Arguments: cradle, kernel, initrd (with virtio_mem and virtio_balloon), root file system. QEMU is
started by way of a script that adds the devices: cradle's own launcher makes none. TAP on standard
output.
"""
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time

CRADLE, KERNEL, INITRD, ROOTFS = map(os.path.abspath, sys.argv[1:5])
DEADLINE = 90  # seconds for anything that is awaited
MIB = 1 << 20
BLOCK = 128 * MIB  # a memory block of an x86 guest of this size
failed = False
count = 0


def verdict(name, problem=""):
    global failed, count
    count += 1
    failed = failed or bool(problem)
    print(f"{'not ' if problem else ''}ok {count} - {name}", flush=True)
    for line in str(problem).splitlines():
        print(f"# {line}", flush=True)


class Qmp:
    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.connect(path)
        self.file = self.socket.makefile("rw")
        self.file.readline()
        self("qmp_capabilities")

    def __call__(self, name, **arguments):
        self.file.write(json.dumps({"execute": name, "arguments": arguments}) + "\n")
        self.file.flush()
        while True:
            answer = json.loads(self.file.readline())
            if "error" in answer:
                raise RuntimeError(f"{name}: {answer['error']['desc']}")
            if "return" in answer:
                return answer["return"]

    def request(self, size):
        self("qom-set", path="/machine/peripheral/vmem0", property="requested-size", value=size)


class Guest:
    def __init__(self, folder, devices=""):
        wrapper = os.path.join(folder, "qemu")
        self.address = f"hvsock://{folder}/vm.sock:1024"
        with open(wrapper, "w") as out:
            out.write(f"""#!/bin/sh
case $* in *-kernel*) ;; *) exec qemu-system-x86_64 "$@";; esac
exec qemu-system-x86_64 "$@" -m slots=4,maxmem=2G -qmp unix:{folder}/qmp,server=on,wait=off {devices}
""")
        os.chmod(wrapper, 0o755)
        self.process = subprocess.Popen(
            [CRADLE, "run", "--hold", "--listen", f"{folder}/vm.sock", "--accel", "tcg", "--qemu",
             wrapper, "--kernel", KERNEL, "--initrd", INITRD, "--rootfs", ROOTFS, "--memory", "128M",
             "--append", "memhp_default_state=online cradle.skip_modules="],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=open(f"{folder}/log", "w"), text=True)
        self.folder = folder

    def await_ready(self):
        folder = self.folder
        line = self.process.stdout.readline()
        if not line.startswith("ready "):
            raise RuntimeError(f"the VM did not get ready: {open(f'{folder}/log').read()}")
        self.qmp = Qmp(f"{folder}/qmp")

    def memory(self):
        """The guest's figures: all of them, a figure that is not sent being 0."""
        answer = subprocess.run([CRADLE, "call", self.address, "cradle.Memory/GetMemoryState"],
                                stdout=subprocess.PIPE, check=True, text=True, timeout=DEADLINE)
        guest = json.loads(answer.stdout)["guest"]
        return Figures({name: int(value) for name, value in guest.items()
                        if name != "pressure"})

    def await_memory(self, what, *conditions):
        """Figures for which every condition holds, and what then has to hold of any guest."""
        end = time.monotonic() + DEADLINE
        while True:
            g = self.memory()
            if all(condition(g) for condition in conditions):
                return g
            if time.monotonic() > end:
                raise RuntimeError(f"{what}: {g}")
            time.sleep(0.2)

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(DEADLINE)


class Figures(dict):
    def __missing__(self, name):
        return 0

    def __getattr__(self, name):
        return self[name]


def check(g):
    """Adds up, and the limit of all containers is what there is."""
    lines = ("kernel_reserved kernel_slab kernel_stack kernel_page_table kernel_percpu "
             "kernel_vmalloc agent other_process page_cache container huge_page free unexplained "
             "balloon")
    total = sum(g[f"{line}_bytes"] for line in lines.split())
    if total != g.vm_bytes:
        return f"the lines make {total}: {g}"
    bar = max(3 * MIB, g.vm_bytes // 100)
    print(f"# VM {g.vm_bytes >> 20} MiB, online {g.online_bytes >> 20}, asked for "
          f"{g.requested_bytes >> 20}, balloon {g.balloon_bytes >> 20}, for containers "
          f"{g.available_bytes >> 20}; unexplained {g.unexplained_bytes >> 10} KiB of {bar >> 10}",
          flush=True)
    if abs(g.unexplained_bytes) > bar:
        return f"unexplained: {g}"
    if g.containers_limit_bytes != g.available_bytes or g.block_bytes != BLOCK:
        return str(g)
    return ""


def settled(g):
    return g.containers_limit_bytes == g.available_bytes


def followed(before, by):
    """The agent has looked since: the VM's size is read anew at each call, these two are not."""
    return lambda g: (g.vm_bytes == before.vm_bytes + by and g.requested_bytes in (0, g.vm_bytes)
                      and abs(g.available_bytes - before.available_bytes - by) <= 64 * 1024)


def changes(before, g, vm=0, available=0, blocks=0):
    problem = check(g)
    wrong = (g.vm_bytes - before.vm_bytes != vm or g.blocks_online - before.blocks_online != blocks
             or abs(g.available_bytes - before.available_bytes - available) > 64 * 1024)
    return problem or (f"want {vm} {available} {blocks} more than {before}: {g}" if wrong else "")


def test_devices(guest):
    qmp = guest.qmp
    boot = guest.await_memory("after boot", settled, lambda g: g.requested_bytes)
    verdict("a guest as booted: what is asked for, plugged and in use are one",
            check(boot) or (str(boot) if boot.requested_bytes != boot.vm_bytes
                            or boot.online_bytes != boot.vm_bytes or boot.blocks_offline else ""))

    # first: nothing else has made the agent look again yet
    full = qmp("query-balloon")["actual"]
    qmp("balloon", value=full - 48 * MIB)
    more = guest.await_memory("the balloon", settled, lambda b: b.balloon_bytes == 48 * MIB)
    verdict("a balloon: lent to the host, a line of the sum, not promised to anybody",
            changes(boot, more, 0, -48 * MIB))
    qmp("balloon", value=full)
    more = guest.await_memory("no balloon", settled, lambda b: b.balloon_bytes == 0)
    verdict("the balloon is empty again", changes(boot, more))

    qmp.request(192 * MIB)
    g = guest.await_memory("192 MiB more", settled, followed(boot, 192 * MIB))
    verdict("virtio-mem: a block and a half more, and as much for containers",
            changes(boot, g, 192 * MIB, 192 * MIB, 2) or
            (str(g) if g.requested_bytes != g.vm_bytes else ""))

    qmp.request(64 * MIB)
    g = guest.await_memory("64 MiB stay", settled, followed(boot, 64 * MIB))
    verdict("virtio-mem takes back: less is promised, by that much",
            changes(boot, g, 64 * MIB, 64 * MIB, g.blocks_online - boot.blocks_online) or
            (str(g) if g.requested_bytes != g.vm_bytes else ""))

def test_dimm(guest):
    """Nothing but uevents: without a balloon and virtio-mem the agent has no tick."""
    qmp = guest.qmp
    before = guest.await_memory("after boot", settled)
    qmp("object-add", **{"qom-type": "memory-backend-memfd", "id": "stick", "size": BLOCK,
                         "share": True})
    qmp("device_add", driver="pc-dimm", id="dimm0", memdev="stick")
    more = guest.await_memory("a DIMM", settled, followed(before, BLOCK),
                              lambda g: g.blocks_online == before.blocks_online + 1)
    verdict("a DIMM: told by its memory block alone",
            changes(before, more, BLOCK, BLOCK, 1) or
            (str(more) if more.requested_bytes or more.balloon_bytes else ""))


def run(test, devices=""):
    with tempfile.TemporaryDirectory(prefix="cradle-hotplug-") as work:
        guest = Guest(work, devices)
        try:
            guest.await_ready()
            test(guest)
        except Exception as error:  # whatever it is, the VM is stopped and the reason told
            verdict("the guest's size is followed", repr(error))
        finally:
            code = guest.stop()
        verdict("the VM ends", f"exit code {code}" if code else "")
        if failed:
            print("".join(f"# {line}" for line in open(f"{work}/log").readlines()[-30:]))


run(test_devices, "-object memory-backend-memfd,id=vmem,size=512M,share=on "
    "-device virtio-mem-pci,id=vmem0,memdev=vmem,requested-size=0 "
    "-device virtio-balloon-pci,id=balloon0")
run(test_dimm)
print(f"1..{count}")
sys.exit(failed)
