#!/bin/bash
# Tests many VMs started at once: each answers at its own address and is told its own, killing some leaves
# the others alone, and all of them stop at once. Arguments: kernel, initrd, root file system, how many.
set -u
. "$(dirname "$0")/lib.sh"
many=$4
names=$(seq -f "many-%.0f" "$many")
# Kilobytes of memory that a process alone has: shared pages counted by share.
pss() { awk '/^Pss:/ { print $2 }' "/proc/$1/smaps_rollup"; }

began=$(date +%s%N)
# Twice as many starts as names: every name is asked for twice, and one of the two must win.
for name in $names $names; do
	{ "$cradle" vm start --accel tcg --memory 32M --boot-timeout 600 "$name" >> "$work/$name.out" 2>> "$work/$name.err"; echo $? >> "$work/$name.code"; } &
	starters+=($!)
done
wait "${starters[@]}"
took=$((($(date +%s%N) - began) / 1000000))
problem=""
for name in $names; do
	[ "$(sort -n "$work/$name.code" | tr '\n' ' ')" = "0 125 " ] || problem+="$name: codes $(tr '\n' ' ' < "$work/$name.code") "
	[ "$(cat "$work/$name.out")" = "ready $name hvsock://$CRADLE_STATE/$name/agent.sock:1024" ] || problem+="$name: $(cat "$work/$name.out") "
	grep -q "there is a VM '$name' already" "$work/$name.err" || problem+="$name: $(tail -n 1 "$work/$name.err") "
done
verdict "$many VMs and as many rivals for their names: one start of each wins" "$problem"

problem=""
[ "$("$cradle" vm list --json | jq '[.[] | select(.state == "running")] | length')" = "$many" ] || problem="list: $("$cradle" vm list)"
for name in $names; do
	"$cradle" call "$name" CreateSandbox "{\"sandbox_id\": \"$name\", \"hostname\": \"$name\"}" > "$work/call" 2>&1 || problem+="$name: $(cat "$work/call") "
done
# Two names with one guest behind them would have refused the second sandbox.
for name in $names; do
	until_true grep -q 'agent is listening' "$CRADLE_STATE/$name/agent.log" > "$work/never" || problem+="$name: no log "
	[ "$("$cradle" vm log "$name" | grep -c 'agent is listening')" = 1 ] || problem+="$name: another's log "
done
[ "$(pgrep -fc -- "$CRADLE_STATE/many-.*/qmp.sock")" = "$many" ] || problem+="not $many QEMUs "
verdict "each answers at its own address" "$problem"

keepers=0 qemus=0
for name in $names; do
	keepers=$((keepers + $(pss "$(keeper "$name")"))) qemus=$((qemus + $(pss "$(qemu "$name")")))
done
echo "# $many VMs of 32M: all answer after $took ms; PSS a VM: keeper $((keepers / many)) KiB, QEMU with the guest $((qemus / many)) KiB"

# Every third loses its QEMU, every third its keeper.
problem="" i=0 living=""
for name in $names; do
	case $((i++ % 3)) in
	0) kill -KILL "$(qemu "$name")" ;;
	1) kill -KILL "$(keeper "$name")" ;;
	2) living+=" $name" ;;
	esac
done
until_true eval '[ "$("$cradle" vm list --json | jq "[.[] | select(.state == \"dead\")] | length")" = '$((many - $(wc -w <<< "$living")))' ]' > "$work/never" ||
	problem="$("$cradle" vm list) "
for name in $living; do
	"$cradle" call "$name" Check > "$work/call" 2>&1 || problem+="$name: $(cat "$work/call") "
done
verdict "two of three are killed, by their QEMU or their keeper: the third does not notice" "$problem"

began=$(date +%s%N)
stoppers=()
for name in $names; do
	"$cradle" vm stop --timeout 60 "$name" >> "$work/out" 2>> "$work/err" &
	stoppers+=($!)
done
wait "${stoppers[@]}"
echo "# all stopped after $((($(date +%s%N) - began) / 1000000)) ms"
verdict "stopped at once, nothing is left" "$(until_true eval '[ -z "$(leftovers)" ]' > "$work/never" || leftovers)"
echo "1..$n"
exit $failed
