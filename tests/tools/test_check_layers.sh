#!/bin/bash
# Tests tests/check-layers.sh on small trees, each with one violation.
set -u
top=$(cd "$(dirname "$0")/../.." && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
n=0 failed=0

tree() { # a tree without a violation
	rm -rf "$work/tree"
	mkdir -p "$work"/tree/agent/{base,kernel,memory,sandbox,service,ttrpc} "$work"/tree/host-tools/run
	cd "$work/tree" || exit 2
	touch agent/base/fd.h agent/kernel/cgroup.h agent/memory/stats.h agent/sandbox/sandbox.h agent/ttrpc/frame.h \
		agent/hard_limits.h host-tools/nearest.h host-tools/run/run.h
	printf '#include "base/fd.h"\n\n#include <string.h>\n/* strcpy(a, b) */\nconst char *s = "gets(x)";\n' > agent/base/fd.c
	printf '#include "base/fd.h"\n#include "hard_limits.h"\n#include "agent.pb-c.h"\n' > agent/memory/stats.h
	printf '#include "memory/stats.h"\n#include "kernel/cgroup.h"\nint x = my_strcpy(1) + a->wait(2);\n' > agent/memory/stats.c
	printf '#include "run/run.h"\n#include "nearest.h"\n#include "ttrpc/frame.h"\nint y = fork();\n' > host-tools/run/run.c
}
check() { # check NAME TEXT: fails naming TEXT; no TEXT: passes
	local name=$1 text=$2 code
	shift 2
	n=$((n + 1))
	"$top/tests/check-layers.sh" --top "$work/tree" "$@" > "$work/out" 2>&1
	code=$?
	if [ -z "$text" ] && [ $code = 0 ]; then
		echo "ok $n - $name"
	elif [ -n "$text" ] && [ $code = 1 ] && [ "$(wc -l < "$work/out")" = 1 ] && grep -qF -- "$text" "$work/out"; then
		echo "ok $n - $name"
	else
		echo "not ok $n - $name"
		sed 's/^/# /' "$work/out"
		failed=1
	fi
}

tree
check "clean tree" ''
tree; echo '#include "memory/stats.h"' >> agent/kernel/cgroup.h
check "upward include" 'agent/kernel/cgroup.h: includes "memory/stats.h"'
tree; echo '#include "kernel/cgroup.h"' >> agent/service/x.c
check "layer skipped" 'agent/service/x.c: includes "kernel/cgroup.h"'
tree; echo '#include "agent.pb-c.h"' >> agent/base/fd.h
check "base knows no messages" 'agent/base/fd.h: includes "agent.pb-c.h"'
tree; echo '  #  include "../sandbox/sandbox.h"' >> agent/memory/stats.c
check "relative include" 'agent/memory/stats.c: includes "../sandbox/sandbox.h"'
tree; echo '#include "sandbox/sandbox.h"' >> host-tools/nearest.h
check "host reaches into the agent" 'host-tools/nearest.h: includes "sandbox/sandbox.h"'
tree; echo '#include "sandbox/sandbox.h"' >> agent/ttrpc/frame.h
check "ttrpc knows no method" 'agent/ttrpc/frame.h: includes'
tree; sed -i '1i #include <stdio.h>' agent/base/fd.c
check "own header first" 'agent/base/fd.c: includes "stdio.h" before its own header'
tree; echo 'void f(char *a) { if (!strcpy (a, "b")) return; }' >> agent/base/fd.c
check "banned everywhere" 'banned call: ' 
tree; echo 'void f(void) { getpwnam("root"); }' >> agent/memory/stats.c
check "banned in the agent" 'banned call: getpwnam'
tree; echo 'void f(void) { waitpid(1, 0, 0); }' >> agent/memory/stats.c
check "one waitid" 'banned call: waitpid'
tree
cat > "$work/map" <<'MAP'
Memory Configuration

Cross Reference Table

Symbol                                            File
dlopen                                            /usr/lib/libc.a(dlopen.o)
                                                  /usr/lib/libc.a(dl-libc.o)
getpid                                            /usr/lib/libc.a(getpid.o)
                                                  build/x86_64/libbase.a(log.o)
MAP
check "clean map" '' --map "$work/map"
sed -i '/^dlopen/a\                                                  /usr/lib/libfoo.a(x.o)' "$work/map"
check "somebody else wants dlopen" '/usr/lib/libfoo.a(x.o) refers to dlopen' --map "$work/map"
echo 'nothing here' > "$work/map"
check "map without a table" 'no cross reference table' --map "$work/map"
echo "1..$n"
exit $failed
