//! Why a tcp stage cannot be made.

/// Why a tcp stage cannot be made. All are faults of the pipeline's file or the command line.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum TcpError {
    /// The address is not an IPv4 address a host can have.
    #[error("tcp: option `address` is {0:?}; write an IPv4 address of one host, like 10.7.0.1")]
    Address(String),
    /// The address is not an IPv6 address a host can have.
    #[error(
        "tcp: option `address_v6` is {0:?}; write an IPv6 address of one host, like fd00:10:7::1, or nothing"
    )]
    AddressV6(String),
    /// A number is out of range.
    #[error("tcp: option `{option}` is {value}; write a number from {min} to {max}")]
    Range {
        /// The option.
        option: &'static str,
        /// What it is.
        value: i64,
        /// The least it may be.
        min: i64,
        /// The most it may be.
        max: i64,
    },
    /// The pages of the edge to the nic are too small for packets.
    #[error(
        "tcp: pages of {0} bytes on `to_nic` are too small for packets; use a bank with pages of 576 bytes or more"
    )]
    PageBytes(usize),
}
