/* Entry by PVH (docs of Xen, "x86/HVM direct boot ABI"): 32-bit protected mode, no paging, EBX has the start
 * information. From there to 64-bit mode, with the first 4 GiB mapped where they are. */

#define CODE 8
#define DATA 16
#define PAGE_PRESENT_WRITE 3
#define PAGE_LARGE 0x80
#define CR0_PG_WP_PE 0x80010001
#define CR4_PAE 0x20
#define EFER 0xc0000080
#define EFER_LME_NXE 0x900

    .section .note.pvh, "a", @note
    .balign 4
    .long 4, 8, 18
    .asciz "Xen"
    .quad entry

    .text
    .code32
    .globl entry
entry:
    cld
    movl %ebx, start_information
    movl $stack_end, %esp

    /* Four directories with 512 pages of 2 MiB each. */
    movl $directories, %edi
    movl $(PAGE_PRESENT_WRITE | PAGE_LARGE), %eax
    movl $2048, %ecx
1:  movl %eax, (%edi)
    addl $0x200000, %eax
    addl $8, %edi
    loop 1b

    movl $(directories + PAGE_PRESENT_WRITE), %eax
    movl $pointers, %edi
    movl $4, %ecx
1:  movl %eax, (%edi)
    addl $0x1000, %eax
    addl $8, %edi
    loop 1b
    movl $(pointers + PAGE_PRESENT_WRITE), page_tables

    movl $CR4_PAE, %eax
    movl %eax, %cr4
    movl $page_tables, %eax
    movl %eax, %cr3
    movl $EFER, %ecx
    rdmsr
    orl $EFER_LME_NXE, %eax
    wrmsr
    movl $CR0_PG_WP_PE, %eax
    movl %eax, %cr0
    lgdt descriptors_pointer
    ljmp $CODE, $1f

    .code64
1:  movl $DATA, %eax
    movl %eax, %ds
    movl %eax, %es
    movl %eax, %ss
    xorl %ebp, %ebp
    call start

/* Where another processor begins: in real mode, copied to `PROCESSOR_ENTRY` of processors.c. */
    .globl processor_entry, processor_entry_end
    .code16
processor_entry:
    cli
    movw %cs, %ax
    movw %ax, %ds
    lgdtl processor_descriptors - processor_entry
    movl $CR4_PAE, %eax
    movl %eax, %cr4
    movl $page_tables, %eax
    movl %eax, %cr3
    movl $EFER, %ecx
    rdmsr
    orl $EFER_LME_NXE, %eax
    wrmsr
    movl $CR0_PG_WP_PE, %eax
    movl %eax, %cr0
    ljmpl $CODE, $processor_start_64
    .balign 4
processor_descriptors:
    .word descriptors_end - descriptors - 1
    .long descriptors
processor_entry_end:

    .code64
processor_start_64:
    movl $DATA, %eax
    movl %eax, %ds
    movl %eax, %es
    movl %eax, %ss
    movq processor_stack, %rsp
    xorl %ebp, %ebp
    call processor_main

    .section .rodata
    .balign 8
descriptors:
    .quad 0
    .quad 0x00af9b000000ffff
    .quad 0x00cf93000000ffff
descriptors_end:
descriptors_pointer:
    .word descriptors_end - descriptors - 1
    .long descriptors

    .bss
    .balign 4096
    .globl page_tables
page_tables:
    .skip 4096
pointers:
    .skip 4096
directories:
    .skip 4 * 4096
    .balign 16
    .skip 16384
stack_end:
    .globl start_information
start_information:
    .skip 4

    .section .note.GNU-stack, "", @progbits
