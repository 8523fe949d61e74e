HOST_SRC += $(addprefix host-tools/stats/, agent_connection.c memory_fetch.c plain_agent.c stats.c stats_table.c)
