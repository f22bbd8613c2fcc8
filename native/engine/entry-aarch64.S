/* The executable's entry: remembers the stack as the kernel made it, then starts libc. */
	.text
	.globl engine_entry
engine_entry:
	hint	#34			/* bti c */
	mov	x29, #0
	mov	x30, #0
	mov	x0, sp
	adrp	x1, engine_stack
	str	x0, [x1, :lo12:engine_stack]
	bl	engine_own_segments
	mov	x0, #0
	b	_start

	.globl engine_on_stack
engine_on_stack:
	hint	#34			/* bti c */
	mov	x29, #0
	mov	x30, #0
	mov	sp, x0
	blr	x1
	brk	#1

	.section .note.GNU-stack, "", @progbits
