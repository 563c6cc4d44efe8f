#!/bin/sh
# Loads a `docker save` archive (standard input) into DATA with the VM's own Docker, at this machine's speed: emulated,
# the same takes ten times as long. Run by image_store.py as root in mount, process and network namespaces of its own,
# so that nothing of this outlives it.
set -eu
disk=$1 data=$2 scratch=$3

mount -t tmpfs tmpfs "$scratch"
cd "$scratch"
mkdir lower upper work root
mount -o loop,ro,noload "$disk" lower
mount -t overlay overlay -o lowerdir=lower,upperdir=upper,workdir=work root
mkdir -p root/var/lib/docker
mount --bind "$data" root/var/lib/docker
mount -t proc proc root/proc
mount --rbind /sys root/sys
mount --rbind /dev root/dev

chroot root dockerd --bridge=none --iptables=false --ip6tables=false --storage-driver=overlay2 \
    </dev/null >dockerd.log 2>&1 &
dockerd=$!
until chroot root docker version >/dev/null 2>&1; do
    if ! kill -0 "$dockerd" 2>/dev/null; then
        tail -n 3 dockerd.log >&2
        exit 1
    fi
    sleep 0.2
done
chroot root docker load --quiet
kill "$dockerd"
wait "$dockerd" || true
