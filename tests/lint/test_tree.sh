#!/bin/bash
# TAP: the layers of the tree, and what the agent's binary may be: static, stripped, within its size, with
# nothing outside libc.a that refers to dlopen or NSS (link map).   test_tree.sh BUILD_FOLDER
set -u
build=${1:?usage: test_tree.sh BUILD_FOLDER}
agent=$build/cradle-agent
n=0
check() {
	local name=$1 output
	shift
	n=$((n + 1))
	if output=$("$@" 2>&1); then
		echo "ok $n - $name"
	else
		echo "not ok $n - $name"
		printf '%s\n' "$output" | sed 's/^/# /'
	fi
}
is_static() { ! readelf -lW "$agent" | grep -E 'INTERP|DYNAMIC'; }
is_stripped() { ! readelf -SW "$agent" | grep -E '\.symtab|\.debug'; }
is_small() {
	stat -c '%s bytes of at most 1500000' "$agent"
	[ "$(stat -c %s "$agent")" -le 1500000 ]
}
check "layers, banned calls, link map" tests/check-layers.sh --map "$agent.debug.map"
check "the agent is static" is_static
check "the agent is stripped" is_stripped
check "the agent is at most 1.5 MB" is_small
echo "1..$n"
