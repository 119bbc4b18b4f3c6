//! Who is on the interface's network: a bounded table of addresses.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr};

use super::Mac;

/// Hosts that are known at most; the one heard of longest ago makes room.
const HOSTS_MAX: usize = 1024;
/// A host that was not heard of for so long must be asked for again.
pub(crate) const LIFE_NS: u64 = 300_000_000_000;

/// The table.
#[derive(Debug, Default)]
pub(crate) struct Neighbours {
    hosts: HashMap<IpAddr, (Mac, u64)>,
}

impl Neighbours {
    /// Notes that a host was heard of.
    pub(crate) fn learn(&mut self, address: impl Into<IpAddr>, mac: Mac, now_ns: u64) {
        let address = address.into();
        if !is_host(address, mac) {
            return;
        }
        if !self.hosts.contains_key(&address) && self.hosts.len() >= HOSTS_MAX {
            let oldest = self.hosts.iter().min_by_key(|(_, (_, heard_ns))| *heard_ns);
            if let Some(oldest) = oldest.map(|(address, _)| *address) {
                self.hosts.remove(&oldest);
            }
        }
        self.hosts.insert(address, (mac, now_ns));
    }

    /// Where a host is, if it was heard of lately.
    pub(crate) fn find(&self, address: impl Into<IpAddr>, now_ns: u64) -> Option<Mac> {
        let (mac, heard_ns) = self.hosts.get(&address.into())?;
        (now_ns.saturating_sub(*heard_ns) <= LIFE_NS).then_some(*mac)
    }
}

/// Whether these are addresses of a single host.
fn is_host(address: IpAddr, mac: Mac) -> bool {
    let group = mac[0] & 1 != 0;
    let everybody = address == IpAddr::V4(Ipv4Addr::BROADCAST);
    !group && !everybody && !address.is_unspecified() && !address.is_multicast()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_bounded_and_the_oldest_makes_room() {
        let mut neighbours = Neighbours::default();
        for host in 0..HOSTS_MAX as u32 + 1 {
            let address = Ipv4Addr::from(0x0a07_0001 + host);
            neighbours.learn(address, [2, 0, 0, 0, 0, 1], u64::from(host));
        }
        assert_eq!(neighbours.hosts.len(), HOSTS_MAX);
        assert_eq!(neighbours.find(Ipv4Addr::from(0x0a07_0001), 0), None);
        assert!(neighbours.find(Ipv4Addr::from(0x0a07_0002), 0).is_some());
    }

    #[test]
    fn groups_are_no_hosts() {
        let mut neighbours = Neighbours::default();
        neighbours.learn(Ipv4Addr::new(10, 7, 0, 2), [0xff; 6], 0);
        neighbours.learn(Ipv4Addr::BROADCAST, [2; 6], 0);
        neighbours.learn(std::net::Ipv6Addr::UNSPECIFIED, [2; 6], 0);
        assert!(neighbours.hosts.is_empty());
    }
}
