/*
 * plain_agent: what an agent without cradle.Memory tells (a plain Kata agent: StatsContainer, and
 * GetMetrics), in the words of cradle.Memory. Pure.
 */
#ifndef STATS_PLAIN_AGENT_H
#define STATS_PLAIN_AGENT_H

#include "agent.pb-c.h"
#include "memory.pb-c.h"

/* What the answer does not have stays 0. */
void plain_container(const Grpc__StatsContainerResponse *stats, Cradle__ContainerMemory *ret);
/* From the families kata_guest_meminfo and kata_agent_total_rss of Prometheus text. */
void plain_guest(const char *metrics, Cradle__GuestMemory *ret);

#endif
