#!/bin/sh
# Movements, the left and middle button and turns of the wheel arrive once, in their direction, from each mouse and tablet.
#: choices.pointer = { devices = ["usb-mouse", "usb-tablet", "virtio-mouse-pci", "virtio-tablet-pci"] }
#: slots = 2
#: timeout = "60s"

in_host() {
    qemu -device qemu-xhci,id=usb -append "pointers=$(offered pointer | paste -sd ,)"
}

in_guest() {
    for pointer in $(kernel_parameter pointers | tr , ' '); do
        case $pointer in
            usb-*) record_input "$pointer" bus=usb.0 ;;
            *) record_input "$pointer" ;;
        esac
        # The device that was activated last receives the events: this one, once its driver uses it.
        wait_for "button left true; button left false; input_events | grep -qx '1 272 0'"
        # What was sent meanwhile has arrived before this.
        button right true
        button right false
        wait_for "input_events | grep -qx '1 273 0'"
        case $pointer in
            *-mouse*)
                expect rel 11 -7 '2 0 11 2 1 -7'
                expect rel -5 100 '2 0 -5 2 1 100'
                ;;
            *)
                expect abs 8192 24577 '3 0 8192 3 1 24577'
                expect abs 30211 515 '3 0 30211 3 1 515'
                ;;
        esac
        # The codes of the left and the middle button.
        for code in left=272 middle=274; do
            expect "${code%=*}" true "1 ${code#*=} 1"
            expect "${code%=*}" false "1 ${code#*=} 0"
        done
        expect wheel-up true '2 8 1'
        expect wheel-down true '2 8 -1'
        end_recording
    done
}

# expect rel|abs X Y EVENTS, expect BUTTON true|false EVENTS: moves the pointer or a button, and compares what the guest reports.
expect() {
    frames=$(input_events | grep -cx '0 0 0' || true)
    seen=$(input_events | wc -l)
    what="$1 $2"
    if test $# = 4; then
        what="$1 $2 $3"
        qmp input-send-event "events=[
            {\"type\": \"$1\", \"data\": {\"axis\": \"x\", \"value\": $2}},
            {\"type\": \"$1\", \"data\": {\"axis\": \"y\", \"value\": $3}}]"
        shift
    else
        button "$1" "$2"
    fi
    wait_for "test \$(input_events | grep -cx '0 0 0') -gt $frames"
    # Without the ends of frames, scan codes, and the second events of wheels with a high resolution.
    found=$(input_events | tail -n "+$((seen + 1))" | grep -v '^0 \|^4 \|^2 11 ' | paste -sd ' ')
    test "$found" = "$3" || fail "$pointer: $what: expected $3, found $found"
    case $1 in
        wheel-*) button "$1" false ;;
    esac
}

# button BUTTON true|false: presses or releases it.
button() {
    qmp input-send-event "events=[{\"type\": \"btn\", \"data\": {\"button\": \"$1\", \"down\": $2}}]"
}
