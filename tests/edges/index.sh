#!/bin/bash
# The sharp edges of today's agent (cNN: containers, gNN: guest; numbers of our reference sheets) against our
# tests. An edge counts as tested when a test is named after it (test_c12_...) or a comment in tests/ names it;
# every other one must stand in elsewhere.txt with its reason. Prints the index; --check speaks TAP and fails on
# a number that is in neither, in both, or unknown.
# usage: tests/edges/index.sh [--check]
set -u
cd "$(dirname "$0")/../.." || exit 1
list=tests/edges/elsewhere.txt
containers=60 guest=31

# "FILE NUMBER" for each mention: in a test's name, or in a comment (after //, /*, a line's leading " *", or #).
mentions() {
	grep -rE --include='*.[ch]' --include='*.sh' "test_[cg][0-9]+_|(//|/\*|^\s*\*|^\s*#).*\<[cg][0-9]+\>" tests |
		grep -v '^tests/edges/' | while IFS=: read -r file text; do
		grep -oE '\<[cg][0-9]+\>|test_[cg][0-9]+_' <<< "$text" | sed 's/^test_//; s/_$//' | sed "s|^|$file |"
	done | sort -u
}

index() {
	local edge files reason
	for edge in $(seq -f 'c%g' $containers) $(seq -f 'g%g' $guest); do
		files=$(awk -v edge="$edge" '$2 == edge { printf "%s ", $1 }' <<< "$found")
		reason=$(sed -n "s/^$edge: *//p" $list)
		if [ -n "$files" ] && [ -n "$reason" ]; then
			echo "$edge BAD: in $list, and named by $files"
		elif [ -n "$files" ]; then
			echo "$edge tested: $files"
		elif [ -n "$reason" ]; then
			echo "$edge $reason"
		else
			echo "$edge BAD: no test names it, and it is not in $list"
		fi
	done
	grep -vE '^(#|$|c([1-9]|[1-5][0-9]|60): .|g([1-9]|[12][0-9]|3[01]): .)' $list | sed 's/^/? BAD: not an edge: /'
}

found=$(mentions)
if [ "${1:-}" != --check ]; then
	index
	exit
fi
bad=$(index | grep ' BAD: ')
echo 1..1
if [ -n "$bad" ]; then
	echo "not ok 1 - every sharp edge is tested, or listed with its reason"
	sed 's/^/# /' <<< "$bad"
	exit 1
fi
echo "ok 1 - every sharp edge is tested, or listed with its reason"
