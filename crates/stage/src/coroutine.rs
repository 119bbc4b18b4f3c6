//! Stackful coroutines for code that insists on waiting, such as SQLite and the ext4 library.
//!
//! ```text
//!   stage (never blocks)                coroutine (thinks it blocks)
//!        resume_start()   ----------->  body runs ...
//!        Step::Call(call) <-----------  caller.call(call)   suspended
//!        ... messages go out and come back ...
//!        resume(reply)    ----------->  ... = reply         goes on
//!        Step::Done(r)    <-----------  returns r
//! ```
//!
//! Rules: one coroutine per ext4 file system and per SQLite connection, because their locks are
//! held across calls. A suspended coroutine is finished, never dropped: unwinding its stack would
//! run through C frames. One that is dropped all the same is leaked on purpose.

use std::cell::Cell;
use std::io;
use std::mem::ManuallyDrop;
use std::ptr;
use std::sync::Arc;
use std::sync::atomic::{AtomicPtr, AtomicU64, Ordering};

use corosensei::stack::DefaultStack;
use corosensei::{CoroutineResult, Yielder};

type Yield<Call, Reply> = Yielder<Option<Reply>, Call>;

static NEXT_ID: AtomicU64 = AtomicU64::new(1);

thread_local! {
    /// The coroutine whose stack this thread is on; 0 for none. What keeps a caller from
    /// switching a stack that it is not on.
    static CURRENT: Cell<u64> = const { Cell::new(0) };
}

/// What a resumed coroutine came to.
#[derive(Debug)]
pub enum Step<Call, R> {
    /// It waits for the reply to this call.
    Call(Call),
    /// It returned.
    Done(R),
}

struct Shared<Call, Reply> {
    id: u64,
    yielder: AtomicPtr<Yield<Call, Reply>>,
}

/// The way out of a coroutine: suspends it until the stage has a reply. Can be cloned and kept
/// anywhere inside the code that runs on the coroutine.
pub struct Caller<Call, Reply> {
    shared: Arc<Shared<Call, Reply>>,
}

impl<Call, Reply> Clone for Caller<Call, Reply> {
    fn clone(&self) -> Self {
        Caller {
            shared: Arc::clone(&self.shared),
        }
    }
}

impl<Call, Reply> Caller<Call, Reply> {
    /// Suspends the coroutine with `call` and gives the reply it is resumed with.
    ///
    /// # Panics
    /// When called from anywhere but its own coroutine.
    pub fn call(&self, call: Call) -> Reply {
        assert!(
            CURRENT.get() == self.shared.id,
            "a coroutine's caller was used outside of its coroutine"
        );
        let yielder = self.shared.yielder.load(Ordering::Relaxed);
        // SAFETY: this thread is on the stack of the coroutine with this id (`CURRENT`), so the
        // body is running and the yielder, which it was given by reference for its whole run,
        // is alive; `yielder` was stored before the body began.
        let yielder = unsafe { &*yielder };
        match yielder.suspend(call) {
            Some(reply) => reply,
            None => unreachable!("only the first resume has no reply"),
        }
    }
}

/// Code that waits, on a stack of its own.
pub struct Coroutine<Call, Reply, R> {
    id: u64,
    inner: ManuallyDrop<corosensei::Coroutine<Option<Reply>, Call, R, DefaultStack>>,
    started: bool,
}

impl<Call: 'static, Reply: 'static, R: 'static> Coroutine<Call, Reply, R> {
    /// A coroutine that will run `body` on a stack of `stack_bytes` (with a guard page).
    pub fn new(
        stack_bytes: usize,
        body: impl FnOnce(Caller<Call, Reply>) -> R + 'static,
    ) -> io::Result<Self> {
        let id = NEXT_ID.fetch_add(1, Ordering::Relaxed);
        let shared = Arc::new(Shared {
            id,
            yielder: AtomicPtr::new(ptr::null_mut()),
        });
        let stack = DefaultStack::new(stack_bytes)?;
        let inner = corosensei::Coroutine::with_stack(
            stack,
            move |yielder: &Yield<Call, Reply>, _first: Option<Reply>| {
                shared
                    .yielder
                    .store(ptr::from_ref(yielder).cast_mut(), Ordering::Relaxed);
                body(Caller { shared })
            },
        );
        Ok(Coroutine {
            id,
            inner: ManuallyDrop::new(inner),
            started: false,
        })
    }

    /// Runs the body until its first call, or its end.
    ///
    /// # Panics
    /// When it was started before, and with whatever the body panics with.
    pub fn resume_start(&mut self) -> Step<Call, R> {
        assert!(!self.started, "a coroutine starts once");
        self.started = true;
        self.switch(None)
    }

    /// Goes on with the reply to the call it waits for.
    ///
    /// # Panics
    /// When it was not started or is done, and with whatever the body panics with.
    pub fn resume(&mut self, reply: Reply) -> Step<Call, R> {
        assert!(self.started, "a coroutine is started before it is resumed");
        self.switch(Some(reply))
    }

    fn switch(&mut self, reply: Option<Reply>) -> Step<Call, R> {
        // A guard, so that a panic of the body leaves the outer coroutine (if any) current.
        struct Restore(u64);
        impl Drop for Restore {
            fn drop(&mut self) {
                CURRENT.set(self.0);
            }
        }
        let _restore = Restore(CURRENT.replace(self.id));
        match self.inner.resume(reply) {
            CoroutineResult::Yield(call) => Step::Call(call),
            CoroutineResult::Return(value) => Step::Done(value),
        }
    }

    /// Whether the body has returned.
    pub fn is_done(&self) -> bool {
        self.inner.done()
    }
}

impl<Call, Reply, R> Drop for Coroutine<Call, Reply, R> {
    fn drop(&mut self) {
        if self.started && !self.inner.done() {
            // Suspended: its frames may be C's, which must not be unwound. Leaked on purpose.
            return;
        }
        // SAFETY: `inner` is dropped here and nowhere else, and not used afterwards.
        unsafe { ManuallyDrop::drop(&mut self.inner) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_go_out_and_replies_come_in() {
        let body = |caller: Caller<u32, u32>| (1..=3).map(|n| caller.call(n)).sum::<u32>();
        let mut coroutine = Coroutine::new(64 * 1024, body).unwrap();
        let mut step = coroutine.resume_start();
        loop {
            match step {
                Step::Call(n) => step = coroutine.resume(n * 10),
                Step::Done(sum) => return assert_eq!(sum, 60),
            }
        }
    }

    #[test]
    #[should_panic(expected = "outside of its coroutine")]
    fn a_caller_refuses_to_be_used_outside_of_its_coroutine() {
        let (hand_out, callers) = std::sync::mpsc::channel();
        let body = move |caller: Caller<(), ()>| {
            hand_out.send(caller.clone()).unwrap();
            caller.call(());
        };
        let mut coroutine = Coroutine::new(64 * 1024, body).unwrap();
        assert!(matches!(coroutine.resume_start(), Step::Call(())));
        callers.recv().unwrap().call(());
    }

    #[test]
    fn a_panic_in_the_body_reaches_the_one_who_resumes() {
        let body = |_: Caller<(), ()>| panic!("inside");
        let mut coroutine: Coroutine<(), (), ()> = Coroutine::new(64 * 1024, body).unwrap();
        let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            coroutine.resume_start();
        }));
        assert!(result.is_err());
        assert_eq!(CURRENT.get(), 0);
    }
}
