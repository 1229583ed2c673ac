#!/bin/sh
# The guest has the same files, commands, users and environment on every target.

in_guest() {
    busybox | sed -n '1s/v[0-9.]* /vN /p'
    echo "applets: $(busybox --list | wc -l)"
    busybox --list | tr '\n' ' ' | fold -s -w 120
    echo
    echo "PATH=$PATH HOME=$HOME TERM=$TERM $(hostname) $(pwd) $(id)"
    cat /etc/passwd /etc/group
    # Files of the runner and the kernel are not part of the image.
    find / -xdev ! -type l ! -path '/dev/*' ! -path '/kiln/*' ! -path '/kiln' | sort |
        while read -r file; do
            stat -c '%A %n' "$file"
        done
    # A new version of a recipe does not change this output.
    sed 's/[0-9a-f]\{64\}/SHA256/; s/[0-9]\+\(\.[0-9]\+\)\+/N/; s/for [a-z0-9_]* is a Linux/for TARGET is a Linux/' /NOTICE
}
