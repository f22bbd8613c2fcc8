/* The executable's entry: remembers the stack as the kernel made it, then starts libc. */
	.text
	.globl engine_entry
engine_entry:
	endbr64
	xorl	%ebp, %ebp
	movq	%rsp, engine_stack(%rip)
	movq	%rsp, %rdi
	/* rsp is a multiple of 16 here, as a call wants it. */
	call	engine_own_segments
	movq	engine_stack(%rip), %rsp
	xorl	%edx, %edx
	jmp	_start

	.globl engine_on_stack
engine_on_stack:
	endbr64
	xorl	%ebp, %ebp
	movq	%rdi, %rsp
	call	*%rsi
	ud2

	.section .note.GNU-stack, "", @progbits
