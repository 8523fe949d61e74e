/*
 * The network calls, in a network namespace of the test's own with pairs of virtual cables in it:
 * what `ip` shows afterwards is what was asked for.
 */
#define TEST_TIMEOUT 200
#include "lib/agent_fixture.h"

#include <fcntl.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "base/strings.h"
#include "hard_limits.h"
#include "lib/scratch.h"
#include "lib/test_main.h"

#define MAC0 "52:54:00:00:00:0a"
#define MAC1 "52:54:00:00:00:0b"

static struct agent agent;
static struct agent_census before;

/* ---- what `ip` is told and says ----------------------------------------------------------------
 */

static void sh(const char *script)
{
	if (system(script) != 0)
		fail_msg("failed: %s", script);
}

/* Standard output, without blanks before a newline. */
static const char *says(const char *script)
{
	static char out[16384];
	char line[1024];
	FILE *f = popen(script, "r");
	size_t at = 0;

	assert_non_null(f);
	while (fgets(line, sizeof(line), f)) {
		size_t len = strlen(line);

		while (len && strchr(" \n", line[len - 1]))
			len--;
		at += (size_t)snprintf(out + at, sizeof(out) - at, "%.*s\n", (int)len, line);
		assert_true(at < sizeof(out) - 1);
	}
	out[at] = '\0';
	assert_int_equal(pclose(f), 0);
	return out;
}

#define ADDRESSES(dev)                                                                             \
	"ip address show dev " dev " scope global | sed -n 's/^ *\\(inet6* \\)/\\1/p'"
#define LINK(dev)                                                                                  \
	"ip -o link show dev " dev                                                                 \
	" | sed 's/^[0-9]*: //; s/@[^:]*//; s/ qdisc.*link.ether / /; s/ brd.*//'"

/* Two cables, each with its far end up; this end down, without addresses. */
static void fresh_cables(void)
{
	sh("for l in $(ip -o link | sed -n 's/^[0-9]*: \\([^:@]*\\).*/\\1/p'); do "
	   "case $l in lo|sit0) ;; *) ip link del $l 2> /dev/null || true;; esac; done; "
	   "ip link add net0 address " MAC0 " type veth peer name far0; "
	   "ip link add net1 address " MAC1 " type veth peer name far1; "
	   "ip link set far0 up; ip link set far1 up; ip link set lo up");
}

static int setup(void **state)
{
	assert_int_equal(unshare(CLONE_NEWNET), 0);
	fresh_cables();
	agent_start(&agent);
	container_whole(&agent, "warm", "true", NULL);
	before = agent_census(&agent);
	return 0;
}

static int teardown(void **state)
{
	agent_stop(&agent);
	return 0;
}

/* ---- requests ----------------------------------------------------------------------------------
 */

struct wish {
	Types__Interface interface;
	Types__IPAddress addresses[4], *list[4];
	Grpc__UpdateInterfaceRequest request;
};

static void wish_init(struct wish *wish, const char *name, const char *mac)
{
	types__interface__init(&wish->interface);
	grpc__update_interface_request__init(&wish->request);
	wish->interface.name = (char *)name;
	wish->interface.hwaddr = (char *)mac;
	wish->interface.ipaddresses = wish->list;
	wish->request.interface = &wish->interface;
}

static void wish_address(struct wish *wish, const char *address, const char *mask)
{
	Types__IPAddress *to = &wish->addresses[wish->interface.n_ipaddresses];

	types__ipaddress__init(to);
	to->address = (char *)address;
	to->mask = (char *)mask;
	to->family = strchr(address, ':') != NULL;
	wish->list[wish->interface.n_ipaddresses++] = to;
}

static void update(struct wish *wish)
{
	agent_ok(&agent, "UpdateInterface", &wish->request);
}

static void refuse(struct wish *wish, int code, const char *text)
{
	agent_fails(&agent, "UpdateInterface", &wish->request, code, text);
}

/* fields: dest, gateway, device, source; NULL = not said */
static Types__Route *route(
	const char *dest, const char *gateway, const char *device, const char *source)
{
	Types__Route *to = calloc(1, sizeof(*to));

	types__route__init(to);
	if (dest)
		to->dest = (char *)dest;
	if (gateway)
		to->gateway = (char *)gateway;
	if (device)
		to->device = (char *)device;
	if (source)
		to->source = (char *)source;
	return to;
}

static struct {
	Types__Route *list[16];
	Grpc__Routes routes;
	Grpc__UpdateRoutesRequest request;
} asked;

static Types__Route *ask(Types__Route *one)
{
	if (!asked.request.routes) {
		grpc__update_routes_request__init(&asked.request);
		grpc__routes__init(&asked.routes);
		asked.request.routes = &asked.routes;
		asked.routes.routes = asked.list;
	}
	asked.list[asked.routes.n_routes++] = one;
	return one;
}

static void forget(void)
{
	for (size_t i = 0; i < asked.routes.n_routes; i++)
		free(asked.list[i]);
	memset(&asked, 0, sizeof(asked));
}

static void update_routes(void)
{
	agent_ok(&agent, "UpdateRoutes", &asked.request);
	forget();
}

static void refuse_routes(int code, const char *text)
{
	agent_fails(&agent, "UpdateRoutes", &asked.request, code, text);
	forget();
}

/* A route as one line of text. */
static const char *line_of(const Types__Route *r)
{
	static char line[256];

	str_format(line, sizeof(line),
		"%s via '%s' dev %s src '%s' scope %u family %d flags %u "
		"mtu %u",
		r->dest, r->gateway, r->device, r->source, r->scope, (int)r->family, r->flags,
		r->mtu);
	return line;
}

/* ---- UpdateInterface ---------------------------------------------------------------------------
 */

static void test_interface(void **state)
{
	struct wish wish = {0};
	struct client_call call = {0};
	const Types__Interface *reply;
	struct error err = ERROR_INIT;

	fresh_cables();
	wish_init(&wish, "eth0", MAC0);
	wish_address(&wish, "10.1.0.2", "24");
	wish_address(&wish, "2001:db8:1::2", "64");
	wish.interface.mtu = 1400;
	wish.interface.device = (char *)"whatever";
	wish.interface.type = (char *)"tap";
	if (agent_call(&agent, &call, "UpdateInterface", &wish.request, &err) != 0)
		fail_msg("UpdateInterface: %s", err.text);
	reply = (const void *)call.response;
	/* the answer is the request */
	assert_string_equal(reply->name, "eth0");
	assert_string_equal(reply->hwaddr, MAC0);
	assert_string_equal(reply->device, "whatever");
	assert_int_equal(reply->mtu, 1400);
	assert_int_equal(reply->n_ipaddresses, 2);
	assert_string_equal(reply->ipaddresses[1]->address, "2001:db8:1::2");
	client_call_release(&call);
	assert_string_equal(says(ADDRESSES("eth0")),
		"inet 10.1.0.2/24 brd 10.1.0.255 scope global eth0\n"
		"inet6 2001:db8:1::2/64 scope global nodad\n");
	assert_string_equal(
		says(LINK("eth0")), "eth0: <BROADCAST,MULTICAST,UP,LOWER_UP> mtu 1400 " MAC0 "\n");
	/* the kernel's own routes for it */
	assert_string_equal(
		says("ip route"), "10.1.0.0/24 dev eth0 proto kernel scope link src 10.1.0.2\n");
	agent_assert_census(&agent, &before);
}

/* Once more, with one address more: what is there stays, routes too. */
static void test_again(void **state)
{
	struct wish wish = {0};

	fresh_cables();
	wish_init(&wish, "eth0", MAC0);
	wish_address(&wish, "10.1.0.2", "24");
	update(&wish);
	sh("ip route add default via 10.1.0.1 dev eth0; ip address add 10.9.0.1/32 dev eth0");
	wish_address(&wish, "10.1.0.3", "24");
	update(&wish);
	update(&wish);
	assert_string_equal(says(ADDRESSES("eth0") " | cut -d' ' -f1-2"),
		"inet 10.1.0.2/24\ninet 10.9.0.1/32\ninet 10.1.0.3/24\n");
	assert_string_equal(says("ip route | grep default"), "default via 10.1.0.1 dev eth0\n");
}

static void test_names_are_exchanged(void **state)
{
	struct wish wish = {0};

	fresh_cables();
	sh("ip link set net1 up");
	/* a long name: "<name>_temp" would be no name */
	wish_init(&wish, "fifteen-letters", MAC1);
	update(&wish);
	wish_init(&wish, "fifteen-letters", MAC0);
	wish_address(&wish, "10.1.0.2", "24");
	update(&wish);
	assert_string_equal(
		says("ip -o link | sed 's/^[0-9]*: //; s/@.*link.ether / /; s/ brd.*//' "
		     "| grep -v '^far\\|^lo:' | sort"),
		"fifteen-letters " MAC0 "\nnet0 " MAC1 "\n");
	assert_string_equal(says("ip -o link show up | grep -c ': net0@'"), "1\n");
	/* by name alone */
	wish_init(&wish, "net0", "");
	wish.interface.n_ipaddresses = 0;
	wish.interface.mtu = 1300;
	update(&wish);
	assert_string_equal(
		says("cat /proc/net/dev | grep -c net0; ip -o link show net0 | grep -c 'mtu 1300'"),
		"1\n1\n");
}

static void test_noarp(void **state)
{
	struct wish wish = {0};

	fresh_cables();
	wish_init(&wish, "net0", MAC0);
	/* a runtime sends all flags of its own link */
	wish.interface.raw_flags = IFF_NOARP | IFF_PROMISC | IFF_RUNNING;
	update(&wish);
	assert_string_equal(says("ip -o link show net0 | grep -c "
				 "'BROADCAST,NOARP,UP\\|BROADCAST,MULTICAST,NOARP,UP'"),
		"1\n");
	wish.interface.raw_flags = IFF_BROADCAST;
	update(&wish);
	assert_string_equal(says("ip -o link show net0 | grep -c NOARP; true"), "0\n");
}

/* g6: a hardware address that nobody has (yet) is not written to the link of that name. */
static void test_g6_never_another_link(void **state)
{
	struct wish wish = {0};

	fresh_cables();
	wish_init(&wish, "net0", "52:54:00:00:00:99");
	wish_address(&wish, "10.1.0.2", "24");
	refuse(&wish, STATUS_INTERNAL, "Link not found");
	assert_string_equal(says(LINK("net0")), "net0: <BROADCAST,MULTICAST> mtu 1500 " MAC0 "\n");
	/* nor is it the loopback, which has one too */
	wish_init(&wish, "net0", "00:00:00:00:00:00");
	refuse(&wish, STATUS_INTERNAL, "Link not found");
	wish_init(&wish, "net7", "");
	refuse(&wish, STATUS_INTERNAL, "Link not found");
	agent_assert_census(&agent, &before);
}

/* A made-up tree of devices in the agent's mount namespace: net0 belongs to slot 5. */
static void show_devices(const char *script)
{
	char command[600];

	str_format(command, sizeof(command),
		"nsenter -t %d -m sh -ec 'mountpoint -q /sys/devices || mount -t tmpfs tmpfs "
		"/sys/devices; %s'",
		(int)agent.pid, script);
	sh(command);
}

static void hide_devices(void)
{
	char command[128];

	str_format(
		command, sizeof(command), "nsenter -t %d -m umount /sys/devices", (int)agent.pid);
	sh(command);
}

static void test_by_device_path(void **state)
{
	struct wish wish = {0}, late = {0};
	Grpc__ListRoutesRequest list = GRPC__LIST_ROUTES_REQUEST__INIT;
	struct pending pending, after;

	fresh_cables();
	show_devices("mkdir -p /sys/devices/pci0000:00/0000:00:05.0/virtio9/net/net0");
	wish_init(&wish, "eth0", "52:54:00:00:00:77");
	wish.interface.devicepath = (char *)"05";
	wish_address(&wish, "10.1.0.2", "24");
	update(&wish);
	/* the device's own address gives way, the link named eth0 was not asked */
	assert_string_equal(says(LINK("eth0")),
		"eth0: <BROADCAST,MULTICAST,UP,LOWER_UP> mtu 1500 52:54:00:00:00:77\n");
	/* One that comes later is waited for; calls behind it wait too, and nobody else does. */
	wish_init(&late, "eth1", MAC1);
	late.interface.devicepath = (char *)"06";
	agent_begin(&agent, NULL, &pending, "UpdateInterface", &late.request);
	agent_begin(&agent, NULL, &after, "ListRoutes", &list);
	assert_int_equal(container_whole(&agent, "meanwhile", "exit 3", NULL), 3);
	assert_false(pending.done || after.done);
	show_devices("mkdir -p /sys/devices/pci0000:00/0000:00:06.0/virtio8/net/net1");
	sh("ip link set net1 mtu 1499"); /* any news of a link */
	agent_await(&agent, &pending);
	assert_int_equal(pending.code, 0);
	agent_await(&agent, &after);
	assert_int_equal(after.code, 0);
	assert_true(pending.order < after.order);
	pending_release(&pending);
	pending_release(&after);
	wish.interface.devicepath = (char *)"07";
	refuse(&wish, STATUS_DEADLINE_EXCEEDED, "Timeout after 3000 ms");
	hide_devices();
	agent_assert_census(&agent, &before);
}

/* Who is gone while a change waits for its device: it goes on. What has not begun is left out. */
static void test_vanishing(void **state)
{
	struct wish waits = {0}, never = {0}, last = {0};
	struct ttrpc_client *client = agent_connect(&agent);
	struct agent_census with_client = agent_census(&agent);
	struct pending first, second, third;

	fresh_cables();
	show_devices("rm -rf /sys/devices/*");
	wish_init(&waits, "eth0", MAC0);
	waits.interface.devicepath = (char *)"1f";
	wish_init(&never, "eth1", MAC1);
	wish_init(&last, "far0", "");
	last.interface.mtu = 1450;
	agent_begin(&agent, client, &first, "UpdateInterface", &waits.request);
	agent_begin(&agent, client, &second, "UpdateInterface", &never.request);
	while (agent_census(&agent).children == with_client.children)
		event_loop_step(agent.loop, 10);
	ttrpc_client_free(client);
	pending_release(&first);
	pending_release(&second);
	agent_begin(&agent, NULL, &third, "UpdateInterface", &last.request);
	show_devices("mkdir -p /sys/devices/pci0000:00/0000:00:1f.0/virtio9/net/net0");
	sh("ip link set net1 mtu 1499");
	agent_await(&agent, &third);
	assert_int_equal(third.code, 0);
	pending_release(&third);
	assert_string_equal(
		says("ip -o link | sed 's/^[0-9]*: //; s/@.*mtu / /; s/ qdisc.*//' | grep -v "
		     "'^far1\\|^lo:' | sort"),
		"eth0 1500\nfar0 1450\nnet1 1499\n");
	hide_devices();
	agent_assert_census(&agent, &before);
}

/* ---- UpdateRoutes ------------------------------------------------------------------------------
 */

static void two_interfaces(void)
{
	struct wish wish = {0};

	fresh_cables();
	wish_init(&wish, "eth0", MAC0);
	wish_address(&wish, "10.1.0.2", "24");
	wish_address(&wish, "10.1.0.3", "24");
	wish_address(&wish, "2001:db8:1::2", "64");
	update(&wish);
	wish_init(&wish, "eth1", MAC1);
	wish.interface.n_ipaddresses = 0;
	wish_address(&wish, "10.2.0.2", "24");
	update(&wish);
}

static void test_routes(void **state)
{
	Types__Route *r;

	two_interfaces();
	/* the gateway's network is named after it, and set before */
	ask(route(NULL, "192.168.7.1", "eth0", NULL));
	ask(route("192.168.8.0/24", "192.168.9.9", "eth1", NULL))->flags = RTNH_F_ONLINK;
	r = ask(route("172.16.0.0/12", "10.1.0.1", "eth0", NULL));
	r->mtu = 1280;
	/* state that a host's route shows is no request */
	r->flags = RTNH_F_LINKDOWN | RTNH_F_DEAD | RTM_F_CLONED;
	r = ask(route("192.168.7.0/24", NULL, "eth0", NULL));
	r->scope = RT_SCOPE_LINK;
	ask(route(NULL, "2001:db8:1::1", "eth0", NULL))->family = TYPES__IPFAMILY__v6;
	ask(route("2001:db8:7::/48", "2001:db8:1::1", "eth0", NULL));
	update_routes();
	assert_string_equal(says("ip route"),
		"default via 192.168.7.1 dev eth0\n"
		"10.1.0.0/24 dev eth0 proto kernel scope link src 10.1.0.2\n"
		"10.2.0.0/24 dev eth1 proto kernel scope link src 10.2.0.2\n"
		"172.16.0.0/12 via 10.1.0.1 dev eth0 mtu 1280\n"
		"192.168.7.0/24 dev eth0 scope link\n"
		"192.168.8.0/24 via 192.168.9.9 dev eth1 onlink\n");
	assert_string_equal(says("ip -6 route | grep -v fe80 | sed 's/ metric.*//'"),
		"2001:db8:1::/64 dev eth0 proto kernel\n"
		"2001:db8:7::/48 via 2001:db8:1::1 dev eth0\n"
		"default via 2001:db8:1::1 dev eth0\n");
	/* The same destination by another way takes the place; the others stay. */
	ask(route(NULL, "10.2.0.1", "eth1", NULL));
	update_routes();
	assert_string_equal(says("ip route | sed -n '1p;$p'"),
		"default via 10.2.0.1 dev eth1\n192.168.8.0/24 via 192.168.9.9 dev eth1 onlink\n");
	agent_assert_census(&agent, &before);
}

/* Each interface has its own link-local network: the kernel's stay, and those asked for do too. */
static void test_link_local_routes_stay(void **state)
{
	two_interfaces();
	/* the kernel makes its own when it sees the cable's far end */
	sh("for i in $(seq 600); do [ $(ip -6 route show proto kernel | grep -c ^fe80) = 4 ] && "
	   "exit; "
	   "sleep 0.05; done; exit 1");
	ask(route("fe80::/64", NULL, "eth0", NULL));
	ask(route("fe80::/64", NULL, "eth1", NULL));
	update_routes();
	assert_string_equal(says("ip -6 route | grep ^fe80 | cut -d' ' -f1-5 | sort"),
		"fe80::/64 dev eth0 metric 1024\nfe80::/64 dev eth0 proto kernel\n"
		"fe80::/64 dev eth1 metric 1024\nfe80::/64 dev eth1 proto kernel\n"
		"fe80::/64 dev far0 proto kernel\nfe80::/64 dev far1 proto kernel\n");
}

/* g12: a bare address is the source that packets get, in both families. */
static void test_g12_source(void **state)
{
	two_interfaces();
	ask(route("172.16.0.0/12", "10.1.0.1", "eth0", "10.1.0.3"));
	ask(route("172.32.0.0/12", "10.1.0.1", "eth0", "10.1.0.3/32"));
	ask(route("172.48.0.0/12", "10.1.0.1", "eth0", "10.1.0.3/0"));
	ask(route("2001:db8:7::/48", "2001:db8:1::1", "eth0", "2001:db8:1::2"));
	update_routes();
	assert_string_equal(
		says("ip route | grep ^172; ip -6 route | grep 7:: | sed 's/ metric.*//'"),
		"172.16.0.0/12 via 10.1.0.1 dev eth0 src 10.1.0.3\n"
		"172.32.0.0/12 via 10.1.0.1 dev eth0 src 10.1.0.3\n"
		"172.48.0.0/12 via 10.1.0.1 dev eth0 src 10.1.0.3\n"
		"2001:db8:7::/48 via 2001:db8:1::1 dev eth0 src 2001:db8:1::2\n");
	ask(route("172.16.0.0/12", "10.1.0.1", "eth0", "10.1.0.0/24"));
	refuse_routes(STATUS_INVALID_ARGUMENT, "source '10.1.0.0/24'");
	/* an address that the guest has not: the kernel's refusal is not swallowed */
	ask(route("172.16.0.0/12", "10.1.0.1", "eth0", "10.1.0.77"));
	refuse_routes(STATUS_INTERNAL, "routes[0]: 172.16.0.0/12 via 10.1.0.1 dev eth0");
}

static void set_ipv6(const char *which, const char *value)
{
	char path[100];

	str_format(path, sizeof(path), "/proc/sys/net/ipv6/conf/%s/disable_ipv6", which);
	assert_int_equal(file_write(path, value), 0);
}

/* g12: routes of IPv6 are skipped as its addresses are, when the guest has it switched off. */
static void test_g12_without_ipv6(void **state)
{
	two_interfaces();
	set_ipv6("all", "1");
	set_ipv6("default", "1");
	ask(route("2001:db8:7::/48", "2001:db8:1::1", "eth0", NULL));
	ask(route("172.16.0.0/12", "10.1.0.1", "eth0", NULL));
	update_routes();
	two_interfaces();
	assert_string_equal(says(ADDRESSES("eth0") " | grep -c inet6; true"), "0\n");
	/* one of them is enough to try */
	set_ipv6("default", "0");
	ask(route("2001:db8:7::/48", "2001:db8:1::1", "eth0", NULL));
	refuse_routes(STATUS_INTERNAL, "2001:db8:7::/48");
	set_ipv6("all", "0");
}

/* ---- lists -------------------------------------------------------------------------------------
 */

/* g13: each address in its family; default routes are default routes; sources, flags. */
static void test_g13_lists(void **state)
{
	static const char *const want[] = {"0.0.0.0/0 via '10.1.0.1' dev eth0 src '10.1.0.3' scope "
					   "0 family 0 flags 0 mtu 1300",
		"10.1.0.0/24 via '' dev eth0 src '10.1.0.2' scope 253 family 0 flags 0 mtu 0",
		"10.2.0.0/24 via '' dev eth1 src '10.2.0.2' scope 253 family 0 flags 0 mtu 0",
		"172.16.0.0/12 via '192.168.9.9' dev eth1 src '' scope 0 family 0 flags 4 mtu 0",
		"172.32.0.0/12 via '10.1.0.1' dev eth0 src '' scope 0 family 0 flags 0 mtu 0",
		"172.32.0.0/12 via '10.2.0.1' dev eth1 src '' scope 0 family 0 flags 0 mtu 0",
		"2001:db8:1::/64 via '' dev eth0 src '' scope 0 family 1 flags 0 mtu 0"};
	Grpc__ListRoutesRequest list = GRPC__LIST_ROUTES_REQUEST__INIT;
	struct client_call call = {0};
	const Grpc__Routes *routes;
	size_t at = 0;

	two_interfaces();
	sh("ip route add default via 10.1.0.1 dev eth0 src 10.1.0.3 mtu 1300; "
	   "ip route add 172.16.0.0/12 via 192.168.9.9 dev eth1 onlink; "
	   "ip route add 172.32.0.0/12 nexthop via 10.1.0.1 dev eth0 nexthop via 10.2.0.1 dev "
	   "eth1; "
	   "ip route add blackhole 172.48.0.0/12; ip route add 172.64.0.0/12 dev eth0 table 7; "
	   "ip route del default metric 1024 2> /dev/null; "
	   "ip -6 route add default dev eth1 metric 7");
	assert_int_equal(agent_call(&agent, &call, "ListRoutes", &list, NULL), 0);
	routes = (const void *)call.response;
	for (size_t i = 0; i < routes->n_routes; i++) {
		if (str_starts(routes->routes[i]->dest, "fe80:"))
			continue;
		if (str_eq(routes->routes[i]->dest, "::/0")) {
			assert_string_equal(routes->routes[i]->device, "eth1");
			continue;
		}
		assert_true(at < ARRAY_SIZE(want));
		assert_string_equal(line_of(routes->routes[i]), want[at]);
		at++;
	}
	assert_int_equal(at, ARRAY_SIZE(want));
	client_call_release(&call);
}

static const Types__Interface *interface_named(const Grpc__Interfaces *list, const char *name)
{
	for (size_t i = 0; i < list->n_interfaces; i++)
		if (str_eq(list->interfaces[i]->name, name))
			return list->interfaces[i];
	fail_msg("no %s", name);
	return NULL;
}

static void test_g13_interfaces(void **state)
{
	Grpc__ListInterfacesRequest list = GRPC__LIST_INTERFACES_REQUEST__INIT;
	const Types__Interface *eth0, *lo;
	struct client_call call = {0};

	two_interfaces();
	assert_int_equal(agent_call(&agent, &call, "ListInterfaces", &list, NULL), 0);
	eth0 = interface_named((const void *)call.response, "eth0");
	assert_string_equal(eth0->hwaddr, "52:54:00:00:00:0A");
	assert_string_equal(eth0->type, "veth");
	assert_int_equal(eth0->mtu, 1500);
	assert_int_equal(eth0->raw_flags & (IFF_UP | IFF_NOARP), IFF_UP);
	/* two of IPv4, one of IPv6, and the link-local one */
	assert_int_equal(eth0->n_ipaddresses, 4);
	assert_string_equal(eth0->ipaddresses[0]->address, "10.1.0.2");
	assert_string_equal(eth0->ipaddresses[0]->mask, "24");
	assert_int_equal(eth0->ipaddresses[0]->family, TYPES__IPFAMILY__v4);
	assert_string_equal(eth0->ipaddresses[2]->address, "2001:db8:1::2");
	assert_string_equal(eth0->ipaddresses[2]->mask, "64");
	assert_int_equal(eth0->ipaddresses[2]->family, TYPES__IPFAMILY__v6);
	lo = interface_named((const void *)call.response, "lo");
	assert_string_equal(lo->ipaddresses[0]->address, "127.0.0.1");
	assert_string_equal(lo->hwaddr, "00:00:00:00:00:00");
	assert_true(lo->raw_flags & IFF_LOOPBACK);
	client_call_release(&call);
}

/* What the list says can be asked for as it is. */
static void test_list_goes_back(void **state)
{
	static const char show[] = "ip route; ip -6 route | grep -v ^fe80";
	Grpc__ListRoutesRequest list = GRPC__LIST_ROUTES_REQUEST__INIT;
	Grpc__UpdateRoutesRequest request = GRPC__UPDATE_ROUTES_REQUEST__INIT;
	struct client_call call = {0}, again = {0};
	char had[4096];

	two_interfaces();
	sh("ip route add default via 10.1.0.1 dev eth0 src 10.1.0.3 mtu 1300; "
	   "ip -6 route add default via 2001:db8:1::1 dev eth0");
	assert_int_equal(agent_call(&agent, &call, "ListRoutes", &list, NULL), 0);
	str_copy(had, sizeof(had), says(show));
	sh("ip route del default; ip -6 route del default");
	request.routes = (Grpc__Routes *)call.response;
	/* what the kernel made of the addresses is there already, as the kernel's */
	for (size_t i = 0; i < request.routes->n_routes; i++) {
		Types__Route *r = request.routes->routes[i];

		if (!str_eq(r->dest, "0.0.0.0/0") && !str_eq(r->dest, "::/0"))
			r->dest[0] = '\0', r->gateway = (char *)"10.1.0.1",
			r->device = (char *)"eth0", r->source = (char *)"10.1.0.3", r->mtu = 1300,
			r->scope = 0, r->flags = 0, r->family = TYPES__IPFAMILY__v4;
	}
	assert_int_equal(agent_call(&agent, &again, "UpdateRoutes", &request, NULL), 0);
	client_call_release(&again);
	client_call_release(&call);
	assert_string_equal(says(show), had);
}

static void test_too_many_to_list(void **state)
{
	Grpc__ListRoutesRequest list = GRPC__LIST_ROUTES_REQUEST__INIT;

	two_interfaces();
	sh("for i in $(seq 0 80); do for j in $(seq 0 255); do echo route add 11.0.$i.$j dev eth0; "
	   "done; done | "
	   "ip -batch -");
	agent_fails(&agent, "ListRoutes", &list, STATUS_RESOURCE_EXHAUSTED, "too many");
	fresh_cables();
	agent_ok(&agent, "ListRoutes", &list);
	agent_assert_census(&agent, &before);
}

/* ---- AddARPNeighbors ---------------------------------------------------------------------------
 */

static void test_neighbors(void **state)
{
	Types__IPAddress addresses[3];
	Types__ARPNeighbor entries[3], *list[3];
	Grpc__ARPNeighbors neighbors = GRPC__ARPNEIGHBORS__INIT;
	Grpc__AddARPNeighborsRequest request = GRPC__ADD_ARPNEIGHBORS_REQUEST__INIT;
	static const char *const texts[] = {"10.1.0.9", "10.1.0.8", "2001:db8:1::9"};

	two_interfaces();
	for (size_t i = 0; i < 3; i++) {
		types__ipaddress__init(&addresses[i]);
		types__arpneighbor__init(&entries[i]);
		addresses[i].address = (char *)texts[i];
		entries[i].toipaddress = &addresses[i];
		entries[i].device = (char *)"eth0";
		entries[i].lladdr = (char *)"52:54:00:00:01:02";
		list[i] = &entries[i];
	}
	entries[1].state = 2; /* NUD_REACHABLE */
	neighbors.arpneighbors = list;
	neighbors.n_arpneighbors = 3;
	request.neighbors = &neighbors;
	agent_ok(&agent, "AddARPNeighbors", &request);
	entries[0].lladdr = (char *)"52:54:00:00:01:03";
	agent_ok(&agent, "AddARPNeighbors", &request);
	assert_string_equal(says("ip neigh show dev eth0 | grep -v ^fe80 | sort"),
		"10.1.0.8 lladdr 52:54:00:00:01:02 REACHABLE\n"
		"10.1.0.9 lladdr 52:54:00:00:01:03 PERMANENT\n"
		"2001:db8:1::9 lladdr 52:54:00:00:01:02 PERMANENT\n");
	entries[2].device = (char *)"eth9";
	agent_fails(&agent, "AddARPNeighbors", &request, STATUS_INTERNAL,
		"ARPNeighbors[2]: 2001:db8:1::9 dev eth9, after 2 that are set: no interface "
		"'eth9'");
	entries[2].state = 70000;
	agent_fails(&agent, "AddARPNeighbors", &request, STATUS_INVALID_ARGUMENT, "state 70000");
	entries[2].toipaddress = NULL;
	agent_fails(&agent, "AddARPNeighbors", &request, STATUS_INVALID_ARGUMENT,
		"ARPNeighbors[2]: toIPAddress is missing");
	request.neighbors = NULL;
	agent_fails(&agent, "AddARPNeighbors", &request, STATUS_INVALID_ARGUMENT, "neighbors");
	agent_assert_census(&agent, &before);
}

/* ---- what is refused, before anything is changed ------------------------------------------------
 */

static void test_bad_interfaces(void **state)
{
	struct wish wish = {0};
	Grpc__UpdateInterfaceRequest none = GRPC__UPDATE_INTERFACE_REQUEST__INIT;
	Types__IPAddress *many[NETWORK_ADDRESSES_MAX + 1];

	fresh_cables();
	agent_fails(&agent, "UpdateInterface", &none, STATUS_INVALID_ARGUMENT, "interface");
	wish_init(&wish, "eth%d", MAC0);
	refuse(&wish, STATUS_INVALID_ARGUMENT, "name 'eth%d'");
	wish_init(&wish, "../../etc", MAC0);
	refuse(&wish, STATUS_INVALID_ARGUMENT, "name '../../etc'");
	wish_init(&wish, "eth0", "52:54");
	refuse(&wish, STATUS_INTERNAL, "Link not found");
	wish_init(&wish, "eth0", "52:5g");
	refuse(&wish, STATUS_INVALID_ARGUMENT, "hwAddr '52:5g'");
	wish_init(&wish, "eth0", MAC0);
	wish.interface.devicepath = (char *)"../05";
	refuse(&wish, STATUS_INVALID_ARGUMENT, "../05");
	wish_init(&wish, "eth0", MAC0);
	wish.interface.mtu = 1ull << 32;
	refuse(&wish, STATUS_INVALID_ARGUMENT, "mtu 4294967296");
	wish.interface.mtu = 0;
	wish_address(&wish, "10.1.0.2", "33");
	refuse(&wish, STATUS_INVALID_ARGUMENT, "IPAddresses[0] 10.1.0.2: mask '33'");
	wish.addresses[0].mask = (char *)"255.255.255.0";
	refuse(&wish, STATUS_INVALID_ARGUMENT, "mask '255.255.255.0'");
	wish.addresses[0].address = (char *)"here";
	refuse(&wish, STATUS_INVALID_ARGUMENT, "IPAddresses[0]: address 'here'");
	for (size_t i = 0; i < ARRAY_SIZE(many); i++)
		many[i] = &wish.addresses[0];
	wish.interface.ipaddresses = many;
	wish.interface.n_ipaddresses = ARRAY_SIZE(many);
	refuse(&wish, STATUS_RESOURCE_EXHAUSTED, "IPAddresses");
	assert_string_equal(says(LINK("net0")), "net0: <BROADCAST,MULTICAST> mtu 1500 " MAC0 "\n");
	/* what only the kernel refuses: its words, and the names as they were */
	sh("ip link set net1 up");
	wish_init(&wish, "net1", MAC0);
	wish.interface.n_ipaddresses = 0;
	wish.interface.ipaddresses = wish.list;
	wish.interface.mtu = 10;
	refuse(&wish, STATUS_INTERNAL, "interface net1: set its mtu to 10: the kernel says ");
	agent_assert_census(&agent, &before);
}

static void test_bad_routes(void **state)
{
	Grpc__UpdateRoutesRequest none = GRPC__UPDATE_ROUTES_REQUEST__INIT;
	static const struct {
		const char *dest, *gateway, *device, *source, *text;
	} rows[] = {
		{"10.0.0.0/33", NULL, "eth0", NULL, "dest '10.0.0.0/33'"},
		{"all", NULL, "eth0", NULL, "dest 'all'"},
		{NULL, "10.0.0.1/24", "eth0", NULL, "gateway '10.0.0.1/24'"},
		{"10.0.0.0/8", "fe80::1", "eth0", NULL, "gateway 'fe80::1' is of the other family"},
		{"10.0.0.0/8", NULL, "eth0", "fe80::1", "source 'fe80::1' is of the other family"},
		{"10.0.0.0/8", NULL, "eth0", "me", "source 'me'"},
		{"10.0.0.0/8", NULL, NULL, NULL, "device ''"},
		{"10.0.0.0/8", NULL, "a/b", NULL, "device 'a/b'"},
	};

	two_interfaces();
	agent_fails(&agent, "UpdateRoutes", &none, STATUS_INVALID_ARGUMENT, "routes");
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		ask(route("172.16.0.0/12", NULL, "eth0", NULL));
		ask(route(rows[i].dest, rows[i].gateway, rows[i].device, rows[i].source));
		refuse_routes(STATUS_INVALID_ARGUMENT, rows[i].text);
	}
	/* nothing of them was set */
	assert_string_equal(says("ip route | grep -c ^172; true"), "0\n");
	ask(route("172.16.0.0/12", NULL, "eth0", NULL));
	ask(route("172.32.0.0/12", NULL, "eth9", NULL));
	refuse_routes(STATUS_INTERNAL,
		"routes[1]: 172.32.0.0/12 dev eth9, after 1 that are set: no interface 'eth9'");
	ask(route("172.16.0.0/12", "10.77.0.1", "eth0", NULL));
	refuse_routes(STATUS_INTERNAL, "unreachable");
	agent_assert_census(&agent, &before);
}

/* ---- GetIPTables, SetIPTables -------------------------------------------------------------------
 */

/* A program of the test's own in the agent's mount namespace; script NULL: only an empty folder. */
static void put_program(const char *name, const char *script)
{
	char command[800], text[400];

	str_format(text, sizeof(text), "#!/bin/sh\n%s\n", script ? script : "");
	str_format(command, sizeof(command),
		"nsenter -t %d -m sh -ec 'd=$(readlink -f /usr/sbin); mountpoint -q $d || mount -t "
		"tmpfs tmpfs $d; [ %d = 0 ] || install -m 755 %s $d/%s'",
		(int)agent.pid, script != NULL, scratch_file(name, text), name);
	sh(command);
}

static void expect_rules(bool ipv6, const char *want)
{
	Grpc__GetIPTablesRequest request = GRPC__GET_IPTABLES_REQUEST__INIT;
	const Grpc__GetIPTablesResponse *response;
	struct client_call call = {0};
	struct error err = ERROR_INIT;

	request.is_ipv6 = ipv6;
	if (agent_call(&agent, &call, "GetIPTables", &request, &err) != 0)
		fail_msg("GetIPTables: %s", err.text);
	response = (const void *)call.response;
	assert_int_equal(response->data.len, strlen(want));
	assert_memory_equal(response->data.data, want, strlen(want));
	client_call_release(&call);
}

/* g14: each family has its own program, for both directions; a failure is one. */
static void test_g14_iptables(void **state)
{
	Grpc__GetIPTablesRequest get = GRPC__GET_IPTABLES_REQUEST__INIT;
	Grpc__SetIPTablesRequest set = GRPC__SET_IPTABLES_REQUEST__INIT;
	struct client_call call = {0};
	char script[300];
	static uint8_t rules[300000];
	char seen[400] = "";

	put_program("none", NULL);
	agent_fails(&agent, "GetIPTables", &get, STATUS_FAILED_PRECONDITION,
		"this guest has no iptables-save");
	set.is_ipv6 = true;
	agent_fails(&agent, "SetIPTables", &set, STATUS_FAILED_PRECONDITION,
		"this guest has no ip6tables-restore");
	put_program("iptables-save", "echo '*filter'; echo COMMIT; echo noise >&2");
	put_program("ip6tables-save", "printf '*nat\\nno end'");
	expect_rules(false, "*filter\nCOMMIT\n");
	expect_rules(true, "*nat\nno end");
	put_program("iptables-save", "echo half; echo 'no such table' >&2; exit 3");
	agent_fails(&agent, "GetIPTables", &get, STATUS_INTERNAL,
		"/usr/sbin/iptables-save: exit code 3: no such table");
	put_program("iptables-save", "exec yes");
	agent_fails(&agent, "GetIPTables", &get, STATUS_INTERNAL,
		"/usr/sbin/iptables-save: killed by signal 25");
	str_format(script, sizeof(script), "echo \"$0 $*\" > %s; md5sum >> %s; echo done",
		scratch_path("restored"), scratch_path("restored"));
	put_program("ip6tables-restore", script);
	memset(rules, 'x', sizeof(rules));
	set.data.data = rules;
	set.data.len = sizeof(rules);
	assert_int_equal(agent_call(&agent, &call, "SetIPTables", &set, NULL), 0);
	assert_memory_equal(
		((const Grpc__SetIPTablesResponse *)call.response)->data.data, "done\n", 5);
	client_call_release(&call);
	file_read(scratch_path("restored"), seen, sizeof(seen));
	assert_string_equal(seen, "/usr/sbin/ip6tables-restore --wait 5\n"
				  "d408ed46ebcc326f9e7c6bb9c77af1cd  -\n");
	put_program("iptables-restore", "echo 'line 1 failed' >&2; exit 2");
	set.is_ipv6 = false;
	agent_fails(&agent, "SetIPTables", &set, STATUS_INTERNAL,
		"/usr/sbin/iptables-restore: exit code 2: line 1 failed");
	str_format(script, sizeof(script), "nsenter -t %d -m umount $(readlink -f /usr/sbin)",
		(int)agent.pid);
	sh(script);
	agent_assert_census(&agent, &before);
}

/* ---- CreateSandbox.dns --------------------------------------------------------------------------
 */

/* Lines as they come, without blanks around them, joined. Last: there is a sandbox afterwards. */
static void test_dns(void **state)
{
	char *lines[] = {(char *)" nameserver 10.1.0.1\t", (char *)"search example.org  lan\n"};
	Grpc__CreateSandboxRequest request = GRPC__CREATE_SANDBOX_REQUEST__INIT;
	char command[128];

	str_format(command, sizeof(command), "nsenter -t %d -m touch /etc/resolv.conf",
		(int)agent.pid);
	sh(command);
	request.dns = lines;
	request.n_dns = 2;
	agent_ok(&agent, "CreateSandbox", &request);
	str_format(command, sizeof(command),
		"nsenter -t %d -m cat /etc/resolv.conf /run/kata-containers/sandbox/resolv.conf; "
		"echo",
		(int)agent.pid);
	assert_string_equal(says(command), "nameserver 10.1.0.1\nsearch example.org  lan"
					   "nameserver 10.1.0.1\nsearch example.org  lan\n");
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(test_interface),
	cmocka_unit_test(test_again),
	cmocka_unit_test(test_names_are_exchanged),
	cmocka_unit_test(test_noarp),
	cmocka_unit_test(test_g6_never_another_link),
	cmocka_unit_test(test_by_device_path),
	cmocka_unit_test(test_vanishing),
	cmocka_unit_test(test_routes),
	cmocka_unit_test(test_link_local_routes_stay),
	cmocka_unit_test(test_g12_source),
	cmocka_unit_test(test_g12_without_ipv6),
	cmocka_unit_test(test_g13_lists),
	cmocka_unit_test(test_g13_interfaces),
	cmocka_unit_test(test_list_goes_back),
	cmocka_unit_test(test_too_many_to_list),
	cmocka_unit_test(test_neighbors),
	cmocka_unit_test(test_bad_interfaces),
	cmocka_unit_test(test_bad_routes),
	cmocka_unit_test(test_g14_iptables),
	cmocka_unit_test(test_dns),
};

int main(void)
{
	test_begin(TEST_TIMEOUT);
	return cmocka_run_group_tests(tests, setup, teardown);
}
