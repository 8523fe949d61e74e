/*
 * guest_net: the network of --net user, as QEMU makes it and as the agent is told of it: QEMU's own
 * user network, behind which the host's 127.0.0.1 answers at the gateway's address. Used by
 * vm/qemu_command and run/agent_link.
 *
 * Source: QEMU docs/system/devices/net.rst, qemu-options.hx (-netdev user).
 */
#ifndef VM_GUEST_NET_H
#define VM_GUEST_NET_H

#define GUEST_NET_NAME	  "eth0"
#define GUEST_NET_MAC	  "52:54:00:c8:ad:1e"
#define GUEST_NET_NETWORK "10.0.2.0/24"
#define GUEST_NET_ADDRESS "10.0.2.15"
#define GUEST_NET_PREFIX  "24"
#define GUEST_NET_GATEWAY "10.0.2.2"
#define GUEST_NET_DNS	  "10.0.2.3"

/* Where the sandbox's resolv.conf lies in the guest (agent-api-containers.md 1.5). */
#define GUEST_NET_RESOLV_CONF "/run/kata-containers/sandbox/resolv.conf"

#endif
