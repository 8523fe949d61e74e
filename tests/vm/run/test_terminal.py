#!/usr/bin/python3
"""Tests `cradle run -t` over a real pseudo-terminal, with the real QEMU.

Arguments: cradle, kernel, initrd, root file system. TAP on standard output.
"""
import fcntl
import hashlib
import os
import pty
import re
import select
import signal
import struct
import subprocess
import sys
import tempfile
import termios
import time

CRADLE, KERNEL, INITRD, ROOTFS = map(os.path.abspath, sys.argv[1:5])
DEADLINE = 90  # seconds for anything that is awaited
failed = False
count = 0


def verdict(name, problem=""):
    global failed, count
    count += 1
    failed = failed or bool(problem)
    print(f"{'not ' if problem else ''}ok {count} - {name}", flush=True)
    for line in str(problem).splitlines():
        print(f"# {line}", flush=True)


class Run:
    """One cradle run on a terminal of its own."""

    def __init__(self, *args, rows=24, columns=100, shell=None, cwd=None):
        self.master, self.slave = pty.openpty()
        self.name = f"run-tty-{os.getpid()}-{count}"
        self.resize(rows, columns)
        self.before = termios.tcgetattr(self.slave)
        self.seen = b""
        env = dict(os.environ, CRADLE_KERNEL=KERNEL, CRADLE_INITRD=INITRD, TERM="vt100")
        self.process = subprocess.Popen(
            ["sh", "-c", shell] if shell else
            [CRADLE, "run", "--accel", "tcg", "--rootfs", ROOTFS, "--name", self.name, *args],
            cwd=cwd, stdin=self.slave, stdout=self.slave, stderr=self.slave, env=env,
            preexec_fn=self.own_terminal)

    def own_terminal(self):
        os.setsid()
        fcntl.ioctl(0, termios.TIOCSCTTY, 0)

    def resize(self, rows, columns):
        fcntl.ioctl(self.master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def read(self, timeout):
        if select.select([self.master], [], [], timeout)[0]:
            self.seen += os.read(self.master, 65536)

    def expect(self, pattern):
        """Awaits the pattern behind what was expected before; returns its match."""
        end = time.monotonic() + DEADLINE
        while time.monotonic() < end:
            match = re.search(pattern, self.seen, re.S)
            if match:
                self.seen = self.seen[match.end():]
                return match
            self.read(0.2)
        raise AssertionError(f"{pattern!r} was not seen, but {self.seen[-600:]!r}")

    def type(self, data):
        while data:
            readable, writable, _ = select.select([self.master], [self.master], [], DEADLINE)
            if readable:
                self.seen += os.read(self.master, 65536)
            if writable:
                data = data[os.write(self.master, data[:1024]):]

    def wait(self):
        """Its exit code; the output is read meanwhile."""
        end = time.monotonic() + DEADLINE
        while self.process.poll() is None and time.monotonic() < end:
            self.read(0.1)
        return self.process.poll()

    def modes_are(self, wanted, patience=5):
        end = time.monotonic() + patience
        while termios.tcgetattr(self.slave) != wanted and time.monotonic() < end:
            time.sleep(0.05)
        return termios.tcgetattr(self.slave) == wanted

    def left_behind(self):
        """Processes with our terminal or our name, once they had the time to go."""
        end = time.monotonic() + 5
        while time.monotonic() < end:
            found = []
            for pid in filter(str.isdigit, os.listdir("/proc")):
                try:
                    words = open(f"/proc/{pid}/cmdline", "rb").read()
                except OSError:
                    continue
                if self.name.encode() in words and int(pid) != self.process.pid:
                    found.append(pid + words[:40].decode(errors="replace"))
            if not found:
                return ""
            time.sleep(0.1)
        return f"left behind: {found}"

    def close(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        os.close(self.master)
        os.close(self.slave)


def case(function):
    try:
        verdict(function.__doc__, function())
    except Exception as problem:  # pylint: disable=broad-except
        verdict(function.__doc__, f"{type(problem).__name__}: {problem}")


def shell():
    """a shell: tty, size, resize, Ctrl-C, Ctrl-Z and job control, its exit code, modes as before"""
    run = Run("-t", "-e", "PS1=ready> ", "--", "sh")
    try:
        run.expect(rb"ready> ")
        if run.modes_are(run.before, 0):
            return "the terminal is not raw"
        run.type(b"tty; stty size; echo $TERM\r")
        run.expect(rb"/dev/pts/0\r\n24 100\r\nvt100\r\n")
        run.resize(40, 120)
        run.type(b"until [ \"$(stty size)\" = '40 120' ]; do sleep 0.1; done; echo resi''zed\r")
        run.expect(rb"resized\r\n")
        run.type(b"sleep 1000\r")
        run.expect(rb"sleep 1000\r\n")
        time.sleep(1)  # the shell makes it the foreground job: nothing tells when
        run.type(b"\x03")
        run.expect(rb"ready> ")
        run.type(b"echo code $?\r")
        run.expect(rb"code 130\r\n")
        run.type(b"sleep 1000\r")
        run.expect(rb"sleep 1000\r\n")
        time.sleep(1)
        run.type(b"\x1a")
        run.expect(rb"Stopped")
        run.type(b"fg\r")
        run.expect(rb"sleep 1000\r\n")
        time.sleep(1)
        run.type(b"\x03")
        run.expect(rb"ready> ")
        run.type(b"exit 3\r")
        if run.wait() != 3:
            return f"exit code {run.process.returncode}, seen {run.seen[-300:]!r}"
        if not run.modes_are(run.before, 0):
            return "the terminal is not as it was"
        return run.left_behind()
    finally:
        run.close()


def paste():
    """64 KiB pasted arrive byte for byte; ^D ends them"""
    text = b"".join(b"%062d\n" % i for i in range(1040))[:65536 - 1] + b"\n"
    run = Run("-t", "--", "sh", "-c", "stty -echo; echo go; md5sum")
    try:
        run.expect(rb"go\r\n")
        run.type(text)
        run.type(b"\x04")
        got = run.expect(rb"([0-9a-f]{32})  -\r\n").group(1).decode()
        if got != hashlib.md5(text).hexdigest():
            return f"md5 {got}"
        return "" if run.wait() == 0 else f"exit code {run.process.returncode}"
    finally:
        run.close()


def full_screen():
    """a full-screen program: keys arrive one by one, its drawing as it was sent"""
    run = Run("-t", "--", "vi", "/tmp/new")
    try:
        run.expect(rb"/tmp/new")
        run.type(b"ihello")
        run.expect(rb"hello|h.*e.*l.*l.*o")
        run.type(b"\x1b")
        time.sleep(1)  # a key of its own, not the beginning of one
        run.type(b":wq\r")
        if run.wait() != 0:
            return f"exit code {run.process.returncode}, seen {run.seen[-300:]!r}"
        return "" if run.modes_are(run.before, 0) else "the terminal is not as it was"
    finally:
        run.close()


def killed(number, code):
    def body():
        run = Run("-t", "--", "sh", "-c", "echo u''p; sleep 1000")
        try:
            run.expect(rb"up\r\n")
            if run.modes_are(run.before, 0):
                return "the terminal is not raw"
            run.process.send_signal(number)
            if run.wait() != code:
                return f"exit code {run.process.returncode}, seen {run.seen[-300:]!r}"
            if not run.modes_are(run.before):
                return "the terminal is not as it was"
            return run.left_behind()
        finally:
            run.close()
    body.__doc__ = f"cradle gets {signal.Signals(number).name}: the terminal is as it was, nothing stays"
    return body


def hang_up():
    """the terminal hangs up: the VM ends, though the container ignores it"""
    run = Run("-t", "--", "sh", "-c", "trap '' HUP; echo u''p; while :; do sleep 1; done")
    run.expect(rb"up\r\n")
    os.close(run.slave)
    os.close(run.master)
    code = run.process.wait(timeout=DEADLINE)
    return run.left_behind() or ("" if code == 129 else f"exit code {code}")


def interrupted_boot():
    """Ctrl-C while the VM boots ends the run"""
    run = Run("-t", "--timing", "--", "sh")
    try:
        run.expect(rb"VM started")
        run.type(b"\x03")
        if run.wait() != 130:
            return f"exit code {run.process.returncode}, seen {run.seen[-300:]!r}"
        return run.left_behind() or ("" if run.modes_are(run.before, 0) else "modes changed")
    finally:
        run.close()


def no_input():
    """-t without input: an interactive shell ends, though ^D came before it edits its lines"""
    env = dict(os.environ, CRADLE_KERNEL=KERNEL, CRADLE_INITRD=INITRD)
    run = subprocess.run(
        [CRADLE, "run", "--accel", "tcg", "--rootfs", ROOTFS, "-t", "--",
         "sh", "-c", "echo $PPID; sleep 2; exec sh"],
        stdin=subprocess.DEVNULL, capture_output=True, env=env, timeout=DEADLINE, check=False)
    return "" if run.returncode == 0 else f"exit code {run.returncode}, {run.stdout!r}"


def example():
    """the example of run --help with -t, word for word"""
    text = subprocess.run([CRADLE, "run", "--help"], capture_output=True, check=True).stdout.decode()
    lines = [line for line in text[text.index("Examples:"):].splitlines() if " -t " in line]
    with tempfile.TemporaryDirectory() as place:
        os.makedirs(f"{place}/build/x86_64")
        os.makedirs(f"{place}/bin")
        os.symlink(os.path.abspath(ROOTFS), f"{place}/build/x86_64/rootfs")
        os.symlink(os.path.abspath(CRADLE), f"{place}/bin/cradle")
        run = Run(shell=f"PATH={place}/bin:$PATH\n{lines[0]}", cwd=place)
        try:
            run.expect(rb"/ # ")
            run.type(b"exit 4\r")
            code = run.wait()
        finally:
            run.close()
    return "" if code == 4 and len(lines) == 1 else f"exit code {code}, {lines}, {run.seen[-300:]!r}"


for each in (no_input, example, shell, paste, full_screen, killed(signal.SIGTERM, 137), killed(signal.SIGKILL, -9),
             killed(signal.SIGSEGV, -11), hang_up, interrupted_boot):
    case(each)
print(f"1..{count}")
sys.exit(failed)
