# The guest: it does one access at a time, as the host says, and asks what to do next.
#
# It asks with a 4-byte IN from one of three ports; the value that comes back is the address of the
# routine to go on with. Registers that stay: rbx the vCPU's mailbox, r13 the top of the stack, dx the
# port of the prompt. The mailbox has the address, port or MSR at 0, a value to write at 8, the value
# read at 16, and what identifies an interrupt's stub at 24.
# IF is clear but in `window`. Every routine begins on a multiple of 32, and asks by itself at its end:
# a host may have to emulate every instruction, of which there are therefore few.

        .intel_syntax noprefix
        .code64
        .equ    PROMPT, 0x5200
        .equ    WINDOW, 0x5201
        .equ    TAKEN, 0x5202

        .macro  ask
        in      eax, dx
        jmp     rax
        .endm

        .macro  ask_again
        mov     edx, PROMPT
        ask
        .endm

prompt: ask

        .p2align 5, 0xcc
write1: mov     rdi, [rbx]
        mov     al, [rbx + 8]
        mov     [rdi], al
        ask
        .p2align 5, 0xcc
write2: mov     rdi, [rbx]
        mov     ax, [rbx + 8]
        mov     [rdi], ax
        ask
        .p2align 5, 0xcc
write4: mov     rdi, [rbx]
        mov     eax, [rbx + 8]
        mov     [rdi], eax
        ask
        .p2align 5, 0xcc
write8: mov     rdi, [rbx]
        mov     rax, [rbx + 8]
        mov     [rdi], rax
        ask

# Select a register of an IOAPIC, and write it.
        .p2align 5, 0xcc
ioapic: mov     rdi, [rbx]
        mov     eax, [rbx + 8]
        mov     [rdi], eax
        mov     eax, [rbx + 12]
        mov     [rdi + 16], eax
        ask

        .p2align 5, 0xcc
read1:  mov     rdi, [rbx]
        mov     al, [rdi]
        mov     [rbx + 16], al
        ask
        .p2align 5, 0xcc
read2:  mov     rdi, [rbx]
        mov     ax, [rdi]
        mov     [rbx + 16], ax
        ask
        .p2align 5, 0xcc
read4:  mov     rdi, [rbx]
        mov     eax, [rdi]
        mov     [rbx + 16], eax
        ask
        .p2align 5, 0xcc
read8:  mov     rdi, [rbx]
        mov     rax, [rdi]
        mov     [rbx + 16], rax
        ask

        .p2align 5, 0xcc
out1:   mov     edx, [rbx]
        mov     eax, [rbx + 8]
        out     dx, al
        ask_again
        .p2align 5, 0xcc
out2:   mov     edx, [rbx]
        mov     eax, [rbx + 8]
        out     dx, ax
        ask_again
        .p2align 5, 0xcc
out4:   mov     edx, [rbx]
        mov     eax, [rbx + 8]
        out     dx, eax
        ask_again

        .p2align 5, 0xcc
in1:    mov     edx, [rbx]
        in      al, dx
        mov     [rbx + 16], al
        ask_again
        .p2align 5, 0xcc
in2:    mov     edx, [rbx]
        in      ax, dx
        mov     [rbx + 16], ax
        ask_again
        .p2align 5, 0xcc
in4:    mov     edx, [rbx]
        in      eax, dx
        mov     [rbx + 16], eax
        ask_again

        .p2align 5, 0xcc
rdmsr:  mov     ecx, [rbx]
        rdmsr
        mov     [rbx + 16], eax
        mov     [rbx + 20], edx
        ask_again
        .p2align 5, 0xcc
wrmsr:  mov     ecx, [rbx]
        mov     eax, [rbx + 8]
        mov     edx, [rbx + 12]
        wrmsr
        ask_again

# The interrupt window. A host may inject at the STI, or only when the guest is entered again: hence
# the second prompt.
        .p2align 5, 0xcc
window: sti
        nop
        mov     edx, WINDOW
        in      eax, dx
        nop
        cli
        ask_again

# Called by the stub of a vector, whose return address tells which.
        .p2align 5, 0xcc
taken:  pop     qword ptr [rbx + 24]
        push    rax
        push    rdx
        mov     edx, TAKEN
        ask

# Return from an interrupt, with IF clear: one is taken at a time.
        .p2align 5, 0xcc
leave:  pop     rdx
        pop     rax
        btr     dword ptr [rsp + 16], 9
        iretq

# Give up what faulted.
        .p2align 5, 0xcc
abort:  mov     rsp, r13
        ask_again
