#!/bin/sh
# Keys of every kind and both modifiers of each kind that are sent to a keyboard go down and up in the guest, in order.
#: choices.keyboard = { devices = ["usb-kbd", "virtio-keyboard-pci"] }
#: slots = 1

in_host() {
    qemu -device qemu-xhci,id=usb -append "keyboards=$(offered keyboard | paste -sd ,)"
}

in_guest() {
    for keyboard in $(kernel_parameter keyboards | tr , ' '); do
        case $keyboard in
            usb-*) record_input "$keyboard" bus=usb.0 ;;
            *) record_input "$keyboard" ;;
        esac
        # The device that was activated last receives the events: this one, once its driver uses it.
        wait_for "key 'esc true' 'esc false'; keys | grep -q '^1-\| 1-'"
        # What was sent meanwhile has arrived before this.
        key 'end true' 'end false'
        wait_for "keys | grep -q '107-'"
        # A letter, a digit, a function, cursor and keypad keys and others, each with its code.
        for code in k=37 1=2 f12=88 up=103 kp_5=76 ret=28 delete=111; do
            expect "${code#*=}+ ${code#*=}-" "${code%=*} true" "${code%=*} false"
        done
        # A modifier is down while another key goes down and up.
        for code in ctrl=29 ctrl_r=97 shift=42 shift_r=54 alt=56 alt_r=100 meta_l=125 meta_r=126; do
            expect "${code#*=}+ 37+ 37- ${code#*=}-" "${code%=*} true" 'k true' 'k false' "${code%=*} false"
        done
        end_recording
    done
}

# expect KEYS 'KEY true|false'…: presses and releases keys, and compares what the guest reports.
expect() {
    expected=$1
    shift
    seen=$(keys | wc -w)
    key "$@"
    wait_for "test \$(keys | wc -w) -ge $((seen + $#))"
    found=$(keys | cut -d ' ' -f "$((seen + 1))-")
    test "$found" = "$expected" || fail "$keyboard: $*: expected $expected, found $found"
}

# key 'KEY true|false'…: presses or releases keys.
key() {
    list=''
    for change; do
        list="$list,{\"type\": \"key\", \"data\": {\"down\": ${change#* }, \"key\": {\"type\": \"qcode\", \"data\": \"${change% *}\"}}}"
    done
    qmp input-send-event "events=[${list#,}]" > /dev/null
}

# The keys that went down and up.
keys() {
    input_events | sed -n 's/^1 \(.*\) 1$/\1+/p; s/^1 \(.*\) 0$/\1-/p' | paste -sd ' '
}
