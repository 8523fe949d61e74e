PROTO_SRC += proto/agent.proto proto/csi.proto proto/empty.proto proto/health.proto \
	proto/mem_agent.proto proto/memory.proto proto/oci.proto proto/ttrpc.proto proto/types.proto
