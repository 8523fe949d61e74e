/* Two whole pods, as the two runtimes drive them (lib/pod_life.h), each with a network: here a
 * cable in a namespace of the test's own. Limits and the OOM kill are the VM's part
 * (tests/vm/test_guest). */
#define TEST_TIMEOUT 120
#include "lib/pod_life.h"

#include <sched.h>
#include <stdlib.h>
#include <sys/wait.h>

#include "lib/test_main.h"

static struct agent agent;

#define MAC	"52:54:00:00:00:0a"
#define GATEWAY "10.1.0.1"

/* What all of a pod's containers are in; the far end of the cable is the host's. */
static void make_network(void)
{
	assert_int_equal(unshare(CLONE_NEWNET), 0);
	assert_int_equal(system("ip link add net0 address " MAC " type veth peer name far0 && "
				"ip link set far0 up && ip link set lo up"),
		0);
}

/* As both shims scan it from the pod's namespace. */
static void update_interface(void)
{
	Grpc__UpdateInterfaceRequest request = GRPC__UPDATE_INTERFACE_REQUEST__INIT;
	Types__Interface interface = TYPES__INTERFACE__INIT;
	Types__IPAddress address = TYPES__IPADDRESS__INIT, *list[] = {&address};

	address.address = (char *)"10.1.0.2";
	address.mask = (char *)"24";
	interface.device = interface.name = (char *)"eth0";
	interface.ipaddresses = list;
	interface.n_ipaddresses = 1;
	interface.mtu = 1450;
	interface.hwaddr = (char *)MAC;
	request.interface = &interface;
	agent_ok(&agent, "UpdateInterface", &request);
}

/* The default route and the one to the gateway; the kernel's own are not sent. */
static void update_routes(void)
{
	Grpc__UpdateRoutesRequest request = GRPC__UPDATE_ROUTES_REQUEST__INIT;
	Types__Route way = TYPES__ROUTE__INIT, link = TYPES__ROUTE__INIT, *list[] = {&way, &link};
	Grpc__Routes routes = GRPC__ROUTES__INIT;

	way.device = link.device = (char *)"eth0";
	way.gateway = (char *)GATEWAY;
	link.dest = (char *)"10.9.0.0/16";
	link.scope = 253;
	routes.routes = list;
	routes.n_routes = 2;
	request.routes = &routes;
	agent_ok(&agent, "UpdateRoutes", &request);
}

static void add_neighbors(void)
{
	Grpc__AddARPNeighborsRequest request = GRPC__ADD_ARPNEIGHBORS_REQUEST__INIT;
	Grpc__ARPNeighbors neighbors = GRPC__ARPNEIGHBORS__INIT;
	Types__ARPNeighbor gateway = TYPES__ARPNEIGHBOR__INIT, *list[] = {&gateway};
	Types__IPAddress address = TYPES__IPADDRESS__INIT;

	address.address = (char *)GATEWAY;
	gateway.toipaddress = &address;
	gateway.device = (char *)"eth0";
	gateway.lladdr = (char *)"52:54:00:00:00:01";
	gateway.state = 0x80; /* permanent */
	neighbors.arpneighbors = list;
	neighbors.n_arpneighbors = 1;
	request.neighbors = &neighbors;
	agent_ok(&agent, "AddARPNeighbors", &request);
}

/* The namespace is ours as well: what `ip` says here is what the containers are in. */
static void expect_network(void)
{
	assert_int_equal(system("ip -o link show dev eth0 | grep -q 'mtu 1450' && "
				"ip -o address show dev eth0 | grep -q 'inet 10.1.0.2/24 '"),
		0);
	assert_int_equal(system("ip route | grep -q '^default via " GATEWAY " dev eth0' && "
				"ip route | grep -q '^10.9.0.0/16 dev eth0 .*scope link'"),
		0);
	assert_int_equal(system("ip neigh show dev eth0 | grep -q '^" GATEWAY
				" lladdr 52:54:00:00:00:01 PERMANENT'"),
		0);
}

/* Go ends it with DestroySandbox. */
static void test_go(void **state)
{
	int status;

	make_network();
	agent_start(&agent);
	update_interface();
	update_routes();
	add_neighbors();
	pod_life_go(&agent);
	assert_int_equal(waitpid(agent.pid, &status, 0), agent.pid);
	assert_int_equal(status, 0);
	expect_network();
	ttrpc_client_free(agent.client);
	event_loop_free(agent.loop);
}

/* runtime-rs kills the VM: here the agent is asked to end, and must have nothing left to end. */
static void test_runtime_rs(void **state)
{
	make_network();
	agent_start(&agent);
	update_interface();
	add_neighbors();
	update_routes();
	pod_life_rs(&agent);
	expect_network();
	agent_stop(&agent);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(test_go),
	cmocka_unit_test(test_runtime_rs),
};

int main(void)
{
	test_begin(TEST_TIMEOUT);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
