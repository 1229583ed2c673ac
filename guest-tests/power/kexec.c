/* kexec KERNEL INITRAMFS COMMAND-LINE: boots this kernel from the running one. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/kexec.h>
#include <linux/reboot.h>
#include <stdio.h>
#include <string.h>
#include <sys/reboot.h>
#include <sys/syscall.h>
#include <unistd.h>

int main(int argc, char **argv)
{
    if (argc != 4) {
        fprintf(stderr, "usage: kexec KERNEL INITRAMFS COMMAND-LINE\n");
        return 2;
    }
    int kernel = open(argv[1], O_RDONLY);
    int initramfs = open(argv[2], O_RDONLY);
    if (kernel < 0 || initramfs < 0) {
        perror("kexec: failed to open the kernel or the initramfs");
        return 1;
    }
    if (syscall(SYS_kexec_file_load, kernel, initramfs, strlen(argv[3]) + 1, argv[3], 0UL)) {
        perror("kexec: failed to load the kernel");
        return 1;
    }
    sync();
    reboot(LINUX_REBOOT_CMD_KEXEC);
    perror("kexec: failed to start the kernel");
    return 1;
}
