#!/bin/bash
# Tests .ci/run with a Makefile that only pretends: what it runs, when there is no time, what its last line says.
set -u
top=$(cd "$(dirname "$0")/../.." && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
unset MAKEFLAGS MAKELEVEL MFLAGS CI_MINUTES BAD CODE TEST_ARCHES
n=0 failed=0

mkdir -p "$work/.ci" "$work/tests" "$work/build/x86_64/results"
cp "$top/.ci/run" "$work/.ci/run"
cp "$top/tests/run-tests.sh" "$work/tests/"
cat > "$work/Makefile" <<'MAKE'
test:
	@echo test >> did; mkdir -p build/x86_64/results; echo '7 $(or $(BAD),0) unit' > build/x86_64/results/unit; echo '7 passed, 0 failed'; exit $(or $(CODE),0)
test-arch:
	@echo $(TEST_ARCHES) >> did; mkdir -p build/$(TEST_ARCHES)/results; echo '5 0 arch' > build/$(TEST_ARCHES)/results/arch; echo '5 passed, 0 failed'
result-files:
	@echo build/x86_64/results/unit $(TEST_ARCHES:%=build/%/results/arch)
MAKE

# run EXPECTED-CODE EXPECTED-LAST-LINE EXPECTED-DID NAME [VARIABLE=...]
run() {
	local want=$1 line=$2 did=$3 name=$4 code
	shift 4
	rm -f "$work/did"
	env "$@" "$work/.ci/run" > "$work/out" 2> "$work/err"
	code=$?
	n=$((n + 1))
	if [ "$code|$(tail -n 1 "$work/out")|$(tr '\n' ' ' < "$work/did")" = "$want|$line|$did" ]; then
		echo "ok $n - $name"
		return
	fi
	failed=1
	echo "not ok $n - $name"
	echo "# exit code $code, did: $(tr '\n' ' ' < "$work/did")"
	tail -n 5 "$work/out" "$work/err" | sed 's/^/# /'
}
run 0 "17 passed, 0 failed" "test aarch64 ppc64le " "all of it, and the sum of all"
run 0 "7 passed, 0 failed" "test " "no time for the others" CI_MINUTES=5
n=$((n + 1))
grep -q '^aarch64: not run, ' "$work/out" && echo "ok $n - which is said" || { failed=1; echo "not ok $n - which is said"; }
run 1 "17 passed, 2 failed" "test aarch64 ppc64le " "a failed test" BAD=2
# Built nothing, so it has no results: those of the time before do not count.
run 1 "17 passed, 0 failed" "test aarch64 ppc64le " "a suite that broke is a failure without a failed test" CODE=1
sed -i 's/^test:$/&\n\t@exit 1/' "$work/Makefile"
run 1 "10 passed, 1 failed" "aarch64 ppc64le " "what was not run has no result of yesterday"
echo "1..$n"
exit $failed
