/* Soft interrupts that receive packets: how long each core's waited for its turn, and what their
 * polls took from which interface.
 */
#ifndef BRIGADE_INTERRUPTS_H
#define BRIGADE_INTERRUPTS_H

#include "window.h"

/* NET_RX of linux/interrupt.h. */
#define RECEIVES 3

struct soft {
	u64 window;
	u64 inside; /* soft interrupts that began and have not ended */
	u64 raised_ns; /* 0: none waits */
	u64 runs;
	u64 wait_ns;
};

struct {
	NUMBER(type, MAP_PERCPU_ARRAY);
	NUMBER(max_entries, 1);
	TYPE(key, u32);
	TYPE(value, struct soft);
} soft SECTION(".maps");

INLINE struct soft *soft_of_core(struct window *open)
{
	u32 zero = 0;
	struct soft *own = map_lookup(&soft, &zero);

	if (own && own->window != open->number) {
		__builtin_memset(own, 0, sizeof(*own));
		own->window = open->number;
	}
	return own;
}

/* Whether a soft interrupt runs here, in the place of the thread that it interrupted. */
INLINE int interrupted(struct window *open)
{
	struct soft *own = soft_of_core(open);

	return own && own->inside;
}

/* softirq_raise(number) */
SECTION("tp_btf/softirq_raise") int on_raise(u64 *context)
{
	struct window *open = open_window();
	struct soft *own;

	if ((u32)context[0] == RECEIVES && open && (own = soft_of_core(open)) && !own->raised_ns)
		own->raised_ns = clock_ns();
	return 0;
}

/* softirq_entry(number) */
SECTION("tp_btf/softirq_entry") int on_soft_entry(u64 *context)
{
	struct window *open = open_window();
	struct soft *own;

	if (!open || !(own = soft_of_core(open)))
		return 0;
	own->inside++;
	if ((u32)context[0] == RECEIVES && own->raised_ns) {
		own->runs++;
		own->wait_ns += clock_ns() - own->raised_ns;
		own->raised_ns = 0;
	}
	return 0;
}

/* softirq_exit(number) */
SECTION("tp_btf/softirq_exit") int on_soft_exit(void)
{
	struct window *open = open_window();
	struct soft *own;

	if (open && (own = soft_of_core(open)) && own->inside)
		own->inside--;
	return 0;
}

/* Which interface was polled on which core; the core's backlog is an interface without a name. */
struct poll {
	u64 core;
	char interface[16];
};

struct {
	NUMBER(type, MAP_LRU_HASH);
	NUMBER(max_entries, 1024);
	TYPE(key, struct poll);
	TYPE(value, struct count);
} polls SECTION(".maps");

/* napi_poll(napi, work, budget) */
SECTION("tp_btf/napi_poll") int on_poll(u64 *context)
{
	struct napi_struct *napi = (void *)context[0];
	s32 packets = (s32)context[1];
	struct window *open = open_window();
	struct poll poll = { .core = core_number() };

	if (!open || packets < 0)
		return 0;
	struct net_device *interface = napi->dev;
	if (interface)
		read_kernel(poll.interface, sizeof(poll.interface), &interface->name);
	ADD(&polls, &poll, open, 1, packets);
	return 0;
}

#endif
