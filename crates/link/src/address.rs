//! The address of IPv6 that every host has beside its own.

use std::net::Ipv6Addr;

/// The link-local address (RFC 4291, section 2.5.6) of a host at `address`: fe80:: with the same last
/// 64 bits. So nic and tcp, which are both told the address, need not be told this one.
pub fn link_local(address: Ipv6Addr) -> Ipv6Addr {
    let [.., a, b, c, d] = address.segments();
    Ipv6Addr::new(0xfe80, 0, 0, 0, a, b, c, d)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_network_changes() {
        let address: Ipv6Addr = "fd00:10:7:9:1:2:3:4".parse().unwrap();
        assert_eq!(link_local(address).to_string(), "fe80::1:2:3:4");
        assert_eq!(link_local(link_local(address)), link_local(address));
    }
}
