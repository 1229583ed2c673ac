#!/bin/sh
# dpkg knows the packages of the image and their files, and a program of a package that the test adds works.
#: arch = ["aarch64", "x86_64"]
#: debian.packages = ["jq"]

in_guest() {
    test "$(dpkg-query --show --showformat='${Status}\n' | sort -u)" = 'install ok unpacked'
    test "$(dpkg-query --search /usr/bin/jq)" = 'jq: /usr/bin/jq'
    dpkg-query --listfiles systemd | while read -r file; do
        case $file in
            */copyright | /usr/lib/*) test -e "$file" || test -L "$file" || fail "expected $file of systemd" ;;
        esac
    done
    test "$(echo '{"machines": [{"name": "q35"}, {"name": "virt"}]}' | jq --raw-output '.machines[1].name')" = virt
}
