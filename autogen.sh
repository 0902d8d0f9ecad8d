#!/bin/sh
# autogen.sh - from a fresh clone to a bootstrapped, tested or running tree.
# Needs nothing but a POSIX shell, and on Debian apt-get.
set -eu
umask 022 # popgate refuses modules that others can write
cd "$(dirname "$0")"
top=$(pwd)
verb=${1:-bootstrap}
[ $# -eq 0 ] || shift
options=$* # for configure
build=$top/build/check$(printf '%s' "$options" | tr -c 'A-Za-z0-9._-' -)
log=$build/autogen.log

# The distribution's packages: to build, to test, to reach real servers.
packages="gcc make libc6-dev autoconf automake libtool pkg-config
	libetpan-dev libssl-dev libconfig-dev libevent-dev libseccomp-dev
	libcrypt-dev libgsasl-dev libcurl4-gnutls-dev libcjson-dev libsqlite3-dev libqrencode-dev
	libcmocka-dev binutils python3 dovecot-core dovecot-imapd curl fetchmail haproxy openssl
	ca-certificates iproute2"

usage()
{
	cat <<-TEXT
	Usage: ./autogen.sh [VERB [OPTIONS]]

	  (none)   make ./configure, with autoreconf; the usual ./configure && make follow
	  deps     install the packages that are missing (Debian 12 or newer, Ubuntu)
	  check    deps, build in build/check, run every test; the last line counts them.
	           OPTIONS are for configure: check --enable-sanitizers
	  demo     deps, build, and try popgate: a private IMAP server with mail in it,
	           popgate in front of it, mail fetched; stays up until Ctrl-C
	  --help   this text

	check and demo need no other command before or after, as root or with sudo.
	TEXT
}

# ---- what is said -------------------------------------------------------------
if [ -t 1 ] && [ "${TERM:-dumb}" != dumb ] && [ -z "${NO_COLOR:-}" ]; then
	esc=$(printf '\033')
	bold="${esc}[1m" red="${esc}[31m" green="${esc}[32m" plain="${esc}[0m"
else
	bold='' red='' green='' plain=''
fi

say()
{
	printf '%s\n' "$*"
}

die()
{
	printf '%s\n' "${red}autogen.sh: $*$plain" >&2
	exit 1
}

# step NAME COMMAND...: one line for the reader, everything else into the log.
step()
{
	name=$1
	shift
	printf '%s ... ' "$name"
	begun=$(date +%s)
	printf '\n==== %s: %s\n' "$name" "$*" >>"$log"
	if "$@" >>"$log" 2>&1 </dev/null; then
		printf '%s\n' "${green}ok$plain ($(($(date +%s) - begun)) s)"
		return 0
	fi
	printf '%s\n' "${red}failed$plain ($(($(date +%s) - begun)) s)"
	return 1
}

show_log()
{
	say "---- the end of $log"
	tail -n 40 "$log" || :
	say "----"
}

# ---- deps ----------------------------------------------------------------------
is_installed()
{
	[ "$(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null)" = installed ]
}

as_root()
{
	if [ "$(id -u)" -eq 0 ]; then
		"$@"
	else
		sudo "$@"
	fi
}

# No service is to start because a test wants its program: invoke-rc.d asks this file.
policy=/usr/sbin/policy-rc.d
release_services()
{
	as_root rm -f "$policy"
}

hold_services()
{
	[ ! -e "$policy" ] || return 0
	trap release_services EXIT
	trap 'exit 1' HUP INT TERM
	printf '#!/bin/sh\nexit 101\n' | as_root tee "$policy" >/dev/null
	as_root chmod 755 "$policy"
}

# In a shell of its own, whose end lets services start again.
install_packages()
{
	(
		as_root apt-get -q update || exit 1
		hold_services
		as_root env DEBIAN_FRONTEND=noninteractive apt-get -q -y -o DPkg::Lock::Timeout=300 \
			install --no-install-recommends "$@" </dev/null
	)
}

deps()
{
	if ! command -v apt-get >/dev/null || ! command -v dpkg-query >/dev/null; then
		say "This is no Debian or Ubuntu. Needed, by the names of Debian's packages:"
		# shellcheck disable=SC2086 # a list
		printf '  %s\n' $packages
		[ "$1" = optional ] || exit 1
		return 0
	fi
	missing=''
	for package in $packages; do
		is_installed "$package" || missing="$missing $package"
	done
	if [ -z "$missing" ]; then
		say "packages ... all there"
		return 0
	fi
	[ "$(id -u)" -eq 0 ] || command -v sudo >/dev/null ||
		die "as root, please:  apt-get install --no-install-recommends$missing"
	say "${bold}packages to install:$plain$missing"
	if [ "$1" = optional ]; then
		set -- step install
	else
		set --
	fi
	# shellcheck disable=SC2086 # a list
	"$@" install_packages $missing || die "these packages could not be installed:$missing"
}

# ---- building --------------------------------------------------------------------
bootstrap()
{
	autoreconf -fi
}

is_bootstrapped()
{
	[ -f configure ] && [ -f Makefile.in ] && [ -f build-aux/tap-driver.sh ] &&
		[ -z "$(find configure.ac Makefile.am include/popgate/plugin.h -newer configure)" ]
}

is_configured()
{
	[ -f "$build/Makefile" ] && [ -z "$(find configure -newer "$build/config.status")" ]
}

configure_tree()
{
	# shellcheck disable=SC2086 # a list
	(cd "$build" && "$top/configure" $options)
}

jobs()
{
	getconf _NPROCESSORS_ONLN 2>/dev/null || echo 1
}

prepare()
{
	mkdir -p "$build" || die "cannot write to $top"
	: >"$log" || die "cannot write $log; remove build/, which another user made"
	deps optional
	is_bootstrapped || step bootstrap bootstrap || return 1
	is_configured || step configure configure_tree || return 1
	step build make -C "$build" -j"$(jobs)" all || return 1
}

# ---- check -------------------------------------------------------------------------
# summary RESULT: the last line, from what make said of each test.
summary()
{
	[ -f "$log" ] || {
		say "0 passed, 1 failed"
		return
	}
	# A test program that fails exits with a failure: that is no second one. What fails without a
	# test of its own, such as the build, counts as one.
	awk -v result="$1" '
		/^==== / { passed = failed = skipped = errors = 0; tests = $2 == "tests:" }
		!tests { next }
		/^(PASS|XFAIL): / { passed++ }
		/^SKIP: / { skipped++ }
		/^(FAIL|XPASS): / { failed++; has[$2] = 1 }
		/^ERROR: / { error[errors++] = $2 }
		END {
			for (i = 0; i < errors; i++)
				if (!(error[i] in has))
					failed++
			if (result != 0 && failed + 0 == 0)
				failed = 1
			printf "%d passed, %d failed", passed, failed
			if (skipped > 0)
				printf ", %d skipped", skipped
			print ""
		}' "$log"
}

check()
{
	result=1
	# In a shell of its own: whatever ends it, the summary follows.
	if (prepare); then
		rm -f "$build/test-suite.log"
		# most tests wait most of their time
		if step tests make -C "$build" -j"$((2 * $(jobs) + 1))" -O check; then
			result=0
		elif [ -f "$build/test-suite.log" ]; then
			grep -h -E '^(FAIL|ERROR|XPASS):' "$log" || :
			grep -h -A 40 '^not ok' "$build/test-suite.log" | grep -v -E '^(ok|PASS:) ' | head -n 400
			say "The whole course of each failed test: $build/test-suite.log"
		else
			show_log
		fi
	else
		show_log
	fi
	summary "$result"
	exit "$result"
}

# ---- demo --------------------------------------------------------------------------
demo()
{
	if ! prepare; then
		show_log
		exit 1
	fi
	POPGATE=$build/popgate POPGATE_PLUGINS=$build/plugins/.libs PYTHONDONTWRITEBYTECODE=1 \
		exec python3 "$top/tests/demo/demo.py"
}

case $verb in
check) check ;;
demo) demo ;;
-h | --help | help) usage ;;
bootstrap | deps)
	[ -z "$options" ] || {
		usage >&2
		exit 2
	}
	"$verb" required
	;;
*)
	usage >&2
	exit 2
	;;
esac
