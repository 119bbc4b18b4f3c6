/* Which frames of an interface are Brigade's: packets to its addresses, and who asks for these or answers
 * it, by ARP and by neighbour discovery. They go to its socket; all others go on to the kernel as if
 * nothing were here.
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
	IPV6 = 0xdd86,

	ICMP_V6 = 58,
	SOLICITATION = 135,
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

struct ipv6 {
	u8 rest[6];
	u8 protocol;
	u8 hops;
	u8 from[16];
	u64 to[2];
} __attribute__((packed));

/* "Who has this address?" (RFC 4861, section 4.3), asked of a group. */
struct solicitation {
	u8 kind;
	u8 rest[7];
	u64 target[2];
} __attribute__((packed));

char license_of_it[] SECTION("license") = "GPL";

/* Brigade's addresses, in the order of the network; set before the program is loaded. */
const volatile u32 address = 0;
const volatile u64 address_v6[2] = {0, 0};

/* The socket of each queue; there is one of queue 0. */
struct {
	NUMBER(type, MAP_SOCKETS);
	NUMBER(key_size, 4);
	NUMBER(value_size, 4);
	NUMBER(max_entries, 1);
} sockets SECTION(".maps");

static inline int is_ours(const u64 *to)
{
	return to[0] == address_v6[0] && to[1] == address_v6[1];
}

/* Whether an IPv6 packet is for Brigade, or asks for it. */
static inline int is_for_us(struct ipv6 *packet, void *end)
{
	struct solicitation *question = (void *)(packet + 1);

	if ((void *)(packet + 1) > end)
		return 0;
	if (is_ours(packet->to))
		return 1;
	if (packet->protocol != ICMP_V6 || (void *)(question + 1) > end)
		return 0;
	return question->kind == SOLICITATION && is_ours(question->target);
}

SECTION("xdp") int redirect(struct xdp_md *context)
{
	void *data = (void *)(u64)context->data;
	void *end = (void *)(u64)context->data_end;
	struct ethernet *ethernet = data;
	void *body = data + sizeof(*ethernet);
	u32 to;

	if (body > end)
		return PASS;
	if (ethernet->kind == IPV6) {
		if (!is_for_us(body, end))
			return PASS;
		return redirect_map(&sockets, context->rx_queue_index, PASS);
	}
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
