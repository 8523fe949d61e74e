/*
 * vsock_state: the state table of a vsock connection (pure). vsock_connection does what it says.
 */
#ifndef VSOCK_VSOCK_STATE_H
#define VSOCK_VSOCK_STATE_H

enum vsock_state {
	VSOCK_REQUESTED, /* our REQUEST is under way */
	VSOCK_OPEN,
	VSOCK_CLOSING,	 /* we said SHUTDOWN both; the guest's RST or a deadline ends it */
	VSOCK_RESETTING, /* our RST is to be sent; the key is held until then */
	VSOCK_GONE,	 /* the key is free; bytes may still go to the owner */
	VSOCK_STATES,
};

enum vsock_event {
	VSOCK_EV_RESPONSE,     /* guest: RESPONSE */
	VSOCK_EV_RST,	       /* guest: RST */
	VSOCK_EV_DATA,	       /* guest: RW within its credit */
	VSOCK_EV_GUEST_CLOSED, /* guest: SHUTDOWN, now in both directions */
	VSOCK_EV_BOTH_ENDED,   /* guest sends no more, and our end of file is due */
	VSOCK_EV_OWNER_GONE,   /* owner closed its end, its last byte is sent */
	VSOCK_EV_BROKEN,       /* guest broke a rule, or the owner's descriptor failed */
	VSOCK_EV_DEADLINE,
	VSOCK_EV_CANCEL,   /* the dial's owner gave up */
	VSOCK_EV_RST_SENT, /* our RST is on its way */
	VSOCK_EV_NO_DEVICE,
	VSOCK_EVENTS,
};

/* What a transition does besides. */
#define VSOCK_DO_OPENED	  1  /* tell the dialler: open */
#define VSOCK_DO_REFUSED  2  /* tell the dialler: -ECONNREFUSED */
#define VSOCK_DO_TIMEOUT  4  /* tell the dialler: -ETIMEDOUT */
#define VSOCK_DO_LOST	  8  /* tell the dialler: -ENOTCONN */
#define VSOCK_DO_RST	  16 /* queue RST, forget all else that was to be sent */
#define VSOCK_DO_SHUTDOWN 32 /* queue SHUTDOWN both, start the deadline */

struct vsock_transition {
	enum vsock_state next;
	unsigned actions;
};
/* The table (pure): what an event does in a state. A cell that cannot happen stays in its state. */
struct vsock_transition vsock_transition(enum vsock_state state, enum vsock_event event);
const char *vsock_state_name(enum vsock_state state);
const char *vsock_event_name(enum vsock_event event);

#endif
