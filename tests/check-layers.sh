#!/bin/bash
# Who may include whom, which calls are banned, and what the static agent may refer to.
#
#   check-layers.sh [--top DIR] [--map MAP]
#
# The layers are those of docs/architecture.md. MAP is the agent's link map with its cross reference
# (build/<arch>/cradle-agent.debug.map). Prints a line a violation; exit code 1 when there is one.
set -u

top=$(cd "$(dirname "$0")/.." && pwd) map=''
while [ $# -gt 0 ]; do
	case $1 in
	--top) top=${2:?}; shift 2 ;;
	--map) map=$(realpath -- "${2:?}"); shift 2 ;;
	*) sed -n '2,7s/^# \{0,1\}//p' "$0" >&2; exit 2 ;;
	esac
done
cd "$top" || exit 2
bad=0
violation() {
	echo "$*"
	bad=1
}

# What each folder may include besides itself. "messages" stands for generated headers, "root" for
# hard_limits.h and config.h beside the folders. The folders of host-tools may use one another. Two
# entries skip a layer or go sideways, never up: storage finds its block devices with device, and
# service words the records and figures that memory and storage hand to it through the sandbox.
declare -A allowed=(
	[agent/base]=''
	[agent/ttrpc]='base messages root'
	[agent/kernel]='base messages root'
	[agent/memory]='base kernel messages root'
	[agent/storage]='base kernel device messages root'
	[agent/device]='base kernel messages root'
	[agent/launch]='base kernel messages root'
	[agent/sandbox]='base kernel memory storage device launch messages root'
	[agent/service]='base ttrpc sandbox memory storage messages root'
	[agent/telemetry]='base kernel root'
	[agent/boot]='base kernel telemetry root'
	[agent]='base kernel memory storage device launch sandbox service ttrpc telemetry boot messages root'
	[host-tools]='base ttrpc messages root'
)

# The folder of a file as a key of the table: agent/<folder>, agent, or host-tools.
layer_of() {
	case $1 in
	host-tools/*) echo host-tools ;;
	agent/*/*) local rest=${1#agent/}; echo "agent/${rest%%/*}" ;;
	*) echo agent ;;
	esac
}

# What an included name belongs to, in the words of the table.
target_of() {
	local name=$1
	case $name in
	*.pb-c.h) echo messages ;;
	*..*) echo '..' ;;
	*/*)
		if [ -d "agent/${name%%/*}" ] && [ -e "agent/$name" ]; then
			echo "${name%%/*}"
		elif [ -e "host-tools/$name" ]; then
			echo host-tools
		else
			echo '?'
		fi
		;;
	*)
		if [ -e "agent/$name" ]; then
			echo root
		elif [ -e "host-tools/$name" ]; then
			echo host-tools
		else
			echo '?'
		fi
		;;
	esac
}

check_includes() {
	local file=$1 layer own name target
	layer=$(layer_of "$file")
	own=${layer#agent/}
	while read -r name; do
		target=$(target_of "$name")
		[ "$target" = "$own" ] && continue
		[[ " ${allowed[$layer]-} " == *" $target "* ]] && continue
		violation "$file: includes \"$name\" ($target), which $layer may not"
	done < <(sed -n 's/^[ \t]*#[ \t]*include[ \t]*"\([^"]*\)".*/\1/p' "$file")
}

# A .c file includes its own header first: so every header is seen to stand on its own.
check_own_header() {
	local file=$1 header first
	header=${file%.c}.h
	[ -e "$header" ] || return
	header=${header#*/}
	first=$(sed -n 's/^[ \t]*#[ \t]*include[ \t]*[<"]\([^">]*\)[">].*/\1/p' "$file" | head -n 1)
	[ "$first" = "$header" ] || violation "$file: includes \"$first\" before its own header"
}

everywhere='strcpy|strcat|sprintf|vsprintf|gets|strtok|strtok_r|alloca|strdupa|strndupa|atoi|atol|atoll|atof|rand|tmpnam|mktemp|pthread_create|thrd_create'
# In the agent: what makes a static glibc program load shared objects, locales or time zones; what
# takes exits away from the loop's waitid().
agent_only='getpw[a-z_]*|getgr(nam|gid|ent|ouplist)[a-z_]*|initgroups|getaddrinfo|getnameinfo|gethostby[a-z_]*|getservby[a-z_]*|dlopen|dlsym|iconv_open|iconv|setlocale|strerror|strerror_r|perror|strftime|localtime|localtime_r|mktime|posix_spawnp?|system|popen|waitpid|wait|wait3|wait4|waitid'

check_calls() {
	local file=$1 banned=$everywhere
	case $file in
	# the second waits in children that have no loop, for a child of their own
	agent/base/child_process.c | agent/base/command.c) banned="$everywhere|system|popen|waitpid" ;;
	agent/*) banned="$everywhere|$agent_only" ;;
	esac
	# Without comments and strings; members and our own names with a prefix are somebody else.
	while read -r line; do
		violation "$file: banned call: $line"
	done < <(gcc -fpreprocessed -dD -E -P -x c "$file" 2> /dev/null | sed 's/"\(\\.\|[^"\\]\)*"/""/g' |
		grep -vE '^[ \t]*#' | grep -oE "(^|[^A-Za-z0-9_.>])($banned)[ \t]*\(.*")
}

# Cross reference of ld: a symbol with the file that defines it, then lines with those that refer to it.
check_map() {
	local line
	while read -r line; do
		violation "link map: $line"
	done < <(awk '
		/^Cross Reference Table/ { table = 1; next }
		!table || NF == 0 || /^Symbol +File/ { next }
		/^[^ ]/ { symbol = $1; file = $2; first = 1 }
		/^ / { file = $1; first = 0 }
		symbol ~ /^(__libc_)?dl(open|sym|mopen|close)|^getpw|^getgr(nam|gid|ent|ouplist)|^initgroups$|^getaddrinfo|^gethostby|^getservby|^iconv_open$|nss_|^setlocale$/ {
			if (!first && file !~ /\/libc\.a\(/) print file " refers to " symbol
		}
		END { if (!table) print "no cross reference table in it" }' "$map")
}

while read -r file; do
	check_includes "$file"
	check_calls "$file"
	case $file in *.c) check_own_header "$file" ;; esac
done < <(find agent host-tools -name '*.[ch]' | sort)
[ -z "$map" ] || check_map
exit $bad
