/* The executable's entry: remembers the stack as the kernel made it, then starts libc. */
	.text
	.globl engine_entry
engine_entry:
	endbr64
	xorl	%ebp, %ebp
	movq	%rsp, engine_stack(%rip)
	movq	%rsp, %rdi
	/* rsp is a multiple of 16 here, as a call wants it. */
	call	engine_hide_segments
	movq	engine_stack(%rip), %rsp
	xorl	%edx, %edx
	jmp	_start

	.section .note.GNU-stack, "", @progbits
