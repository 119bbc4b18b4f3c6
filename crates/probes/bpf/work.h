/* Work for the kernel's workers: who gave it to whom, and how long it waited. */
#ifndef BRIGADE_WORK_H
#define BRIGADE_WORK_H

#include "interrupts.h"

struct queued {
	u64 window;
	u64 queued_ns;
	s32 process; /* 0: a soft interrupt */
	s32 thread;
};

struct {
	NUMBER(type, MAP_LRU_HASH);
	NUMBER(max_entries, 4096);
	TYPE(key, u64);
	TYPE(value, struct queued);
} queued SECTION(".maps");

/* Who gave, and who took. */
struct given {
	s32 process;
	s32 thread;
	s32 worker_process;
	s32 worker;
	u64 unused; /* as long as the other keys */
};

struct {
	NUMBER(type, MAP_LRU_HASH);
	NUMBER(max_entries, 4096);
	TYPE(key, struct given);
	TYPE(value, struct count);
} given SECTION(".maps");

/* workqueue_queue_work(core, queue, work) */
SECTION("tp_btf/workqueue_queue_work") int on_queue_work(u64 *context)
{
	u64 work = context[2];
	struct window *open = open_window();

	if (!open)
		return 0;
	struct queued now = { .window = open->number, .queued_ns = clock_ns() };
	if (!interrupted(open)) {
		struct task_struct *task = current_task();
		now.process = task->tgid;
		now.thread = task->pid;
	}
	map_update(&queued, &work, &now, ANY);
	return 0;
}

/* workqueue_execute_start(work) */
SECTION("tp_btf/workqueue_execute_start") int on_execute(u64 *context)
{
	u64 work = context[0];
	struct window *open = open_window();
	struct queued *was;

	if (!open || !(was = map_lookup(&queued, &work)) || was->window != open->number)
		return 0;
	struct task_struct *worker = current_task();
	struct given key = {
		.process = was->process,
		.thread = was->thread,
		.worker_process = worker->tgid,
		.worker = worker->pid,
	};
	u64 wait_ns = clock_ns() - was->queued_ns;
	ADD(&given, &key, open, 1, wait_ns);
	map_delete(&queued, &work);
	return 0;
}

#endif
