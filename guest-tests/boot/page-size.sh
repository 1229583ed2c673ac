#!/bin/sh
# Pages of memory have the size that the file of the target states.

in_guest() {
    # A kernel of the caller's own may have other pages.
    grep -q ' (kiln@kiln) ' /proc/version || skip "the kernel is not that of the image"
    page=$(awk '/^KernelPageSize:/ { print $2 * 1024; exit }' /proc/self/smaps)
    echo "page size: $page"
    test "$page" = "$KILN_PAGE_SIZE"
}
