/* vsock_credit: see the header. */
#include "vsock/vsock_credit.h"

/* Packets whose last byte the guest's reader has taken are acknowledged. */
static void acknowledge(struct vsock_credit *credit)
{
	while (credit->packets > 0 &&
		(int32_t)(credit->guest_forwarded - credit->ends[credit->first]) >= 0) {
		credit->first = (credit->first + 1) % VSOCK_PACKETS_MAX;
		credit->packets--;
	}
}

void vsock_credit_update(struct vsock_credit *credit, uint32_t buffer, uint32_t forwarded)
{
	credit->guest_buffer = buffer;
	credit->guest_forwarded = forwarded;
	acknowledge(credit);
}

uint32_t vsock_credit_free(const struct vsock_credit *credit)
{
	uint32_t flying = credit->sent - credit->guest_forwarded;

	return flying > credit->guest_buffer ? 0 : credit->guest_buffer - flying;
}

unsigned vsock_credit_packets(const struct vsock_credit *credit)
{
	uint32_t limit = credit->guest_buffer / VSOCK_BYTES_PER_PACKET;

	if (limit == 0)
		limit = 1;
	if (limit > VSOCK_PACKETS_MAX)
		limit = VSOCK_PACKETS_MAX;
	return limit > credit->packets ? limit - credit->packets : 0;
}

uint32_t vsock_credit_sendable(const struct vsock_credit *credit)
{
	uint32_t room = vsock_credit_free(credit), crumb = VSOCK_CRUMB;

	/* With nothing under way the room is the whole buffer: never a crumb. */
	if (crumb > credit->guest_buffer / 4)
		crumb = credit->guest_buffer / 4;
	if (vsock_credit_packets(credit) == 0 || room < crumb)
		return 0;
	return room;
}

void vsock_credit_sent(struct vsock_credit *credit, uint32_t len)
{
	credit->sent += len;
	if (credit->packets < VSOCK_PACKETS_MAX) {
		credit->ends[(credit->first + credit->packets) % VSOCK_PACKETS_MAX] = credit->sent;
		credit->packets++;
	}
}

bool vsock_credit_receive(struct vsock_credit *credit, uint32_t len)
{
	uint32_t unread = credit->received - credit->forwarded;

	if (len > VSOCK_WINDOW - unread)
		return false;
	credit->received += len;
	return true;
}

void vsock_credit_take(struct vsock_credit *credit, uint32_t len)
{
	credit->forwarded += len;
}

bool vsock_credit_should_tell(const struct vsock_credit *credit)
{
	return credit->forwarded - credit->told >= VSOCK_WINDOW / 4;
}
