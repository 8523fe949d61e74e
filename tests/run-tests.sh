#!/bin/bash
# Runs test programs, each its own process with a time limit, and counts what their TAP says.
#
#   run-tests.sh --results FILE [--timeout SECONDS] [--list FILE] [COMMAND...]
#	Runs each COMMAND (a shell word list; "@300 COMMAND" has a limit of its own), and those of the
#	list (one a line, # for comments). One line a program, the full output of failing ones. Appends
#	"passed failed command" to the results. Exit code 0: how it went is told by --sum.
#   run-tests.sh --sum FILE...
#	Prints "N passed, N failed" as the last line; exit code 1 when something failed, or nothing ran.
#
# A crash, a time-out, a missing or unmet plan, a report of a sanitizer, and an exit code that no
# "not ok" line explains are one failure each. A skipped test is a failure: what it needs must be there.
set -u

usage() {
	sed -n '2,/^set/s/^# \{0,1\}//p' "$0" >&2
	exit 2
}

results='' limit=60 sum='' list=''
while [ $# -gt 0 ]; do
	case $1 in
	--results) results=${2:?}; shift 2 ;;
	--timeout) limit=${2:?}; shift 2 ;;
	--list) list=${2:?}; shift 2 ;;
	--sum) sum=1; shift; break ;;
	-*) usage ;;
	*) break ;;
	esac
done

if [ -n "$sum" ]; then
	[ $# -gt 0 ] || usage
	for file; do
		[ -s "$file" ] || { echo "no results in $file"; missing=1; }
	done
	cat -- "$@" 2> /dev/null | awk -v missing="${missing:-0}" '
		$2 > 0 { name = $0; sub(/^[0-9]+ [0-9]+ /, "", name); print "failed: " name }
		{ passed += $1; failed += $2 }
		END {
			failed += missing
			printf "%d passed, %d failed\n", passed, failed
			exit failed > 0 || passed == 0
		}'
	exit
fi
[ -n "$results" ] || usage

export CMOCKA_MESSAGE_OUTPUT=TAP
export ASAN_OPTIONS=${ASAN_OPTIONS:-allocator_may_return_null=1}
export UBSAN_OPTIONS=${UBSAN_OPTIONS:-print_stacktrace=1}
work=$(mktemp -d /tmp/tests.XXXXXX) || exit 2
chmod 711 "$work" # a test that becomes another user must reach its own scratch folder
trap 'rm -rf "$work"' EXIT
mkdir -p "$(dirname "$results")"

# Why the output (file $1, exit code $2) is a failure beyond its "not ok" lines; nothing when it is not.
verdict() {
	local output=$1 code=$2 failures=$3 ran=$4 plan
	case $code in
	124 | 137) echo "no end within its time"; return ;;
	esac
	plan=$(sed -n 's/^1\.\.\([0-9]*\).*/\1/p' "$output" | tail -n 1)
	if grep -aqE 'ERROR: (Address|Leak)Sanitizer|runtime error: ' "$output"; then
		echo "report of a sanitizer"
	elif [ -z "$plan" ]; then
		echo "no plan, exit code $code"
	elif [ "$plan" -ne "$ran" ]; then
		echo "$ran of $plan tests ran, exit code $code"
	elif [ "$ran" -eq 0 ]; then
		echo "no tests"
	elif [ "$code" -ne 0 ] && [ "$failures" -eq 0 ]; then
		echo "exit code $code"
	fi
}

run_one() {
	local command=$1 seconds=$limit output=$work/output code passed failures skipped reason start took
	if [[ $command =~ ^@([0-9]+)\ +(.*)$ ]]; then
		seconds=${BASH_REMATCH[1]} command=${BASH_REMATCH[2]}
	fi
	mkdir "$work/tmp"
	start=${EPOCHREALTIME/[.,]/}
	# Output goes to a file and not a pipe: something left running must not hold us up.
	TMPDIR=$work/tmp timeout --kill-after=5 "$seconds" bash -c "$command" > "$output" 2>&1 < /dev/null
	code=$?
	took=$(((${EPOCHREALTIME/[.,]/} - start) / 1000))
	rm -rf "$work/tmp"
	skipped=$(grep -aciE '^ok\b.*# *skip' "$output")
	passed=$(($(grep -acE '^ok\b' "$output") - skipped))
	failures=$(($(grep -acE '^not ok\b' "$output") + skipped))
	reason=$(verdict "$output" "$code" "$failures" $((passed + failures)))
	[ -z "$reason" ] || failures=$((failures + 1))
	echo "$passed $failures $command" >> "$results"
	if [ "$failures" -eq 0 ]; then
		printf '  ok      %s: %d passed, %d.%03d s\n' "${command#build/}" "$passed" $((took / 1000)) $((took % 1000))
		return
	fi
	printf '  FAILED  %s: %d passed, %d failed%s\n' "${command#build/}" "$passed" "$failures" "${reason:+ ($reason)}"
	sed 's/^/          | /' "$output"
}

if [ -n "$list" ]; then
	while IFS= read -r line; do
		case $line in '' | '#'*) continue ;; esac
		run_one "$line"
	done < "$list"
fi
for command; do
	run_one "$command"
done
exit 0
