#!/usr/bin/env bash
# A bare Debian 12, made by debootstrap, with this machine's apt and cargo settings: clones into it and runs both commands of
# the README there, as a newcomer would. The kernel it builds is compared with this machine's. Needs root for chroot.
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source=scripts/machine.sh
. scripts/machine.sh

root=${HOLDFAST_FRESH_ROOT:-/var/tmp/holdfast-fresh-machine}
# Not the home of this machine's user: a path that reached the kernel would make the two kernels differ.
home=/home/newcomer

# All of it runs as root, and in namespaces of its own: its mounts are seen nowhere else, and the kernel ends its processes
# when this script ends, however that happens. The first call prepares that, the second does the work.
in_namespaces() {
    [ "$(id -u)" = 0 ] || exec sudo env HOME="$HOME" CARGO_HOME="${CARGO_HOME:-$HOME/.cargo}" HOLDFAST_FRESH_ROOT="$root" "$0"
    prepare_machine yes buildroot-config/packages-tests
    # In the background, because bash acts on a signal only while it waits for one of those.
    trap 'exit 130' INT TERM HUP
    trap '[ ! -d "$root" ] || say "What it left is in $root: sudo rm -rf $root"' EXIT
    setpriv --pdeathsig KILL unshare --mount --pid --fork --kill-child --mount-proc "$0" --in-namespaces &
    local status=0
    wait $! || status=$?
    [ $status != 0 ] || rm -rf --one-file-system "$root"
    exit $status
}

bare_machine() {
    local mirror
    mirror=$(debian_mirror)
    [ -n "$mirror" ] || fail "no Debian mirror is configured on this machine" "debootstrap needs one in /etc/apt"
    rm -rf --one-file-system "$root"
    mkdir -p "$root"
    long "Making a bare Debian 12" "2 minutes" debootstrap --variant=minbase --include=ca-certificates,git bookworm "$root" "$mirror"
}

machine_settings() {
    local file
    say "Giving it this machine's settings for apt, cargo and the network"
    # What is to be fetched and how. The other settings of apt name programs that a bare machine does not have.
    apt-config dump | grep -E '^Acquire::(http|https|Check|Languages|Retries|Force)' >"$root/etc/apt/apt.conf.d/90machine" || true
    for file in /etc/apt/auth.conf /etc/apt/auth.conf.d; do [ ! -e "$file" ] || cp -a "$file" "$root/etc/apt/"; done
    for file in /etc/resolv.conf /etc/hosts; do cp -L "$file" "$root$file"; done
    cp -a /etc/ssl/certs/ca-certificates.crt "$root/etc/ssl/certs/"
    file=${CARGO_HOME:-$HOME/.cargo}/config.toml
    mkdir -p "$root$home/.cargo"
    [ ! -e "$file" ] || cp "$file" "$root$home/.cargo/"
}

mounts() {
    # The root of a machine is a mount, a chroot's need not be one; what makes mounts private, or pivots, looks.
    mount --bind "$root" "$root"
    mount -t proc -o nosuid,nodev,noexec proc "$root/proc"
    mount --rbind /sys "$root/sys"
    mount --rbind /dev "$root/dev"
}

# Runs a command in the clone, with a newcomer's environment and what this machine says of networks and certificates. The bare
# machine's root becomes the root for it, as on a machine of its own: in a chroot nobody makes a user namespace (clone(2)).
inside() { # command
    local kept
    mapfile -t kept < <(env | grep -iE '^(https?|no)_proxy=|^CARGO_(HTTP|NET|REGISTR)|^SSL_CERT|^GIT_SSL')
    # bash has its background processes ignore Ctrl-C; who is inside should not.
    env -i --default-signal=INT,QUIT HOME=$home PATH=/usr/sbin:/usr/bin:/sbin:/bin TERM=dumb "${kept[@]}" unshare --mount \
        sh -c "cd $root && pivot_root . mnt && umount --lazy /mnt && cd $home/holdfast && $1"
}

# The kernel that was built inside, and the one of the same recipe that this machine has built: the same bytes.
compare_kernels() {
    local image key here compared=0
    for image in "$root$home"/.cache/holdfast/kernel/*/bzImage; do
        key=$(basename "$(dirname "$image")")
        here=${XDG_CACHE_HOME:-$HOME/.cache}/holdfast/kernel/$key/bzImage
        [ -e "$here" ] || continue
        try cmp "$here" "$image" || fail "two builds of the kernel $key differ: it is not reproducible" "compare $here and $image"
        say "Two builds of the kernel on two machines are equal: $(sha256sum <"$image" | cut -d' ' -f1)"
        compared=1
    done
    [ $compared = 1 ] || say "skipped: comparing kernels (this machine has built none of the same recipe; ./run builds it)"
}

[ "${1:-}" = --in-namespaces ] || in_namespaces
bare_machine
machine_settings
mounts
say "Cloning $(git log -1 --format='%h, "%s"') into it"
git clone --quiet --no-hardlinks "$PWD" "$root$home/holdfast"
long "./run --yes --exit in it" "40 minutes" inside "./run --yes --exit"
compare_kernels
long "./test --yes in it" "60 minutes" inside "./test --yes"
say "The fresh machine ran both commands."
