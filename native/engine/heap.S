/*
 * The heap's place in the executable. The build links twice: with room that is empty, for the process that fills it, and
 * then with what that process wrote. The section has one name and one address in both, so that nothing else moves, for
 * the heap has pointers into the program.
 */
#include "place.h"

#ifdef HEAP_IMAGE
	.section .heap, "aw", %progbits
#else
	.section .heap, "aw", %nobits
#endif
	.globl heap_section
heap_section:
#ifdef HEAP_IMAGE
	.incbin HEAP_IMAGE
#else
	.space HEAP_LIMIT
#endif

	.section .note.GNU-stack, "", %progbits
