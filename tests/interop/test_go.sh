#!/bin/bash
# Our ttrpc against containerd's Go implementation, both directions, and the agent with the Go client;
# TAP on stdout.
#   tests/interop/test_go.sh [FOLDER of echo_server and echo_client [AGENT]]
# Needs user namespaces (the agent runs in one of its own, with an empty /run), and Debian's golang-go and golang-github-containerd-ttrpc-dev: without them this fails.
set -u
cd "$(dirname "$0")/../.."
bins=${1:-build/host/tests/interop}
agent=${2:-build/$(uname -m)/cradle-agent}
go=${GO:-/usr/lib/go/bin/go}
gopath=/usr/share/gocode
count=0 failed=0
scratch=$(mktemp -d) || exit 1
trap 'rm -rf "$scratch"' EXIT

result() { # ok|"not ok" NAME
	count=$((count + 1))
	[ "$1" = ok ] || failed=$((failed + 1))
	echo "$1 $count - $2"
}

finish() {
	echo "1..$count"
	exit $((failed > 0))
}

# Numbers the "ok - name" lines of a program; its own end is a test too.
run() { # NAME PROGRAM ARGS...
	local name=$1 line status
	shift
	timeout 120 "$@" > "$scratch/out" 2> "$scratch/err"
	status=$?
	while IFS= read -r line; do
		case $line in
		"ok - "*) result ok "${line#ok - }" ;;
		"not ok - "*) result "not ok" "${line#not ok - }" ;;
		*) echo "$line" ;;
		esac
	done < "$scratch/out"
	[ $status = 0 ] && result ok "$name ends well" || result "not ok" "$name ends with $status"
	sed 's/^/# /' "$scratch/err"
}

# A server as a coprocess: it ends when its standard input is closed.
with_server() { # NAME PROGRAM ARGS... -- CLIENT-NAME CLIENT ARGS...
	local name=$1 server=() line=
	shift
	while [ "$1" != -- ]; do
		server+=("$1")
		shift
	done
	shift
	coproc SERVER { exec "${server[@]}" 2> "$scratch/server-err"; }
	local pid=$SERVER_PID out=${SERVER[0]} in=${SERVER[1]} status
	read -r -t 20 line <&"$out"
	if [ "$line" != listening ]; then
		result "not ok" "$name starts"
		sed 's/^/# /' "$scratch/server-err"
		kill "$pid" 2> /dev/null
		wait "$pid"
		return
	fi
	run "$@"
	exec {in}>&-
	wait "$pid"
	status=$?
	[ $status = 0 ] && result ok "$name ends well" || result "not ok" "$name ends with $status"
	sed 's/^/# /' "$scratch/server-err"
}

# The agent with the manners of the other servers here: says "listening", ends with its input.
serve_agent() { # SOCKET
	local pid i
	# shellcheck disable=SC2016 # expanded by the inner shell
	unshare --user --map-root-user --mount bash -c \
		'mount -t tmpfs tmpfs /run && exec "$0" --server-addr "unix://$1"' "$agent" "$1" 1>&2 &
	pid=$!
	for ((i = 0; i < 200; i++)); do
		[ ! -S "$1" ] || break
		kill -0 $pid || return 1
		sleep 0.05
	done
	echo listening
	cat > /dev/null
	kill -TERM $pid
	wait $pid
}
[ "${1:-}" != --serve-agent ] || { agent=$2; serve_agent "$3"; exit; }

echo "TAP version 13"
if [ ! -x "$go" ]; then
	result "not ok" "Go compiler $go is missing (Debian package golang-go)"
	finish
fi
if [ ! -d $gopath/src/github.com/containerd/ttrpc ]; then
	result "not ok" "$gopath has no containerd/ttrpc (Debian package golang-github-containerd-ttrpc-dev)"
	finish
fi
mkdir -p build/go-cache "$bins"
if ! GO111MODULE=off GOPATH=$gopath GOFLAGS='' GOCACHE="$PWD/build/go-cache" CGO_ENABLED=0 \
	"$go" build -o "$bins/go_peer" tests/interop/go_peer.go 2> "$scratch/err"; then
	result "not ok" "go_peer.go compiles"
	sed 's/^/# /' "$scratch/err"
	finish
fi
result ok "go_peer.go compiles"
with_server "our server" "$bins/echo_server" "unix://$scratch/c.sock" -- \
	"Go client" "$bins/go_peer" client "unix://$scratch/c.sock"
with_server "Go server" "$bins/go_peer" server "unix://$scratch/go.sock" -- \
	"our client" "$bins/echo_client" "unix://$scratch/go.sock"
with_server "the agent" tests/interop/test_go.sh --serve-agent "$agent" "$scratch/agent.sock" -- \
	"Go client of the agent" "$bins/go_peer" agent "unix://$scratch/agent.sock"
finish
