HOST_SRC += $(addprefix host-tools/stats/, agent_connection.c memory_fetch.c memory_history.c memory_layers.c memory_page.c plain_agent.c stats.c stats_table.c)
