#!/bin/bash
# Tests tests/run-tests.sh: what counts as passed, and every way in which a program can fail.
set -u
top=$(cd "$(dirname "$0")/../.." && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
n=0 failed=0

# case_of NAME PASSED FAILED TEXT COMMAND: the counts of one program, and a text that must be said.
case_of() {
	local name=$1 passed=$2 failures=$3 text=$4 command=$5 got
	n=$((n + 1))
	rm -f "$work/results"
	"$top/tests/run-tests.sh" --timeout 1 --results "$work/results" "$command" > "$work/out" 2>&1
	got=$(cut -d' ' -f1,2 "$work/results")
	if [ "$got" = "$passed $failures" ] && grep -qF -- "$text" "$work/out"; then
		echo "ok $n - $name"
		return
	fi
	echo "not ok $n - $name"
	echo "# counted '$got', not '$passed $failures'; said:"
	sed 's/^/# /' "$work/out"
	failed=1
}
sum_of() { # NAME EXIT LAST-LINE, results on standard input
	local name=$1 code=$2 line=$3 out got
	n=$((n + 1))
	cat > "$work/sum"
	out=$("$top/tests/run-tests.sh" --sum "$work/sum")
	got=$?
	if [ "$got" = "$code" ] && [ "$(tail -n 1 <<< "$out")" = "$line" ]; then
		echo "ok $n - $name"
		return
	fi
	echo "not ok $n - $name"
	echo "# exit code $got, last line of: $out"
	failed=1
}

case_of "all passed" 2 0 "2 passed" 'printf "1..2\nok 1 - a\nok 2 - b\n"'
case_of "plan at the end" 1 0 "1 passed" 'printf "ok 1 - a\n1..1\n"'
case_of "one not ok" 1 1 "why it is" 'printf "1..2\nok 1 - a\n# why it is\nnot ok 2 - b\n"; exit 1'
case_of "exit code alone" 1 1 "exit code 3" 'printf "1..1\nok 1 - a\n"; exit 3'
case_of "crash half way" 1 1 "1 of 2 tests ran" 'printf "1..2\nok 1 - a\n"; kill -SEGV $$'
case_of "no plan" 1 1 "no plan" 'printf "ok 1 - a\n"'
case_of "nothing at all" 0 1 "no plan" 'true'
case_of "no such program" 0 1 "no plan" '/no/such/program'
case_of "empty plan" 0 1 "no tests" 'echo "1..0 # skip all"'
case_of "skip is a failure" 1 1 "1 failed" 'printf "1..2\nok 1 - a\nok 2 - b # SKIP no kvm\n"'
case_of "time-out" 0 1 "no end within its time" 'sleep 20'
case_of "time-out, deaf to SIGTERM" 0 1 "no end within its time" '@1 trap "" TERM; while :; do sleep 1; done'
case_of "its own limit" 1 0 "1 passed" '@20 sleep 1.2; printf "1..1\nok 1 - a\n"'
case_of "sanitizer in a child" 1 1 "report of a sanitizer" 'printf "1..1\nok 1 - a\n"; echo "==7==ERROR: AddressSanitizer: x" >&2'
case_of "left running" 1 0 "1 passed" 'sleep 3 & printf "1..1\nok 1 - a\n"'
sum_of "sum" 0 "5 passed, 0 failed" <<< $'2 0 a\n3 0 b'
sum_of "sum with a failure" 1 "5 passed, 1 failed" <<< $'2 1 a b\n3 0 b'
sum_of "sum of nothing" 1 "0 passed, 1 failed" < /dev/null
echo "1..$n"
exit $failed
