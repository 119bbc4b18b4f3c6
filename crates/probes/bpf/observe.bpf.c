/* What the kernel tells at its tracepoints, summed up where it happens: time that threads ran, were
 * ready, and slept in which system call; who woke whom; what was sent over unix sockets; how long
 * soft interrupts and work for the kernel's workers waited.
 *
 * Everything is counted in windows: user space opens one by writing its number and its beginning
 * into `window`, and closes it by writing 0. Outside of windows the programs are not attached.
 */
#include "kernel.h"
#include "window.h"
#include "interrupts.h"
#include "work.h"

#define SLOTS 6

char license_of_it[] SECTION("license") = "GPL";

/* A system call that a thread slept in, and for how long. */
struct slot {
	s64 number;
	u64 arguments[5];
	u64 slept_ns;
	u64 sleeps;
};

enum state { UNKNOWN, RUNNING, READY, ASLEEP };

struct figures {
	u64 window;
	u64 since_ns;
	u32 state;
	u32 slot;
	u64 running_ns;
	u64 ready_ns;
	u64 other_ns; /* slept in calls for which no slot was left */
	struct slot slots[SLOTS];
};

struct {
	NUMBER(type, MAP_TASK_STORAGE);
	NUMBER(map_flags, NO_PREALLOC);
	TYPE(key, s32);
	TYPE(value, struct figures);
} threads SECTION(".maps");

/* Who woke whom, out of which system call. */
struct wake {
	s32 waker_process;
	s32 waker;
	s32 wakee_process;
	s32 wakee;
	s64 number;
};

struct {
	NUMBER(type, MAP_LRU_HASH);
	NUMBER(max_entries, 4096);
	TYPE(key, struct wake);
	TYPE(value, struct count);
} wakes SECTION(".maps");

/* The slot of the system call that a sleeping thread is in; SLOTS when none is left. */
INLINE u32 slot_of(struct figures *figures, struct task_struct *task)
{
	struct pt_regs registers;
	const void *from = (const void *)task_registers(task);

	if (read_kernel(&registers, sizeof(registers), from))
		return SLOTS;
	s64 number = (s64)registers.orig_ax;
	for (u32 i = 0; i < SLOTS; i++) {
		struct slot *slot = &figures->slots[i];
		if (!slot->sleeps) {
			slot->number = number;
			slot->arguments[0] = registers.di;
			slot->arguments[1] = registers.si;
			slot->arguments[2] = registers.dx;
			slot->arguments[3] = registers.r10;
			slot->arguments[4] = registers.r8;
			return i;
		}
		/* The third argument tells a lock from a condition variable. */
		if (slot->number == number && slot->arguments[0] == registers.di &&
		    (number != 202 || slot->arguments[2] == registers.dx))
			return i;
	}
	return SLOTS;
}

INLINE void slept(struct figures *figures, u64 time_ns)
{
	u32 slot = figures->slot;

	if (slot < SLOTS) {
		figures->slots[slot].slept_ns += time_ns;
		figures->slots[slot].sleeps++;
	} else {
		figures->other_ns += time_ns;
	}
}

/* A thread's figures, brought up to now. In a window's first event of a thread it was in `before`
 * since the window began: otherwise there had been an event.
 */
INLINE struct figures *up_to_now(struct task_struct *task, struct window *open, u64 now_ns,
				 enum state before)
{
	struct figures *figures = task_storage(&threads, task, 0, STORAGE_CREATE);

	if (!figures)
		return 0;
	if (figures->window != open->number) {
		__builtin_memset(figures, 0, sizeof(*figures));
		figures->window = open->number;
		figures->since_ns = open->began_ns;
		figures->state = before;
		if (before == ASLEEP)
			figures->slot = slot_of(figures, task);
	}
	u64 time_ns = now_ns > figures->since_ns ? now_ns - figures->since_ns : 0;
	switch (figures->state) {
	case RUNNING:
		figures->running_ns += time_ns;
		break;
	case READY:
		figures->ready_ns += time_ns;
		break;
	case ASLEEP:
		slept(figures, time_ns);
		break;
	}
	figures->since_ns = now_ns;
	return figures;
}

/* sched_switch(preempted, prev, next, prev_state) */
SECTION("tp_btf/sched_switch") int on_switch(u64 *context)
{
	struct task_struct *prev = (void *)context[1], *next = (void *)context[2];
	struct window *open = open_window();

	if (!open)
		return 0;
	u64 now_ns = clock_ns();
	struct figures *figures;
	/* Process 0 is the core that has nothing to do. */
	if (prev->pid && (figures = up_to_now(prev, open, now_ns, RUNNING))) {
		if ((context[0] & 0xff) || !(u32)context[3]) {
			figures->state = READY;
		} else {
			figures->state = ASLEEP;
			figures->slot = prev->flags & KERNEL_THREAD ? SLOTS :
								      slot_of(figures, prev);
		}
	}
	if (next->pid && (figures = up_to_now(next, open, now_ns, READY)))
		figures->state = RUNNING;
	return 0;
}

INLINE void count_wake(struct task_struct *task, struct figures *figures, struct window *open)
{
	struct task_struct *waker = current_task();
	u32 slot = figures->slot;
	struct wake wake = {
		.waker_process = waker->tgid,
		.waker = waker->pid,
		.wakee_process = task->tgid,
		.wakee = task->pid,
		.number = -1,
	};

	/* Whoever was interrupted wakes nobody. */
	if (!wake.waker || slot >= SLOTS || interrupted(open))
		return;
	wake.number = figures->slots[slot].number;
	ADD(&wakes, &wake, open, 1, 0);
}

INLINE int woken(struct task_struct *task)
{
	struct window *open = open_window();

	if (!open || task->flags & KERNEL_THREAD)
		return 0;
	struct figures *figures = up_to_now(task, open, clock_ns(), ASLEEP);
	if (figures && figures->state == ASLEEP) {
		count_wake(task, figures, open);
		figures->state = READY;
	}
	return 0;
}

/* sched_wakeup(task) */
SECTION("tp_btf/sched_wakeup") int on_wakeup(u64 *context)
{
	return woken((void *)context[0]);
}

/* Hands a thread's figures to user space: what it reads of the iterator's file. */
struct dumped {
	s32 process;
	s32 thread;
	struct figures figures;
};

SECTION("iter/task") int dump_threads(struct bpf_iter__task *context)
{
	struct task_struct *task = context->task;
	struct dumped dumped;

	if (!task)
		return 0;
	struct figures *figures = task_storage(&threads, task, 0, 0);
	if (!figures)
		return 0;
	dumped.process = task->tgid;
	dumped.thread = task->pid;
	dumped.figures = *figures;
	sequence_write(context->meta->seq, &dumped, sizeof(dumped));
	return 0;
}

/* Unix sockets: what was sent, by whom, and to which socket. */
#define UNIX 1

struct sent {
	u64 from_inode;
	u64 to_inode;
	s32 process;
	s32 thread;
};

struct {
	NUMBER(type, MAP_LRU_HASH);
	NUMBER(max_entries, 4096);
	TYPE(key, struct sent);
	TYPE(value, struct count);
} unix_sent SECTION(".maps");

INLINE u64 inode_of(struct sock *sock)
{
	struct socket *socket = sock ? sock->sk_socket : 0;
	struct file *file = socket ? socket->file : 0;

	return file ? file->f_inode->i_ino : 0;
}

/* sock_send_length(sock, length, flags) */
SECTION("tp_btf/sock_send_length") int on_send(u64 *context)
{
	struct sock *sock = (void *)context[0];
	s32 length = (s32)context[1];
	struct window *open = open_window();

	if (sock->__sk_common.skc_family != UNIX || length <= 0 || !open)
		return 0;
	struct task_struct *task = current_task();
	struct sent sent = {
		.from_inode = inode_of(sock),
		.process = task->tgid,
		.thread = task->pid,
	};
	/* A unix socket begins with the part that all sockets have. */
	struct sock *peer = 0;
	read_kernel(&peer, sizeof(peer), &((struct unix_sock *)sock)->peer);
	struct socket *socket = 0;
	struct file *file = 0;
	struct inode *inode = 0;
	if (peer && !read_kernel(&socket, sizeof(socket), &peer->sk_socket) && socket &&
	    !read_kernel(&file, sizeof(file), &socket->file) && file &&
	    !read_kernel(&inode, sizeof(inode), &file->f_inode) && inode)
		read_kernel(&sent.to_inode, sizeof(u64), &inode->i_ino);
	ADD(&unix_sent, &sent, open, 1, length);
	return 0;
}
