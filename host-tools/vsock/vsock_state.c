/* vsock_state: see the header. */
#include "vsock/vsock_state.h"

#define CELL(state, actions)                                                                       \
	{                                                                                          \
		VSOCK_##state, actions                                                             \
	}
#define RESET_CELL CELL(RESETTING, VSOCK_DO_RST)

/* Rows: states; cells in the order of enum vsock_event. */
static const struct vsock_transition table[VSOCK_STATES][VSOCK_EVENTS] = {
	[VSOCK_REQUESTED] =
		{
			[VSOCK_EV_RESPONSE] = CELL(OPEN, VSOCK_DO_OPENED),
			[VSOCK_EV_RST] = CELL(GONE, VSOCK_DO_REFUSED),
			[VSOCK_EV_DATA] = CELL(RESETTING, VSOCK_DO_RST | VSOCK_DO_REFUSED),
			[VSOCK_EV_GUEST_CLOSED] = CELL(RESETTING, VSOCK_DO_RST | VSOCK_DO_REFUSED),
			[VSOCK_EV_BOTH_ENDED] = CELL(REQUESTED, 0),
			[VSOCK_EV_OWNER_GONE] = CELL(REQUESTED, 0),
			[VSOCK_EV_BROKEN] = CELL(RESETTING, VSOCK_DO_RST | VSOCK_DO_REFUSED),
			[VSOCK_EV_DEADLINE] = CELL(RESETTING, VSOCK_DO_RST | VSOCK_DO_TIMEOUT),
			[VSOCK_EV_CANCEL] = RESET_CELL,
			[VSOCK_EV_RST_SENT] = CELL(REQUESTED, 0),
			[VSOCK_EV_NO_DEVICE] = CELL(GONE, VSOCK_DO_LOST),
		},
	[VSOCK_OPEN] =
		{
			[VSOCK_EV_RESPONSE] = RESET_CELL,
			[VSOCK_EV_RST] = CELL(GONE, 0),
			[VSOCK_EV_DATA] = CELL(OPEN, 0),
			[VSOCK_EV_GUEST_CLOSED] = RESET_CELL,
			[VSOCK_EV_BOTH_ENDED] = CELL(CLOSING, VSOCK_DO_SHUTDOWN),
			[VSOCK_EV_OWNER_GONE] = CELL(CLOSING, VSOCK_DO_SHUTDOWN),
			[VSOCK_EV_BROKEN] = RESET_CELL,
			[VSOCK_EV_DEADLINE] = RESET_CELL,
			[VSOCK_EV_CANCEL] = RESET_CELL,
			[VSOCK_EV_RST_SENT] = CELL(OPEN, 0),
			[VSOCK_EV_NO_DEVICE] = CELL(GONE, 0),
		},
	[VSOCK_CLOSING] =
		{
			[VSOCK_EV_RESPONSE] = RESET_CELL,
			[VSOCK_EV_RST] = CELL(GONE, 0),
			[VSOCK_EV_DATA] = CELL(CLOSING, 0),
			[VSOCK_EV_GUEST_CLOSED] = RESET_CELL,
			[VSOCK_EV_BOTH_ENDED] = CELL(CLOSING, 0),
			[VSOCK_EV_OWNER_GONE] = CELL(CLOSING, 0),
			[VSOCK_EV_BROKEN] = RESET_CELL,
			[VSOCK_EV_DEADLINE] = RESET_CELL,
			[VSOCK_EV_CANCEL] = RESET_CELL,
			[VSOCK_EV_RST_SENT] = CELL(CLOSING, 0),
			[VSOCK_EV_NO_DEVICE] = CELL(GONE, 0),
		},
	[VSOCK_RESETTING] =
		{
			/* Whatever it says now crosses our RST. Only its own RST saves sending
			   ours. */
			[VSOCK_EV_RESPONSE] = CELL(RESETTING, 0),
			[VSOCK_EV_RST] = CELL(GONE, 0),
			[VSOCK_EV_DATA] = CELL(RESETTING, 0),
			[VSOCK_EV_GUEST_CLOSED] = CELL(RESETTING, 0),
			[VSOCK_EV_BOTH_ENDED] = CELL(RESETTING, 0),
			[VSOCK_EV_OWNER_GONE] = CELL(RESETTING, 0),
			[VSOCK_EV_BROKEN] = CELL(RESETTING, 0),
			[VSOCK_EV_DEADLINE] = CELL(RESETTING, 0),
			[VSOCK_EV_CANCEL] = CELL(RESETTING, 0),
			[VSOCK_EV_RST_SENT] = CELL(GONE, 0),
			[VSOCK_EV_NO_DEVICE] = CELL(GONE, 0),
		},
	[VSOCK_GONE] =
		{
			[VSOCK_EV_RESPONSE] = CELL(GONE, 0),
			[VSOCK_EV_RST] = CELL(GONE, 0),
			[VSOCK_EV_DATA] = CELL(GONE, 0),
			[VSOCK_EV_GUEST_CLOSED] = CELL(GONE, 0),
			[VSOCK_EV_BOTH_ENDED] = CELL(GONE, 0),
			[VSOCK_EV_OWNER_GONE] = CELL(GONE, 0),
			[VSOCK_EV_BROKEN] = CELL(GONE, 0),
			[VSOCK_EV_DEADLINE] = CELL(GONE, 0),
			[VSOCK_EV_CANCEL] = CELL(GONE, 0),
			[VSOCK_EV_RST_SENT] = CELL(GONE, 0),
			[VSOCK_EV_NO_DEVICE] = CELL(GONE, 0),
		},
};

struct vsock_transition vsock_transition(enum vsock_state state, enum vsock_event event)
{
	return table[state][event];
}

const char *vsock_state_name(enum vsock_state state)
{
	static const char *const names[VSOCK_STATES] = {
		"requested", "open", "closing", "resetting", "gone"};

	return state < VSOCK_STATES ? names[state] : "?";
}

const char *vsock_event_name(enum vsock_event event)
{
	static const char *const names[VSOCK_EVENTS] = {"RESPONSE", "RST", "data", "guest closed",
		"both ended", "owner gone", "broken", "deadline", "cancel", "RST sent",
		"no device"};

	return event < VSOCK_EVENTS ? names[event] : "?";
}
