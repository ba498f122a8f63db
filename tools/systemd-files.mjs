// @ts-check
// What the machine with systemd has beside the packages of Debian.

/** Units that a machine for tests has no use for. */
export const masked = [
  'apt-daily.timer',
  'apt-daily-upgrade.timer',
  'console-getty.service',
  'dpkg-db-backup.timer',
  'e2scrub_all.timer',
  'e2scrub_reap.service',
  'fstrim.timer',
  'getty@.service',
  'getty.target',
  'serial-getty@.service',
  'systemd-tmpfiles-clean.timer',
];

/**
 * The tests as a service. What they report goes out by the second serial port. Their processes are left
 * to themselves at its end, because the machine is switched off then.
 */
const testsUnit = `[Unit]
Description=The tests
After=multi-user.target
[Service]
Type=exec
Environment=HOME=/root
WorkingDirectory=/root
ExecStart=/usr/bin/node --enable-source-maps /libcriu/test/vm/guest/main.js
StandardOutput=file:/dev/ttyS1
StandardError=file:/dev/ttyS0
Delegate=yes
KillMode=process
RuntimeMaxSec=1800
ExecStopPost=/usr/local/sbin/libcriu-tests-end
`;

/** What is run when the tests are over. */
export const endProgram = 'usr/local/sbin/libcriu-tests-end';

const endScript = `#!/bin/sh
exec systemctl poweroff --force --force
`;

/** Paths in the machine, each with its text. */
export const filesOfSystem = {
  'etc/fstab': '/dev/vda / ext4 defaults,noatime 0 0\n',
  'etc/hostname': 'libcriu-vm\n',
  'etc/hosts': '127.0.0.1 localhost libcriu-vm\n',
  // With an empty one the system would be taken for one that boots for the first time.
  'etc/machine-id': `${'c0ffee00'.repeat(4)}\n`,
  'etc/systemd/system/libcriu-tests.service': testsUnit,
  // Whatever the tests write to the journal is asked for soon.
  'etc/systemd/journald.conf.d/tests.conf': '[Journal]\nStorage=volatile\nRateLimitIntervalSec=0\n',
  [endProgram]: endScript,
};

/**
 * Mounts the system's disk and the one with the package, and gives the system the libraries of the host
 * that it lacks. Nothing of it reaches the disks' files: qemu keeps the changes for itself.
 */
export const initOfInitramfs = `#!/bin/busybox sh
/bin/busybox --install -s /bin
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs devtmpfs /dev
for module in /modules/*; do insmod "$module"; done
tries=0
while [ ! -b /dev/vdb ] && [ $tries -lt 100 ]; do usleep 50000; tries=$((tries + 1)); done
if ! mount -t ext4 -o noatime /dev/vda /root || ! mount -t ext4 -o noatime /dev/vdb /root/host; then
  echo 'the disks cannot be mounted'
  poweroff -f
fi
mount --bind /root/host/libcriu /root/libcriu
for library in $(find /root/host/lib /root/host/usr/lib -name '*.so*'); do
  name=\${library##*/}
  [ -e "/root/usr/lib/x86_64-linux-gnu/$name" ] || cp "$library" /root/usr/lib/x86_64-linux-gnu/
done
# A CRIU of the distribution.
if [ -d /root/host/usr/sbin ]; then cp -a /root/host/usr/sbin/. /root/usr/sbin/; fi
umount /proc /sys
mount --move /dev /root/dev
exec switch_root /root /sbin/init
`;
