/* The few parts of the kernel that the programs look at. Offsets are those of the running kernel:
 * the loader relocates every access to a type with preserve_access_index (CO-RE).
 */
#ifndef BRIGADE_KERNEL_H
#define BRIGADE_KERNEL_H

typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;
typedef int s32;
typedef unsigned long long u64;
typedef long long s64;

#define SECTION(name) __attribute__((section(name), used))
#define INLINE static inline __attribute__((always_inline))
#define RELOCATED __attribute__((preserve_access_index))

/* Maps are described by types: a number is the length of an array. */
#define NUMBER(name, value) int(*name)[value]
#define TYPE(name, value) typeof(value) *name

enum {
	MAP_ARRAY = 2,
	MAP_PERCPU_ARRAY = 6,
	MAP_LRU_HASH = 9,
	MAP_TASK_STORAGE = 29,

	NO_PREALLOC = 1,
	STORAGE_CREATE = 1,
	ANY = 0,

	KERNEL_THREAD = 0x00200000,
};

/* Helpers by their numbers in the kernel's interface (linux/bpf.h). */
static void *(*map_lookup)(void *map, const void *key) = (void *)1;
static long (*map_update)(void *map, const void *key, const void *value, u64 flags) = (void *)2;
static long (*map_delete)(void *map, const void *key) = (void *)3;
static u64 (*clock_ns)(void) = (void *)5;
static u32 (*core_number)(void) = (void *)8;
static long (*read_kernel)(void *to, u32 bytes, const void *from) = (void *)113;
static long (*sequence_write)(void *sequence, const void *from, u32 bytes) = (void *)127;
static void *(*task_storage)(void *map, void *task, void *value, u64 flags) = (void *)156;
static struct task_struct *(*current_task)(void) = (void *)158;
static long (*task_registers)(struct task_struct *task) = (void *)175;

struct task_struct {
	unsigned int flags;
	s32 pid;
	s32 tgid;
} RELOCATED;

/* x86-64: what a system call was given. The layout is part of the kernel's interface. */
struct pt_regs {
	unsigned long r15, r14, r13, r12, bp, bx, r11, r10, r9, r8, ax, cx, dx, si, di, orig_ax;
};

struct seq_file;

struct bpf_iter_meta {
	struct seq_file *seq;
} RELOCATED;

struct bpf_iter__task {
	struct bpf_iter_meta *meta;
	struct task_struct *task;
} RELOCATED;

struct sock_common {
	u16 skc_family;
} RELOCATED;

struct sock {
	struct sock_common __sk_common;
	struct socket *sk_socket;
} RELOCATED;

struct unix_sock {
	struct sock *peer;
} RELOCATED;

struct net_device {
	char name[16];
} RELOCATED;

struct napi_struct {
	struct net_device *dev;
} RELOCATED;

struct inode {
	unsigned long i_ino;
} RELOCATED;

struct file {
	struct inode *f_inode;
} RELOCATED;

struct socket {
	struct file *file;
} RELOCATED;

#endif
