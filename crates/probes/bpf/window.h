/* The window in which events are counted. Figures carry its number: those of another one are begun
 * anew by the first event, and left out by the reader.
 */
#ifndef BRIGADE_WINDOW_H
#define BRIGADE_WINDOW_H

#include "kernel.h"

struct window {
	u64 number; /* 0: closed */
	u64 began_ns;
};

struct {
	NUMBER(type, MAP_ARRAY);
	NUMBER(max_entries, 1);
	TYPE(key, u32);
	TYPE(value, struct window);
} window SECTION(".maps");

INLINE struct window *open_window(void)
{
	u32 zero = 0;
	struct window *open = map_lookup(&window, &zero);

	return open && open->number ? open : 0;
}

/* Two figures of a window. */
struct count {
	u64 window;
	u64 times;
	u64 amount;
};

/* Counts something in a map of `struct count`. Two cores that begin a window's figures at once lose
 * an event; that is cheaper than a lock.
 */
#define ADD(map, key, open, more_times, more_amount)                                          \
	do {                                                                                  \
		struct count *known = map_lookup(map, key);                                   \
		if (known && known->window == (open)->number) {                               \
			__sync_fetch_and_add(&known->times, more_times);                      \
			__sync_fetch_and_add(&known->amount, more_amount);                    \
		} else {                                                                      \
			struct count first = {                                                \
				.window = (open)->number,                                     \
				.times = (more_times),                                        \
				.amount = (more_amount),                                      \
			};                                                                    \
			map_update(map, key, &first, ANY);                                    \
		}                                                                             \
	} while (0)

#endif
