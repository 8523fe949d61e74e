AGENT_SRC += agent/telemetry/log_sink.c
