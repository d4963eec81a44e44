#!/bin/sh
# Runs in the machine that test_guest.py boots, beside the compiled tree of web01: takes and kills snapshots of LVM, ZFS and a btrfs that is
# `/`. What it finds goes to standard output, a line for each name: NAME, a tab, and OK or what was wrong.
set -u
here=$(dirname "$0")
views=/run/backupspec/snapshots

told() {
    printf '%s\t%s\n' "$1" "$2"
}

# check NAME COMMAND …: OK if it ends with 0, else what it printed
check() {
    name=$1
    shift
    if said=$("$@" 2>&1); then
        told "$name" OK
    else
        told "$name" "$(printf '%s' "$said" | tr '\n\t' '| ' | tail -c 1500)"
    fi
}

unit() {
    echo "backupspec-$1_local.service"
}

# hold, release: somebody else has the repository meanwhile, so that borg waits
hold() {
    rm -f /tmp/held
    systemd-run --quiet --collect --unit=holder --uid=backupspec --setenv=BORG_BASE_DIR=/tmp/holder \
        --setenv=BORG_UNKNOWN_UNENCRYPTED_REPO_ACCESS_IS_OK=yes borg with-lock /backup/borg sh -c 'touch /tmp/held; exec sleep 900' || return 1
    until [ -e /tmp/held ]; do sleep 0.1; done
}
release() {
    systemctl stop holder
    rm -rf /backup/borg/lock.exclusive /backup/borg/lock.roster
}
# reading JOB: until its snapshot is there and borg waits
reading() {
    systemctl start --no-block "$(unit "$1")"
    until [ "$(systemctl show --value --property=MainPID "$(unit "$1")")" != 0 ]; do
        if systemctl is-failed --quiet "$(unit "$1")"; then return 1; fi
        sleep 0.1
    done
}
ended() {
    while systemctl is-active "$(unit "$1")" | grep -q activating; do sleep 0.1; done
}
result() {
    [ "$(systemctl show --value --property=Result "$(unit "$1")")" = "$2" ] || {
        journalctl --output=cat --lines=20 --unit="$(unit "$1")"
        return 1
    }
}
newest() {
    backupspec-run list local | grep -o "web01_$1_[0-9TZ:-]*" | tail -n 1
}
content() {
    BORG_BASE_DIR=/tmp/reader BORG_UNKNOWN_UNENCRYPTED_REPO_ACCESS_IS_OK=yes borg --bypass-lock extract --stdout \
        "/backup/borg::$(newest "$1")" "$2"
}

# nothing KIND: no view, no snapshot but those of others
nothing() {
    if grep "$views" /proc/self/mountinfo; then return 1; fi
    if [ -n "$(ls "$views")" ]; then
        ls "$views"
        return 1
    fi
    snapshots="$(lvs --noheadings --options lv_name,lv_tags --select 'origin!=""'; zfs list -H -t snapshot -o name; btrfs subvolume list -s /)"
    printf '%s\n' "$snapshots" | grep -v -e others -e '^ *$' && return 1
    return 0
}

# of_one_moment JOB FILE: what is written once the snapshot is there is not in the archive
of_one_moment() {
    echo old >"$2"
    hold || return 1
    reading "$1" || return 1
    echo new >"$2"
    sync
    release
    ended "$1"
    result "$1" success || return 1
    found=$(content "$1" "${2#/}")
    [ "$found" = old ] || {
        echo "the archive has: $found"
        return 1
    }
    nothing
}
killed() {
    hold || return 1
    reading "$1" || return 1
    systemctl kill --signal=KILL "$(unit "$1")"
    ended "$1"
    release
    result "$1" signal && nothing
}
# after_power_cut JOB: mounts and folders in memory are gone, the snapshot is there
after_power_cut() {
    "/usr/local/lib/backupspec/jobs/$1_local/snapshot" take || return 1
    for at in $(sed -n "s|.* \($views/[^ ]*\) .*|\1|p" /proc/self/mountinfo | tac); do umount "$(printf %b "$at")" || return 1; done
    rm -rf "$views"
    systemctl start "$(unit "$1")"
    result "$1" success && nothing
}
overflows() {
    hold || return 1
    reading "$1" || return 1
    dd if=/dev/urandom of=/srv/ext/much bs=1M count=40 conv=fsync status=none
    release
    ended "$1"
    result "$1" exit-code || return 1
    journalctl --output=cat --unit="$(unit "$1")" | grep -q 'more was written to lab/ext than its snapshot had space for' || {
        journalctl --output=cat --lines=30 --unit="$(unit "$1")"
        return 1
    }
    rm /srv/ext/much
    nothing
}
holds() {
    content "$1" "$2" >/dev/null
}
says() {
    journalctl --output=cat --unit="$(unit "$1")" | grep -q -e "$2" || {
        journalctl --output=cat --lines=20 --unit="$(unit "$1")"
        return 1
    }
}
refuses() {
    systemctl start "$(unit "$1")"
    result "$1" exit-code && says "$1" "$2" && nothing
}
confined() {
    said=$(systemd-analyze security --no-pager "$(unit "$1")" | grep 'exposure level')
    printf '%s\n' "$said" | grep -Eq ': (0\.[0-9]|1\.[0-9]|2\.0) ' || {
        echo "$said"
        return 1
    }
}

prepare() {
    "$here/web01/apply"
    mkdir -p /backup
    backupspec-run init
    vgcreate lab /dev/vdc
    lvcreate --yes --size 128M --name ext lab
    lvcreate --yes --size 320M --name xfs lab
    lvcreate --yes --size 64M --name inner lab
    lvcreate --yes --size 192M --thinpool pool lab
    lvcreate --yes --virtualsize 128M --thin --name thin lab/pool
    mkfs.ext4 -q /dev/lab/ext
    mkfs.ext4 -q /dev/lab/inner
    mkfs.ext4 -q /dev/lab/thin
    mkfs.xfs -q /dev/lab/xfs
    for name in ext xfs thin; do
        mkdir -p "/srv/$name"
        mount "/dev/lab/$name" "/srv/$name"
        mkdir "/srv/$name/data"
    done
    mkdir "/srv/ext/data/inner of it"
    mount /dev/lab/inner "/srv/ext/data/inner of it"
    echo x >"/srv/ext/data/inner of it/x"
    lvcreate --yes --size 8M --snapshot --name others lab/ext
    lvcreate --yes --size 8M --snapshot --name 'backupspec+ext+local+others' lab/ext
    lvcreate --yes --size 8M --snapshot --name others-too --addtag backupspec:web01_ext_local lab/ext
    head -c 1000000 /dev/urandom >/srv/ext/large
    if [ "$1" = zfs ]; then
        modprobe zfs
        zpool create tank /dev/vdd
        zfs create tank/child
        zfs create -o mountpoint=none tank/others
        echo x >/tank/child/x
        zfs snapshot tank@others
        zfs snapshot tank/others@backupspec-tank_local
        zfs snapshot -o backupspec:run=web01_other_local tank/child@others
    fi
}

if [ "$1" = prepare ]; then
    set -e
    prepare "$2"
    exit
fi
check prepared sh "$0" prepare "$1"
for job in ext xfs thin; do
    check "$job-moment" of_one_moment "$job" "/srv/$job/data/file"
    check "$job-killed" killed "$job"
    check "$job-power" after_power_cut "$job"
    check "$job-confined" confined "$job"
done
check ext-nested holds ext 'srv/ext/data/inner of it/x'
check ext-overflow overflows ext
check lvm-refuses refuses rootlvm '/etc is on btrfs, not on ext4 or xfs'
check lvm-others lvs lab/others lab/backupspec+ext+local+others lab/others-too
check root-moment of_one_moment root /root/file
check root-killed killed root
if [ "$1" = zfs ]; then
    check zfs-moment of_one_moment tank /tank/child/file
    check zfs-killed killed tank
    check zfs-power after_power_cut tank
    check zfs-confined confined tank
    check zfs-nested holds tank tank/child/x
    check zfs-others zfs list -t snapshot tank@others tank/others@backupspec-tank_local tank/child@others
fi
told end OK
