# The guest: it does one access at a time, as the host says, and asks what to do next.
#
# It asks with a 4-byte IN from one of three ports; the value that comes back is the offset of the
# routine to go on with. Registers that stay: rbx the vCPU's mailbox, r12 the first byte of this code,
# r13 the top of the stack, dx the port of the prompt. The mailbox has the address, port or MSR at 0,
# a value to write at 8, the value read at 16, and what identifies an interrupt's stub at 24.
# IF is clear but in `window`. Every routine begins on a multiple of 32.

        .intel_syntax noprefix
        .code64
        .equ    PROMPT, 0x5200
        .equ    WINDOW, 0x5201
        .equ    TAKEN, 0x5202

prompt: in      eax, dx
        mov     rdi, [rbx]
        add     rax, r12
        jmp     rax

        .p2align 5, 0xcc
write1: mov     al, [rbx + 8]
        mov     [rdi], al
        jmp     prompt
        .p2align 5, 0xcc
write2: mov     ax, [rbx + 8]
        mov     [rdi], ax
        jmp     prompt
        .p2align 5, 0xcc
write4: mov     eax, [rbx + 8]
        mov     [rdi], eax
        jmp     prompt
        .p2align 5, 0xcc
write8: mov     rax, [rbx + 8]
        mov     [rdi], rax
        jmp     prompt

        .p2align 5, 0xcc
read1:  mov     al, [rdi]
        mov     [rbx + 16], al
        jmp     prompt
        .p2align 5, 0xcc
read2:  mov     ax, [rdi]
        mov     [rbx + 16], ax
        jmp     prompt
        .p2align 5, 0xcc
read4:  mov     eax, [rdi]
        mov     [rbx + 16], eax
        jmp     prompt
        .p2align 5, 0xcc
read8:  mov     rax, [rdi]
        mov     [rbx + 16], rax
        jmp     prompt

        .p2align 5, 0xcc
out1:   mov     eax, [rbx + 8]
        mov     edx, edi
        out     dx, al
        mov     edx, PROMPT
        jmp     prompt
        .p2align 5, 0xcc
out2:   mov     eax, [rbx + 8]
        mov     edx, edi
        out     dx, ax
        mov     edx, PROMPT
        jmp     prompt
        .p2align 5, 0xcc
out4:   mov     eax, [rbx + 8]
        mov     edx, edi
        out     dx, eax
        mov     edx, PROMPT
        jmp     prompt

        .p2align 5, 0xcc
in1:    mov     edx, edi
        in      al, dx
        mov     [rbx + 16], al
        mov     edx, PROMPT
        jmp     prompt
        .p2align 5, 0xcc
in2:    mov     edx, edi
        in      ax, dx
        mov     [rbx + 16], ax
        mov     edx, PROMPT
        jmp     prompt
        .p2align 5, 0xcc
in4:    mov     edx, edi
        in      eax, dx
        mov     [rbx + 16], eax
        mov     edx, PROMPT
        jmp     prompt

        .p2align 5, 0xcc
rdmsr:  mov     ecx, edi
        rdmsr
        mov     [rbx + 16], eax
        mov     [rbx + 20], edx
        mov     edx, PROMPT
        jmp     prompt
        .p2align 5, 0xcc
wrmsr:  mov     ecx, edi
        mov     eax, [rbx + 8]
        mov     edx, [rbx + 12]
        wrmsr
        mov     edx, PROMPT
        jmp     prompt

# The interrupt window. A host may inject at the STI, or only when the guest is entered again: hence
# the second prompt.
        .p2align 5, 0xcc
window: sti
        nop
        mov     edx, WINDOW
        in      eax, dx
        nop
        cli
        mov     edx, PROMPT
        jmp     prompt

# Called by the stub of a vector, whose return address tells which.
        .p2align 5, 0xcc
taken:  pop     qword ptr [rbx + 24]
        push    rax
        push    rdx
        mov     edx, TAKEN
        in      eax, dx
        add     rax, r12
        jmp     rax

# Return from an interrupt, with IF clear: one is taken at a time.
        .p2align 5, 0xcc
leave:  pop     rdx
        pop     rax
        btr     dword ptr [rsp + 16], 9
        iretq

# Give up what faulted.
        .p2align 5, 0xcc
abort:  mov     rsp, r13
        mov     edx, PROMPT
        jmp     prompt
