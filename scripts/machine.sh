# shellcheck shell=bash
# What ./run and ./test share: preparing a Debian 12 machine, and showing what is done. Sourced, never run.

top=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
needed_rust=1.95
# Debian gives ordinary users no path to mke2fs, fsck.erofs and their like, which they may run.
PATH=$PATH:/usr/sbin:/sbin

# --- showing ------------------------------------------------------------------------------------------------------

if [ -t 1 ]; then bold=$'\e[1m' dim=$'\e[2m' plain=$'\e[0m'; else bold='' dim='' plain=''; fi

say() { printf '%s\n' "${bold}$*${plain}"; }

fail() { # cause and effect, next step
    printf 'error: %s\n' "$1" >&2
    [ -z "${2:-}" ] || printf '  next: %s\n' "$2" >&2
    exit 1
}

# Prints an outside command, then runs it.
try() {
    printf '%s\n' "${dim}+ $*${plain}"
    "$@"
}

as_root() {
    if [ "$(id -u)" = 0 ]; then try "$@"; else try sudo "$@"; fi
}

# Runs a long command with its usual time in front, and the time it took behind.
long() { # what, usual time, command...
    local what=$1 usual=$2 began=$SECONDS
    shift 2
    say "$what (usually $usual)"
    try "$@" || return
    printf '%s\n' "${dim}  took $((SECONDS - began)) s${plain}"
}

# --- packages -----------------------------------------------------------------------------------------------------

# Names in a package list, `name  # reason` a line.
listed() { sed -n 's/^\([a-z0-9][a-z0-9.+-]*\).*/\1/p' "$@"; }

# Which of these are not installed. One call for all: this is done at every ./run.
not_yet_installed() { # package...
    printf '%s\n' "$@" | grep -vxFf <(dpkg-query -W -f '${db:Status-Abbrev}${Package}\n' "$@" 2>/dev/null | sed -n 's/^ii //p') || true
}

# Debian 12's qemu-system-x86 refuses a qemu-utils from backports; then both are taken from bookworm in one call.
with_matching_qemu() {
    local name
    for name in "$@"; do
        printf '%s\n' "$name"
        if [ "$name" = qemu-system-x86 ] && dpkg-query -W -f '${Version}' qemu-utils 2>/dev/null | grep -q bpo; then
            printf '%s\n' qemu-utils/bookworm
        fi
    done
}

# The Debian mirror that this machine is configured for; empty where there is none.
debian_mirror() {
    local found
    found=$(cat /etc/apt/sources.list /etc/apt/sources.list.d/* 2>/dev/null | grep -E '^(deb|URIs:) ' || true)
    grep -oE 'https?://[^ ]*/debian/?( |$)' <<<"$found" | sed -n '1s, *$,,p' || true
}

# Debian 12's security archive has the kernel's source, and a newer Rust than the main one.
security_list=/etc/apt/sources.list.d/holdfast-security.list
has_security_archive() { apt-cache show linux-source-6.12 >/dev/null 2>&1; }
security_line() {
    local mirror
    mirror=$(debian_mirror)
    [ -n "$mirror" ] || fail "linux-source-6.12 is not to be had, and no Debian mirror is configured to find it by" \
        "add Debian 12's security archive (suite bookworm-security) to /etc/apt/sources.list and run this again"
    printf 'deb %s-security bookworm-security main\n' "${mirror%/}"
}

# Adds it by the mirror that is already configured, where it is not there.
ensure_security_archive() {
    has_security_archive && return
    as_root apt-get update -q
    has_security_archive && return
    say "Adding Debian 12's security archive, for linux-source-6.12"
    security_line | as_root tee "$security_list"
    as_root apt-get update -q
    has_security_archive || fail "the security archive has no linux-source-6.12" "is this Debian 12? See 'cat /etc/os-release'"
}

# Whether cargo and a new enough rustc are here.
has_rust() {
    command -v cargo >/dev/null && command -v rustc >/dev/null &&
        printf '%s\n%s\n' "$needed_rust" "$(rustc --version | cut -d' ' -f2)" | sort -V -C
}

# Stops, with what root may type to install the packages: for whoever is not root, or wants to do it by hand.
not_installed() { # cause, package...
    local cause=$1 steps=''
    shift
    has_security_archive || steps="echo '$(security_line)' >$security_list
        "
    fail "$cause" "as root type the following, then run this again:
        ${steps}apt-get update
        apt-get install --no-install-recommends --allow-downgrades $*"
}

# Installs what the lists name and is missing, asking once. $1: yes | ask; the rest: list files.
prepare_machine() {
    local answer=$1 name needed missing reply
    shift
    command -v apt-get >/dev/null || fail "this machine has no apt-get: only a Debian 12 can be prepared" \
        "run this on Debian 12, or in a container or a virtual machine with it"
    mapfile -t needed < <(listed "$@")
    mapfile -t missing < <(not_yet_installed "${needed[@]}")
    has_rust || missing+=(rustc-web cargo-web)
    [ ${#missing[@]} -gt 0 ] || return 0

    say "These distribution packages are needed and missing:"
    for name in "${missing[@]}"; do
        awk -v name="$name" '$1 == name { print; found = 1 } END { exit !found }' "$@" ||
            printf '%s  # the Rust toolchain, %s or newer\n' "$name" "$needed_rust"
    done | sed 's/^/  /'
    mapfile -t missing < <(with_matching_qemu "${missing[@]}")
    [ "$(id -u)" = 0 ] || command -v sudo >/dev/null ||
        not_installed "only root can install packages, and there is no sudo here" "${missing[@]}"
    if [ "$answer" = ask ]; then
        [ -t 0 ] || fail "packages are missing and there is no terminal to ask on" "run again with --yes to have them installed"
        read -r -p "Install them? [Y/n] " reply || reply=n
        case $reply in "" | y | Y | yes) ;; *) not_installed "nothing was installed" "${missing[@]}" ;; esac
    fi
    [ "$(id -u)" = 0 ] || try sudo true || not_installed "sudo does not let you install packages" "${missing[@]}"
    ensure_security_archive
    as_root env DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends --allow-downgrades "${missing[@]}" ||
        fail "apt-get could not install the packages above" "read its message; 'apt-get update' and an up-to-date /etc/apt often help"
    hash -r
    has_rust || fail "the toolchain is older than Rust $needed_rust: $(rustc --version 2>&1)" "install a newer one and run this again"
}

# --- building -----------------------------------------------------------------------------------------------------

holdfast=$top/target/release/holdfast

build_tools() {
    # At a terminal cargo shows how far it has come.
    local quiet=--quiet
    [ ! -t 2 ] || quiet=
    # shellcheck disable=SC2086 # empty, or one word
    long "Building the holdfast command" "3 minutes at first, then seconds" \
        cargo build $quiet --release --locked --manifest-path "$top/Cargo.toml" --target-dir "$top/target" -p holdfast-cli
}

# The development keys, made once, for this checkout alone.
ensure_keys() {
    [ -e "$top/build/keys" ] || try "$holdfast" keys init
}
