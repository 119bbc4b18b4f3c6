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
/// transaction: a line that is read first and then written is fetched, and then claimed, while
/// what is behind that store waits. A hint: any address is allowed.
///
/// Only for lines that the other end has no use for at the moment. Taking a line that it is still
/// filling costs more than is gained.
#[inline(always)]
pub(crate) fn claim<T>(_slot: *const T) {
    #[cfg(all(target_arch = "x86_64", not(any(miri, loom, shuttle))))]
    // SAFETY: a hint that never faults, whatever the address: it changes no memory, register or
    // flag. Processors without it (before 2008) execute it as no operation.
    unsafe {
        core::arch::asm!("prefetchw [{}]", in(reg) _slot, options(nostack, preserves_flags));
    }
}
