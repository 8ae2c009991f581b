#!/bin/sh
# Starts the service manager in a root directory of its own, where it finds nothing of this machine but
# /usr, which it can't write. To be run in new namespaces of everything but users and time.
#
#   $1  an empty directory
#   $2  a directory with the units and the files of /etc that are to be there
#   $3  the agent's program
set -eu

root=$1 given=$2 program=$3

# Nothing that is mounted from here on is seen outside.
mount --make-rprivate /
mount -t tmpfs -o mode=755 tmpfs "$root"
cd "$root"
mkdir -p usr proc sys dev etc run tmp root home/ada old gangplank units var/tmp \
    var/lib/dpkg var/lib/apt/lists/partial var/cache/apt/archives/partial
chmod 1777 tmp var/tmp
chown 1000:1000 home/ada
for link in bin sbin lib lib64; do
    if [ -L "/$link" ]; then ln -s "usr/$link" "$link"; fi
done
mount --bind /usr usr
mount -o remount,bind,ro usr
: >gangplank/gangplank-agent
mount --bind "$program" gangplank/gangplank-agent
mount -o remount,bind,ro gangplank/gangplank-agent

mount -t proc proc proc
for file in proc/sys proc/sysrq-trigger; do
    if [ -e "$file" ]; then
        mount --bind "$file" "$file"
        mount -o remount,bind,ro "$file"
    fi
done
mount -t sysfs -o ro sysfs sys
mount -t cgroup2 cgroup2 sys/fs/cgroup
mount -t tmpfs -o mode=755 tmpfs dev
for device in null zero full random urandom tty; do
    : >"dev/$device"
    mount --bind "/dev/$device" "dev/$device"
done
mkdir dev/pts dev/shm
mount -t devpts -o newinstance,ptmxmode=0666,mode=620,gid=5 devpts dev/pts
ln -s pts/ptmx dev/ptmx
ln -s /proc/self/fd dev/fd
mount -t tmpfs -o mode=755 tmpfs run

cp -a /etc/alternatives /etc/apt /etc/lynis etc/
cp -a /var/lib/dpkg/status var/lib/dpkg/
cp /usr/lib/os-release etc/
cp -r "$given/etc" "$given/units" .
chmod -R go-w etc
ln -s ../proc/self/mounts etc/mtab

pivot_root . old
cd /
umount -l old
rmdir old
# A service manager puts the machine that it finds in order: let it find none.
if [ "$(stat -f -c %T /)" != tmpfs ] || [ -e "$given" ]; then
    echo "still in the machine's own root" >&2
    exit 1
fi
exec setpriv --inh-caps=-all \
    --bounding-set=-sys_module,-sys_boot,-sys_time,-sys_rawio,-syslog,-mac_admin,-mac_override \
    env -i container=gangplank SYSTEMD_UNIT_PATH=/units PATH=/usr/sbin:/usr/bin \
    /usr/lib/systemd/systemd --system --unit=test.target --log-target=null --show-status=no
