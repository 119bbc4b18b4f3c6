//! The unit in which cores pass memory to each other.

/// Bytes of a cache line, as the hardware hands it from core to core: the parameter that all
/// padding of this crate follows.
///
/// 64 on most machines; 128 on 64-bit ARM (Apple's cores, and some others fetch pairs) and POWER;
/// 256 on IBM Z.
pub const LINE_BYTES: usize = align_of::<CacheLine<u8>>();

/// A value alone in its cache line(s): writing it takes no line away from anybody's neighbour.
#[cfg_attr(
    any(target_arch = "aarch64", target_arch = "powerpc64"),
    repr(C, align(128))
)]
#[cfg_attr(target_arch = "s390x", repr(C, align(256)))]
#[cfg_attr(
    not(any(
        target_arch = "aarch64",
        target_arch = "powerpc64",
        target_arch = "s390x"
    )),
    repr(C, align(64))
)]
#[derive(Debug, Default)]
pub struct CacheLine<T>(pub T);
