//! Asking the processor for a line before it is needed.

/// Fetches the cache line at `address` for reading. A hint: any address is allowed.
#[inline]
pub(crate) fn prefetch(address: *const u8) {
    #[cfg(all(target_arch = "x86_64", not(miri)))]
    // SAFETY: a prefetch never faults, whatever the address, and changes nothing but caches.
    unsafe {
        core::arch::x86_64::_mm_prefetch::<{ core::arch::x86_64::_MM_HINT_T0 }>(address.cast());
    }
    #[cfg(all(target_arch = "aarch64", not(miri)))]
    // SAFETY: a prefetch never faults, whatever the address, and changes nothing but caches.
    unsafe {
        core::arch::asm!("prfm pldl1keep, [{}]", in(reg) address, options(nostack, readonly, preserves_flags));
    }
    #[cfg(any(miri, not(any(target_arch = "x86_64", target_arch = "aarch64"))))]
    let _ = address;
}

/// Asks the processor for a slot's line *for writing*, so that storing into it needs no second
/// transaction. For an end that waits for one item: a line that it reads first and then writes is
/// fetched, and then claimed while the reply waits behind that store. Elsewhere claiming hurts.
#[inline(always)]
pub(crate) fn claim<T>(_slot: &T) {
    #[cfg(all(target_arch = "x86_64", not(any(miri, loom, shuttle))))]
    // SAFETY: a hint on a valid address: it changes no memory, register or flag. Processors
    // without it (before 2008) execute it as no operation.
    unsafe {
        core::arch::asm!("prefetchw [{}]", in(reg) _slot, options(nostack, preserves_flags));
    }
}
