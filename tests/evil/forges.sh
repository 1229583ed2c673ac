#!/bin/sh
# Writes records with right checksums on the channel of the test, then fails: with a wrong nonce, without a
# nonce, and with the guest's own nonce and a number that init has used.
#: channel = "console"

# forge NONCE SEQ TYPE PAYLOAD: a record with the right checksum, as init writes it.
forge() {
    head="$1 $2 $3 "
    sum=$(printf '%s%s' "$head" "$4" | crc32)
    printf '\n@kiln %s%s %s\n' "$head" "${sum%% *}" "$4" > /dev/console
}

# own_nonce: the nonce of this guest, from the memory of init.
own_nonce() {
    grep 'rw-p' /proc/1/maps | while read -r range _; do
        start=$((0x${range%-*} / 4096)) end=$((0x${range#*-} / 4096))
        dd if=/proc/1/mem bs=4096 skip=$start count=$((end - start)) 2> /dev/null
    done | tr -c '0-9a-z@ ' '\n' | sed -n 's/^@kiln \([0-9a-f]\{32\}\) .*/\1/p' | head -n 1
}

in_guest() {
    for seq in 1 2 3 100; do
        forge 00000000000000000000000000000000 "$seq" end '0 0'
        forge - "$seq" end '0 0'
    done
    # A record that init has sent with its nonce.
    post here
    nonce=$(own_nonce)
    test "${#nonce}" = 32 || fail "init's memory holds no nonce"
    forge "$nonce" 1 end '0 0'
    exit 1
}
