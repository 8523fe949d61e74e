/*
 * hard_limits: every hard maximum of the agent: the value, why it is that, and what the peer is
 * told when it is hit. Whatever a peer can size is bounded by a line of this file. Host tools use
 * the limits of the wire as well.
 *
 * Not called limits.h: gcc's own <limits.h> reads the C library's by #include_next, which starts
 * over at the -iquote folders and would find a file of that name here.
 */
#ifndef HARD_LIMITS_H
#define HARD_LIMITS_H

/* ---- the wire ---- */

/*
 * Bytes of one ttrpc frame without its header. Protocol maximum (wire.md section 2), not a choice.
 * Longer: the body is read and thrown away, the call is answered INVALID_ARGUMENT, the connection
 * stays up. A response over it is replaced by INVALID_ARGUMENT.
 */
#define FRAME_MAX 4194304

/*
 * Memory of one call: decoded request, response, what the handler derives. A decoded message is
 * larger than its bytes on the wire, by how much depends on its shape. Measured, x86-64 (printed by
 * tests/unit/ttrpc/test_message): a full 4 MiB WriteStdin takes 4.0 MiB, 8.0 with its envelope in
 * the same arena; a container with 4 MiB of environment, 64 bytes a variable, 7.4 MiB; an ordinary
 * container (11 kB, 400 system calls in its seccomp profile) 97 KiB. A hostile 4 MiB of empty
 * strings would take 300 MB without a limit. Past it: RESOURCE_EXHAUSTED, naming message and limit;
 * nothing of the call is kept.
 */
#define CALL_ARENA_MAX (16 * 1024 * 1024)

/*
 * Messages inside messages. The deepest of ours is six (CreateContainerRequest.OCI.Linux.Seccomp.
 * Syscalls.Args). Deeper, which only unknown or recursive types could be: the payload does not
 * parse, UNKNOWN.
 */
#define MESSAGE_DEPTH_MAX 16

/* ---- memory of the guest ---- */

/*
 * Bytes of the guest's MemTotal that containers may not use: the agent, its helpers, the kernel's
 * unaccounted memory, and room for the agent to go on while containers are at their limit. `cradle`
 * adds it to the VM's size and passes it, with the initrd's size, as cradle.reserve=BYTES; the
 * agent uses this value when nobody passed one. The parent of all containers gets memory.max =
 * MemTotal minus the reserve.
 */
#define AGENT_RESERVE_BYTES (32ull << 20)

#endif
