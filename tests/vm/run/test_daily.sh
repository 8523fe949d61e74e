#!/bin/bash
# Tests what `cradle run` has for every day, with the real QEMU: --timing, signals, --timeout.
# Arguments: kernel, initrd, root file system.
set -u
. "$(dirname "$0")/lib.sh"

# ---- timing -----------------------------------------------------------------------------------------------
stages="image ready
VM started
kernel handed over
agent answered
container created
container started
container exited
VM gone"
run_it --timing -- true
sed -n 's/^cradle: timing: *[0-9.]* ms *+[0-9.]* ms  //p' "$work/err" > "$work/out"
expect_out "--timing: every stage, in order" 0 "$stages"

run_it --timing --json -- sh -c 'exit 3'
/usr/bin/python3 - "$work/err" > "$work/out" 2>&1 <<'PY'
import json, sys
lines = [json.loads(line) for line in open(sys.argv[1]) if line.startswith("{")]
assert abs(sum(line["took_ms"] for line in lines) - lines[-1]["at_ms"]) < 0.1, lines
for line in lines:
    print(line["stage"])
PY
expect_out "--timing --json: the same as JSON objects, whose times add up" 3 "$stages"

run_it --timing --qemu /nonexistent/qemu -- true
sed -n 's/^cradle: timing: *[0-9.]* ms *+[0-9.]* ms  //p' "$work/err" > "$work/out"
expect_out "--timing of a run that fails ends where it failed" 125 "image ready
VM started
VM gone"

echo "1..$n"
exit $failed
