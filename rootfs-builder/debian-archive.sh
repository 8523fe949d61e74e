# debian-archive.sh: gets .deb files of any architecture, for scripts of this project that source it
# (kernel-configs/fetch-kernel, rootfs-builder/fetch-sysroot, fetch-libmnl, demo-rootfs). Wants no root.
# The mirror is the one this machine's apt is configured with, and apt verifies by the archive's signatures.
# /etc/apt and dpkg's state are read, never written: indexes of our own live in a folder of the build.
#
#   archive_init STATE ARCH       ARCH as uname -m says; STATE: our own index, kept for the next script
#   archive_depends PACKAGE       prints the packages that PACKAGE depends on, a line each
#   archive_download DIR NAME...  puts .deb files into DIR; false when apt has none, or it does not verify
#   archive_refresh               an index of our own, fetched now; returns 1 when that was done before
#   archive_get DIR NAME...       archive_download; if that fails, once more after archive_refresh
#   archive_get_of DIR NAME SUITE...  the package as another release of Debian has it: the first of SUITE that answers
# The caller defines say() and die().

# Debian's name of an architecture. Callers: here, and for names of packages.
archive_debian_name() {
	case $1 in
	x86_64) echo amd64;;
	aarch64) echo arm64;;
	ppc64le) echo ppc64el;;
	s390x) echo s390x;;
	*) return 1;;
	esac
}

archive_init() {
	local tool
	for tool in apt-get apt-cache dpkg dpkg-deb flock; do
		command -v $tool >/dev/null || die "no $tool here: .deb files can be fetched only with Debian's own tools"
	done
	archive_arch=$(archive_debian_name "$2") || die "Debian has no architecture $2 that is known here"
	mkdir -p "$1"
	archive_state=$(cd "$1" && pwd)
	archive_fresh=
	# What is not verified is not taken. root's apt would drop to _apt, who may not write into our folder.
	archive_options=(-o Acquire::AllowInsecureRepositories=false -o APT::Get::AllowUnauthenticated=false
		-o Acquire::Retries=3)
	[ "$(id -u)" != 0 ] || archive_options+=(-o APT::Sandbox::User=root)
	archive_private=(-o "APT::Architecture=$archive_arch" -o "APT::Architectures=$archive_arch"
		-o "Dir::State=$archive_state" -o "Dir::State::lists=$archive_state/lists"
		-o "Dir::State::status=$archive_state/status" -o "Dir::Cache=$archive_state/cache"
		-o Acquire::Languages=none -o Acquire::IndexTargets::deb::DEP-11::DefaultEnabled=false)
	# One script at a time: make may want a kernel and a sysroot at once.
	exec {archive_lock}> "$archive_state/lock"
	flock "$archive_lock"
	if [ -e "$archive_state/ready" ]; then
		archive_options+=("${archive_private[@]}")
	elif ! { dpkg --print-architecture && dpkg --print-foreign-architectures; } | grep -qxF "$archive_arch"; then
		archive_refresh
	fi
}

archive_refresh() {
	[ -z "$archive_fresh" ] || return 1
	archive_fresh=1
	[ -e "$archive_state/ready" ] || archive_options+=("${archive_private[@]}")
	mkdir -p "$archive_state/lists/partial" "$archive_state/cache/archives/partial"
	: > "$archive_state/status"
	say "$archive_arch: package index of this machine's apt sources (own copy, in the build folder)"
	if apt-get "${archive_options[@]}" -q update > "$archive_state/update.log" 2>&1; then
		: > "$archive_state/ready"
		return 0
	fi
	# One source may be down or half synchronized: apt keeps what it verified of the others.
	if ! compgen -G "$archive_state/lists/*_Packages*" > /dev/null; then
		cat "$archive_state/update.log" >&2
		die "apt-get update failed (above): no network, or apt's sources do not answer"
	fi
	say "not every source answered (more in ${archive_state#"$PWD"/}/update.log); going on with the others:"
	grep '^E: Failed' "$archive_state/update.log" | sed 's/^/           /' >&2
}

archive_depends() {
	apt-cache "${archive_options[@]}" depends --important "$1:$archive_arch" 2>/dev/null |
		sed -n 's/^ *Depends: *<\{0,1\}\([^ :>]*\).*/\1/p'
}

archive_download() {
	local dir=$1 name names=()
	shift
	for name; do names+=("$name:$archive_arch"); done
	(cd "$dir" && apt-get "${archive_options[@]}" -q download "${names[@]}") > "$archive_state/download.log" 2>&1 || {
		cat "$archive_state/download.log" >&2
		return 1
	}
}

archive_get() {
	archive_download "$@" || { archive_refresh && archive_download "$@"; }
}

# The Debian mirrors among apt's sources. Who signed what is known once an index is there; before that any
# source may be one: what does not bear Debian's signature is not taken.
archive_mirrors() {
	local origin
	for origin in 'Origin: Debian' 'Created-By: Packages'; do
		apt-get indextargets --format '$(REPO_URI) $(RELEASE)' 'Created-By: Packages' 'Component: main' "$origin" 2>/dev/null |
			sed -n '/^cdrom:/d; /-security/d; s/ .*//p' | awk '!seen[$0]++'
	done | awk '!seen[$0]++'
}

# An index of one suite alone, thrown away after use: apt would prefer its versions everywhere else.
archive_get_of() {
	local dir=$1 name=$2 state=$archive_state/of-suite keys=/usr/share/keyrings/debian-archive-keyring.gpg suite mirror options
	shift 2
	options=("${archive_options[@]}" "${archive_private[@]}" -o "Dir::State=$state" -o "Dir::State::lists=$state/lists"
		-o "Dir::State::status=$state/status" -o "Dir::Cache=$state/cache"
		-o "Dir::Etc::sourcelist=$state/sources.list" -o Dir::Etc::sourceparts=/dev/null)
	[ -e $keys ] && keys="[signed-by=$keys] " || keys=
	for suite; do
		while read -r mirror; do
			rm -rf "$state"
			mkdir -p "$state/lists/partial" "$state/cache/archives/partial"
			: > "$state/status"
			echo "deb $keys$mirror $suite main" > "$state/sources.list"
			if (apt-get "${options[@]}" -q update && cd "$dir" && apt-get "${options[@]}" -q download "$name:$archive_arch") \
				> "$archive_state/of-suite.log" 2>&1; then
				rm -rf "$state"
				return 0
			fi
			say "$suite of this machine's mirror does not give $name: $(grep -m1 '^E:' "$archive_state/of-suite.log" | sed 's|[a-z+]*://[^ ]*/||; s| \[IP.*||')"
		done < <(archive_mirrors)
	done
	rm -rf "$state"
	return 1
}
