#!/bin/sh
# Runs as root in a fresh Debian tree; Scripts/check-deb starts it there. The packages are in /packages/earlier and
# /packages/new, these tests in /tests. VERSION is that of the new packages.
set -eu
export DEBIAN_FRONTEND=noninteractive LC_ALL=C.UTF-8 PATH=/usr/sbin:/usr/bin:/sbin:/bin
cd /tmp

fail() {
    echo "check-deb: $*" >&2
    exit 1
}

expect() { # WHAT EXPECTED ACTUAL
    [ "$2" = "$3" ] || fail "$1: expected '$2', not '$3'"
}

install() { # FOLDER
    apt-get -qq install -o Dpkg::Use-Pty=0 -y /packages/"$1"/*.deb >/tmp/apt.log 2>&1 ||
        fail "could not install $1: $(cat /tmp/apt.log)"
}

# Builds tests/attached.c with pkg-config and with CMake; both must print the same.
build_programs() {
    # shellcheck disable=SC2046  # a list of flags
    cc -Wall -Wextra -Werror -o attached-pkgconfig /tests/attached.c $(pkg-config --cflags --libs sharedmem)
    rm -rf cmake-build
    cmake -S /tests/cmake -B cmake-build -DWANTED="$VERSION" >cmake.log 2>&1 || fail "CMake: $(cat cmake.log)"
    cmake --build cmake-build >cmake.log 2>&1 || fail "CMake: $(cat cmake.log)"
    expect 'program built with CMake' "$(echo | ./attached-pkgconfig)" "$(echo | cmake-build/attached)"
    for wanted in 0.0 99.0; do
        ! cmake -S /tests/cmake -B cmake-build -DWANTED=$wanted >/dev/null 2>&1 || fail "CMake takes this for $wanted"
    done
}

# Every file but those of this test and the records that dpkg and apt keep about any package.
files() {
    find / -xdev \( -path /tmp -o -path /packages -o -path /tests -o -path /proc -o -path /dev -o -path /var/log \
        -o -path /var/cache/apt -o -path /var/lib/apt \) -prune -o -print |
        grep -Ev '^/var/lib/dpkg/[a-z]+-old$|^/etc/(passwd|group|shadow|gshadow)-$|^/etc/\.pwd\.lock$' | sort
}

files >before

# MARK: The earlier version is installed and used

install earlier
expect 'version of the earlier package' "$VERSION~earlier" "$(dpkg-query -W -f '${Version}' libsharedmem0)"
ldconfig -p | grep -q 'libSharedMem.so.0 ' || fail 'ldconfig does not know the library'
getent passwd sharedmem >/dev/null || fail 'the user sharedmem does not exist'
for file in lib/systemd/system/sharedmem.service usr/lib/tmpfiles.d/sharedmem.conf usr/share/man/man1/sharedmem.1.gz \
    usr/share/bash-completion/completions/sharedmem usr/share/man/man3/libsharedmem.3.gz; do
    [ -e "/$file" ] || fail "/$file is missing"
done
[ ! -e /etc/systemd/system/multi-user.target.wants/sharedmem.service ] || fail 'the service is enabled'

sharedmem set --text before
expect 'sharedmem get' before "$(sharedmem get)"
sharedmem serve --listen 127.0.0.1:0 >serve.log 2>serve.errors &
server=$!
tries=0
until grep -q listening serve.log; do
    tries=$((tries + 1))
    [ $tries -lt 300 ] || fail "the server does not listen: $(cat serve.errors)"
    sleep 0.1
done
url=$(sed -n 's/^listening on //p' serve.log)
expect GET before "$(curl -sS "$url")"

build_programs
state=$(sharedmem get -v 2>&1 >/dev/null)
expect 'program built with pkg-config' "$state before" "$(echo | ./attached-pkgconfig)"
cp attached-pkgconfig attached-earlier

# MARK: An upgrade while processes are attached

mkfifo to-attached from-attached
./attached-earlier shared <to-attached >from-attached &
attached=$!
exec 3>to-attached 4<from-attached
ask_attached() {
    echo >&3
    read -r answer <&4 || fail 'the attached process has ended'
    echo "$answer"
}
expect 'attached process before the upgrade' "$state before" "$(ask_attached)"

install new
expect 'version after the upgrade' "$VERSION" "$(dpkg-query -W -f '${Version}' sharedmem)"
expect 'new command after the upgrade' before "$(sharedmem get)"
expect 'its version' "$state" "$(sharedmem get -v 2>&1 >/dev/null)"
expect 'attached process after the upgrade' "$state before" "$(ask_attached)"
expect 'server from before the upgrade' before "$(curl -sS "$url")"
sharedmem set --text after
expect 'attached process after a new set' after "$(ask_attached | cut -d' ' -f2)"
expect 'server after a new set' after "$(curl -sS "$url")"
curl -sS -X PUT -d 'by the old server' "$url"
expect 'new command after an old set' 'by the old server' "$(sharedmem get)"

build_programs

# MARK: Removal

apt-get -qq -y remove sharedmem libsharedmem0 libsharedmem-dev >/tmp/apt.log 2>&1 || fail "remove: $(cat /tmp/apt.log)"
[ ! -e /usr/bin/sharedmem ] || fail 'the command is still there'
ask_attached | grep -q ' by the old server$' || fail 'the attached process has lost the text'
exec 3>&- 4<&-
wait $attached || fail 'the attached process failed'
kill $server
wait $server || fail "the server failed: $(cat serve.errors)"
[ -e /dev/shm/shared.sharedmem ] || fail 'the text is lost'

# What a service leaves that kept its texts on disk.
mkdir -p /var/lib/sharedmem/kept
dpkg --purge sharedmem libsharedmem0 libsharedmem-dev >/tmp/apt.log 2>&1 || fail "purge: $(cat /tmp/apt.log)"
files >after
diff before after || fail 'the files above were left behind, or removed'
echo "sharedmem $VERSION installs, works, upgrades under running processes, and leaves nothing behind"
