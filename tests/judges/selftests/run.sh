#!/bin/sh
# Runs the kernel's own selftests one after the other, on a kernel with nothing of ours in it; started by BusyBox init.
# `/plan` names them, `TARGET PROGRAM SECONDS` a line; tests/src/selftests.rs reads what comes out.
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs devtmpfs /dev 2>/dev/null
mkdir -p /dev/pts /dev/shm /dev/mqueue
mount -t devpts devpts /dev/pts
for folder in /dev/shm /run /tmp /root; do mount -t tmpfs tmpfs $folder; done
ln -s /proc/self/fd /dev/fd
mount -t mqueue mqueue /dev/mqueue
mount -t cgroup2 -o nsdelegate cgroup2 /sys/fs/cgroup
ifconfig lo up
# The address sanitizer of gcc 12, which some tests are built with, crashes now and then with the 32 bits of our kernels.
echo 28 >/proc/sys/vm/mmap_rnd_bits
export HOME=/root TMPDIR=/tmp

while read -r target program seconds; do
    printf '\nselftest begins %s:%s\n' "$target" "$program"
    cd "/selftests/$target" || exit
    # No kernel of ours runs scripts by themselves everywhere (BINFMT_SCRIPT), so the shell is named.
    case $program in *.sh) shell=/bin/bash ;; *) shell= ;; esac
    began=$(date +%s)
    timeout -s KILL "$seconds" $shell "./$program" </dev/null 2>&1
    status=$?
    cd /
    printf '\nselftest ends %s:%s %s %s\n' "$target" "$program" $status $(($(date +%s) - began))
done </plan
echo "selftests are done"
poweroff -f
