/* service_table: see service_table.h. */
#include "service/service_table.h"

#include "base/cleanup.h"
#include "service/handlers.h"

#include "agent.pb-c.h"
#include "health.pb-c.h"
#include "memory.pb-c.h"

#define ROW(service, method, in, out, handler)                                                     \
	{                                                                                          \
		service, #method, &in##__descriptor, &out##__descriptor, handler                   \
	}
#define AGENT(method, in, out, handler) ROW("grpc.AgentService", method, in, out, handler)

const struct rpc_method service_table[] = {
	AGENT(CreateContainer, grpc__create_container_request, google__protobuf__empty,
		handle_create_container),
	AGENT(StartContainer, grpc__start_container_request, google__protobuf__empty,
		handle_start_container),
	AGENT(RemoveContainer, grpc__remove_container_request, google__protobuf__empty,
		handle_remove_container),
	AGENT(ExecProcess, grpc__exec_process_request, google__protobuf__empty,
		handle_exec_process),
	AGENT(SignalProcess, grpc__signal_process_request, google__protobuf__empty,
		handle_signal_process),
	AGENT(WaitProcess, grpc__wait_process_request, grpc__wait_process_response,
		handle_wait_process),
	AGENT(UpdateContainer, grpc__update_container_request, google__protobuf__empty,
		handle_update_container),
	AGENT(UpdateEphemeralMounts, grpc__update_ephemeral_mounts_request, google__protobuf__empty,
		handle_update_ephemeral_mounts),
	AGENT(StatsContainer, grpc__stats_container_request, grpc__stats_container_response,
		handle_stats_container),
	AGENT(PauseContainer, grpc__pause_container_request, google__protobuf__empty,
		handle_pause_container),
	AGENT(ResumeContainer, grpc__resume_container_request, google__protobuf__empty,
		handle_resume_container),
	AGENT(RemoveStaleVirtiofsShareMounts, grpc__remove_stale_virtiofs_share_mounts_request,
		google__protobuf__empty, handle_remove_stale_share_mounts),
	AGENT(GetDiagnosticData, grpc__get_diagnostic_data_request,
		grpc__get_diagnostic_data_response, handle_get_diagnostic_data),
	AGENT(WriteStdin, grpc__write_stream_request, grpc__write_stream_response,
		handle_write_stdin),
	AGENT(ReadStdout, grpc__read_stream_request, grpc__read_stream_response,
		handle_read_stdout),
	AGENT(ReadStderr, grpc__read_stream_request, grpc__read_stream_response,
		handle_read_stderr),
	AGENT(CloseStdin, grpc__close_stdin_request, google__protobuf__empty, handle_close_stdin),
	AGENT(TtyWinResize, grpc__tty_win_resize_request, google__protobuf__empty,
		handle_tty_win_resize),
	AGENT(UpdateInterface, grpc__update_interface_request, types__interface,
		handle_update_interface),
	AGENT(UpdateRoutes, grpc__update_routes_request, grpc__routes, handle_update_routes),
	AGENT(ListInterfaces, grpc__list_interfaces_request, grpc__interfaces,
		handle_list_interfaces),
	AGENT(ListRoutes, grpc__list_routes_request, grpc__routes, handle_list_routes),
	AGENT(AddARPNeighbors, grpc__add_arpneighbors_request, google__protobuf__empty,
		handle_add_arp_neighbors),
	AGENT(GetIPTables, grpc__get_iptables_request, grpc__get_iptables_response,
		handle_get_iptables),
	AGENT(SetIPTables, grpc__set_iptables_request, grpc__set_iptables_response,
		handle_set_iptables),
	AGENT(GetMetrics, grpc__get_metrics_request, grpc__metrics, handle_get_metrics),
	AGENT(MemAgentMemcgSet, grpc__mem_agent_memcg_config, google__protobuf__empty, NULL),
	AGENT(MemAgentCompactSet, grpc__mem_agent_compact_config, google__protobuf__empty, NULL),
	AGENT(CreateSandbox, grpc__create_sandbox_request, google__protobuf__empty,
		handle_create_sandbox),
	AGENT(DestroySandbox, grpc__destroy_sandbox_request, google__protobuf__empty,
		handle_destroy_sandbox),
	AGENT(OnlineCPUMem, grpc__online_cpumem_request, google__protobuf__empty,
		handle_online_cpu_mem),
	AGENT(ReseedRandomDev, grpc__reseed_random_dev_request, google__protobuf__empty, NULL),
	AGENT(GetGuestDetails, grpc__guest_details_request, grpc__guest_details_response,
		handle_get_guest_details),
	AGENT(MemHotplugByProbe, grpc__mem_hotplug_by_probe_request, google__protobuf__empty, NULL),
	AGENT(SetGuestDateTime, grpc__set_guest_date_time_request, google__protobuf__empty, NULL),
	AGENT(CopyFile, grpc__copy_file_request, google__protobuf__empty, handle_copy_file),
	AGENT(GetOOMEvent, grpc__get_oomevent_request, grpc__oomevent, handle_get_oom_event),
	AGENT(AddSwap, grpc__add_swap_request, google__protobuf__empty, NULL),
	AGENT(AddSwapPath, grpc__add_swap_path_request, google__protobuf__empty, NULL),
	AGENT(GetVolumeStats, grpc__volume_stats_request, grpc__volume_stats_response, NULL),
	AGENT(ResizeVolume, grpc__resize_volume_request, google__protobuf__empty, NULL),
	AGENT(SetPolicy, grpc__set_policy_request, google__protobuf__empty, handle_set_policy),
	ROW("grpc.Health", Check, grpc__check_request, grpc__health_check_response,
		handle_health_check),
	ROW("grpc.Health", Version, grpc__check_request, grpc__version_check_response,
		handle_health_version),
	ROW("cradle.Memory", ListOOMRecords, cradle__list_oomrecords_request,
		cradle__list_oomrecords_response, handle_list_oom_records),
	ROW("cradle.Memory", WaitOOMRecord, cradle__wait_oomrecord_request,
		cradle__list_oomrecords_response, handle_wait_oom_record),
	ROW("cradle.Memory", GetMemoryState, cradle__get_memory_state_request, cradle__memory_state,
		handle_get_memory_state),
	ROW("cradle.Memory", WatchPressure, cradle__watch_pressure_request,
		cradle__watch_pressure_response, handle_watch_pressure),
};
const size_t service_table_count = ARRAY_SIZE(service_table);
