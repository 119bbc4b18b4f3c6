/* Which frames of an interface are Brigade's: IPv4 packets to its address, and ARP that asks for it or
 * answers it. They go to its socket; all others go on to the kernel as if nothing were here.
 */
typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;
typedef unsigned long long u64;

#define SECTION(name) __attribute__((section(name), used))
/* Maps are described by types: a number is the length of an array. */
#define NUMBER(name, value) int(*name)[value]

enum {
	MAP_SOCKETS = 17, /* BPF_MAP_TYPE_XSKMAP */

	PASS = 2, /* XDP_PASS */

	/* In the order of the network. */
	IPV4 = 0x0008,
	ARP = 0x0608,
};

/* bpf_redirect_map, by its number in the kernel's interface (linux/bpf.h). */
static long (*redirect_map)(void *map, u64 key, u64 otherwise) = (void *)51;

/* The layout is part of the kernel's interface. */
struct xdp_md {
	u32 data;
	u32 data_end;
	u32 data_meta;
	u32 ingress_ifindex;
	u32 rx_queue_index;
	u32 egress_ifindex;
};

struct ethernet {
	u8 to[6];
	u8 from[6];
	u16 kind;
} __attribute__((packed));

struct ipv4 {
	u8 rest[16];
	u32 to;
} __attribute__((packed));

struct arp {
	u8 rest[24];
	u32 target;
} __attribute__((packed));

char license_of_it[] SECTION("license") = "GPL";

/* Brigade's address, in the order of the network; set before the program is loaded. */
const volatile u32 address = 0;

/* The socket of each queue; there is one of queue 0. */
struct {
	NUMBER(type, MAP_SOCKETS);
	NUMBER(key_size, 4);
	NUMBER(value_size, 4);
	NUMBER(max_entries, 1);
} sockets SECTION(".maps");

SECTION("xdp") int redirect(struct xdp_md *context)
{
	void *data = (void *)(u64)context->data;
	void *end = (void *)(u64)context->data_end;
	struct ethernet *ethernet = data;
	void *body = data + sizeof(*ethernet);
	u32 to;

	if (body > end)
		return PASS;
	if (ethernet->kind == IPV4) {
		struct ipv4 *packet = body;
		if ((void *)(packet + 1) > end)
			return PASS;
		to = packet->to;
	} else if (ethernet->kind == ARP) {
		struct arp *packet = body;
		if ((void *)(packet + 1) > end)
			return PASS;
		to = packet->target;
	} else {
		return PASS;
	}
	if (to != address)
		return PASS;
	/* Without a socket of this queue the frame goes on, too. */
	return redirect_map(&sockets, context->rx_queue_index, PASS);
}
