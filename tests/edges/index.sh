#!/bin/bash
# The sharp edges of today's agent (cNN: containers, gNN: guest; numbers of our reference sheets) against our
# tests. An edge counts as tested when a test is named after it (test_c12_...) or a comment in tests/ names it;
# every other one must stand in elsewhere.txt with its reason. Prints the index; --check speaks TAP and fails on
# a number that is in neither, in both, or unknown.
# And the table of the ten regressions that hurt most, tests/edges/regressions.txt: its tests are there.
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

# Tests that the table of regressions names and that are not there.
missing_regressions() {
	sed -n 's/^[^#]*: //p' tests/edges/regressions.txt | tr ';' '\n' | while read -r file test; do
		grep -qs "^static void $test(" "$file" && grep -qsE "(unit_test|TEST|WITH_LOOP)[a-z_]*\\($test[,)]" "$file" ||
			echo "$file has no $test"
	done
	[ "$(grep -c '^[^#].*: tests/' tests/edges/regressions.txt)" = 10 ] || echo "they are not ten"
}

found=$(mentions)
if [ "${1:-}" != --check ]; then
	index
	exit
fi
bad=$(index | grep ' BAD: ')
missing=$(missing_regressions)
echo 1..2
if [ -n "$bad" ]; then
	echo "not ok 1 - every sharp edge is tested, or listed with its reason"
	sed 's/^/# /' <<< "$bad"
else
	echo "ok 1 - every sharp edge is tested, or listed with its reason"
fi
if [ -n "$missing" ]; then
	echo "not ok 2 - each of the ten regressions has its tests (tests/edges/regressions.txt)"
	sed 's/^/# /' <<< "$missing"
else
	echo "ok 2 - each of the ten regressions has its tests (tests/edges/regressions.txt)"
fi
[ -z "$bad$missing" ]
