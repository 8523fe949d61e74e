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

/* ---- the wire ------------------------------------------------------------------------ */

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
 * Connections of one server. A runtime holds two or three (agent, health, monitor). One more is
 * accepted and closed at once, so that its client knows.
 */
#define CONNECTIONS_MAX 64

/*
 * Calls in flight. A process holds three blocked calls (WaitProcess, ReadStdout, ReadStderr), the
 * sandbox one, so a connection's number allows for 680 processes; each parked call costs about
 * 2 KiB. One more call is answered RESOURCE_EXHAUSTED.
 */
#define CALLS_PER_CONNECTION_MAX 2048
#define CALLS_MAX		 4096

/*
 * Arenas of all calls in flight, as large as they were when their handlers began. A call that comes
 * while they are over it is answered RESOURCE_EXHAUSTED.
 */
#define CALLS_MEMORY_MAX (64 * 1024 * 1024)

/*
 * Answers waiting on one connection for a peer that does not read. From HIGH on we stop reading its
 * requests; calls that were parked may still add theirs up to MAX, past which they are answered
 * RESOURCE_EXHAUSTED (small, and as many as there are calls at most). MAX must hold one FRAME_MAX.
 */
#define WRITE_QUEUE_HIGH (1024 * 1024)
#define WRITE_QUEUE_MAX	 (8 * 1024 * 1024)

/*
 * Partly received frames and waiting answers of all connections together. Past it a long frame is
 * thrown away and its call, or the call whose answer does not fit, is answered RESOURCE_EXHAUSTED;
 * requests of up to 4 KiB are served always.
 */
#define CONNECTIONS_MEMORY_MAX (32 * 1024 * 1024)

/*
 * What big calls leave in the heap, between small blocks that live on, goes back to the kernel when
 * no call of this size has ended for a while (measured: 240 KiB of heap after 64 MiB of output, 70
 * KiB with), and so does what containers leave when the last removal is so long ago (measured: 11
 * MiB after a thousand that were alive at once). Not a periodic tick: one timer after the last.
 */
#define TRIM_CALL_BYTES 32768
#define TRIM_QUIET_MS	1000

/* A frame of which no byte came for so long: the peer is stuck and its connection is closed. */
#define FRAME_STALL_MS 60000

/* A peer that closed its sending side gets queued answers for so long. */
#define CLOSE_FLUSH_MS 5000

/*
 * Bytes of one send(2) on an AF_VSOCK socket. Linux from 6.17, and stable kernels with the
 * backport, build packets over about 28 KiB from page fragments, which stalls vhost-device-vsock
 * 0.3.0 for good, and cloud-hypervisor and libkrun of that time (cloud-hypervisor #7672, libkrun
 * #535). Seen with 64 KiB sends, never with 16 KiB, which are as fast.
 */
#define VSOCK_SEND_MAX 16384

/*
 * The host program's side, where the guest is the hostile one: memory of one decoded response, and
 * requests a guest leaves unread (then a call fails RESOURCE_EXHAUSTED before it is sent).
 */
#define CLIENT_ARENA_MAX  (32 * 1024 * 1024)
#define CLIENT_MEMORY_MAX (16 * 1024 * 1024)

/*
 * The host program's vsock device: connections at once, and those of them that the guest dialled
 * (each takes a descriptor of ours). One more of our own dials fails RESOURCE_EXHAUSTED, one more
 * of the guest's is answered RST (its connect(2) fails ECONNRESET).
 */
#define VSOCK_CONNECTIONS_MAX 4096
#define VSOCK_GUEST_DIALS_MAX 256

/*
 * Bytes from the guest that the device keeps for owners that do not read, over all connections; one
 * alone may have its window, 256 KiB. Kata's agent and ours hold two or three connections. The
 * connection whose bytes do not fit is reset (ECONNRESET in the guest); its owner gets what was
 * kept before, then end of file; the log says so once a boot.
 */
#define VSOCK_BACKLOG_TOTAL_MAX (32 * 1024 * 1024)

/*
 * Messages inside messages. The deepest of ours is six (CreateContainerRequest.OCI.Linux.Seccomp.
 * Syscalls.Args). Deeper, which only unknown or recursive types could be: the payload does not
 * parse, UNKNOWN.
 */
#define MESSAGE_DEPTH_MAX 16

/* ---- memory of the guest ------------------------------------------------------------- */

/*
 * Bytes of the guest's MemTotal that containers may not use: the agent, its helpers, the kernel's
 * unaccounted memory, and room for the agent to go on while containers are at their limit. `cradle`
 * adds it to the VM's size and passes it, with the initrd's size, as cradle.reserve=BYTES; the
 * agent uses this value when nobody passed one. The parent of all containers gets memory.max =
 * MemTotal minus the reserve.
 */
#define AGENT_RESERVE_BYTES (32ull << 20)

/*
 * How often the guest's size is looked at when it has a balloon or a virtio-mem device: neither
 * tells of all that it does. Without them there is no tick; memory blocks are told by uevents.
 */
#define GUEST_SIZE_LOOK_MS 1000
/* The next look when there was news during one; and how many uevents are read before others have
 * their turn: a privileged container can make them (echo change > uevent).
 */
#define GUEST_SIZE_AGAIN_MS 50
#define UEVENTS_A_TURN	    64

/* ---- containers and processes -------------------------------------------------------------------
 */

/* A container id, NUL included. Longer: INVALID_ARGUMENT. runc takes 1024, containerd makes 64. */
#define CONTAINER_ID_MAX 128
#define EXEC_ID_MAX	 256
/* Containers of one sandbox and processes of one container. More: RESOURCE_EXHAUSTED. */
#define CONTAINERS_MAX 4096
#define PROCESSES_MAX  1024
/*
 * Groups a container may nest below its own, in depth and number (cgroup.max.depth and
 * cgroup.max.descendants; the kernel refuses more with EAGAIN). v1 has no such files: there, of
 * more nested groups only so many are looked at in one go (for processes to kill); deeper ones keep
 * their container from being removed.
 */
#define CGROUP_DEPTH_MAX       32
#define CGROUP_DESCENDANTS_MAX 4096
/* Groups removed before others have their turn: 2 to 5 ms (23 to 77 us each were measured). */
#define CGROUP_REMOVE_TURN 64
/* Memory of one launch plan: the spec is bounded by its call's arena, the plan is no larger. */
#define LAUNCH_ARENA_MAX CALL_ARENA_MAX

/* Kernel modules of one CreateSandbox, loaded one after another. More: RESOURCE_EXHAUSTED. */
#define KERNEL_MODULES_MAX 256

/*
 * How long one OCI hook may take: when nothing is said (as Kata's agent), and at most. Past it:
 * killed, which is the hook's failure; a longer timeout is INVALID_ARGUMENT.
 */
#define HOOK_TIMEOUT_S	   10
#define HOOK_TIMEOUT_MAX_S 3600

/*
 * Device rules of one container. Each becomes up to eight BPF instructions, and the kernel's
 * verifier walks them all. More: RESOURCE_EXHAUSTED.
 */
#define DEVICE_RULES_MAX 1024

/*
 * Bytes one ReadStdout/ReadStderr answers: len is a maximum, not an allocation (sharp edges c35,
 * c56). A process that fills its whole pipe (the kernel's 64 KiB) between two reads gets one of
 * PIPE_ROOMY: with one read at a time its output is bound by the round trips (docs/decisions.md).
 * Its pages are charged to the container.
 */
#define READ_MAX   262144
#define PIPE_FULL  65536
#define PIPE_ROOMY 524288

/*
 * How long a helper may take (a mount on a dead share never ends). Past it: killed, the step fails
 * with ETIMEDOUT and is undone.
 */
#define HELPER_TIMEOUT_MS 60000
/* How long a killed container may still have processes before its removal is given up and reported.
 */
#define KILL_TIMEOUT_MS 10000
/* How often it is looked at meanwhile where the kernel does not tell (cgroup v1): doubling. */
#define LOOK_AGAIN_MIN_MS 2
#define LOOK_AGAIN_MAX_MS 200

/*
 * Reading a file of the host's share, and asking for the attributes of what is mounted from it:
 * seconds mean that the host's daemon hangs. Past it: killed, DEADLINE_EXCEEDED.
 */
#define SHARE_TIMEOUT_MS 10000
/* Bytes GetDiagnosticData answers (agent-api-containers.md section 2). */
#define DIAGNOSTIC_MAX 4096

/* After a process has ended: how long a grandchild that holds its pipe keeps end of file away. */
#define STREAM_GRACE_MS 500
/* After WaitProcess: how long unread output stays readable, and of how many processes. */
#define STREAM_LINGER_MS 10000
#define LINGERING_MAX	 64

/*
 * Connections for stdio that no request has claimed (passfd). A container has three, made right
 * before it. Of more, the oldest are closed.
 */
#define PASSFD_STREAMS_MAX 256

/* After DestroySandbox: how long calls in flight may take to finish before the agent ends. */
#define SHUTDOWN_GRACE_MS 5000

/* ---- OOM
 * ------------------------------------------------------------------------------------------ */

/* Events nobody has asked for yet. More are counted and logged as dropped. */
#define OOM_QUEUE_MAX 1024
/*
 * Nested groups of one container that are looked at for OOM kills on cgroup v1, at each look and on
 * the loop (up to 80 us each were seen). Of more, none is; the log says so.
 */
#define OOM_V1_GROUPS_MAX 256
/* How soon after its making such a group is asked for its events: a kill before is told then. */
#define OOM_V1_DISCOVER_MS 100
/* Full records kept for cradle.Memory/ListOOMRecords; older ones are counted as lost. */
#define OOM_RECORDS_MAX 32
/*
 * WatchPressure calls at a time, over all connections: each is a trigger in the kernel, which a
 * helper process closes (memory/pressure_watch.h). More: RESOURCE_EXHAUSTED.
 */
#define PRESSURE_WATCHES_MAX 8
/* Containers that GetMetrics has figures of, and bytes of its text (a frame has 4 MiB). */
#define METRICS_CONTAINERS_MAX 1024
#define METRICS_TEXT_MAX       (3 * 1024 * 1024)
/*
 * A group that dies as one (memory.oom.group) while some of it still lives: how long its kills are
 * awaited, so that they become one event. Less than OOM_HOLD_MS.
 */
#define OOM_GROUP_MS 100
/* The longest a WaitProcess answer waits for its OOM event to be written. */
#define OOM_HOLD_MS 200
/* The longest window within which kills are one event (cradle.oom_window); longer: ignored. */
#define OOM_WINDOW_MAX_MS 60000
/* The longest a record waits for the kernel's log to name its victim; its event does not wait. */
#define OOM_NAME_MS 50
/*
 * A limit that was hit and killed nobody explains no kill that comes later than this, or up to
 * twice this. The kernel takes far less from the one to the other, on an emulated CPU too.
 */
#define OOM_CREDIT_MS 1000

/* ---- network
 * -------------------------------------------------------------------------------------- */

/*
 * Addresses of one UpdateInterface, routes of one UpdateRoutes, entries of one AddARPNeighbors: a
 * message to the kernel each. More: RESOURCE_EXHAUSTED.
 */
#define NETWORK_ADDRESSES_MAX 256
#define NETWORK_ROUTES_MAX    4096
#define NETWORK_NEIGHBORS_MAX 4096
/* Bytes of records of one kind (routes: 80 bytes) that a list reads. More: RESOURCE_EXHAUSTED. */
#define NETWORK_LIST_MAX (1024 * 1024)

/* Bytes of the guest's iptables rules, or of what restoring them prints. More: an error. */
#define IPTABLES_MAX (3 * 1024 * 1024)

/* ---- storages
 * ------------------------------------------------------------------------------------
 */

/* Mount points of one sandbox. A pod has some ten per container. More: RESOURCE_EXHAUSTED. */
#define STORAGE_MAX 1024
/*
 * Bytes of strings of one storage that are kept while it is mounted. Mount data alone is at most a
 * page; the rest are paths. More: INVALID_ARGUMENT.
 */
#define STORAGE_REQUEST_MAX 65536
/* Directories that one overlayfs storage may ask to be made. More: INVALID_ARGUMENT. */
#define STORAGE_DIRECTORIES_MAX 16
/* A mount or unmount that takes longer is killed, undone and reported. Journals are replayed in
 * less. */
#define STORAGE_HELPER_TIMEOUT_MS 60000

#endif
