//! Queueing disciplines of this network namespace's interfaces, by rtnetlink (RTM_GETQDISC).

use std::io;

use super::netlink::{attributes, dump, u32_at, u64_at};
use crate::procfs;

const GET_QDISC: u16 = 38;
/// `struct tcmsg`.
const MESSAGE_BYTES: usize = 20;
const KIND: u16 = 1;
const STATISTICS: u16 = 7;
const BASIC: u16 = 1;
const QUEUE: u16 = 3;

/// One queue before an interface, as it is now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Qdisc {
    /// The interface's number.
    pub interface: u32,
    /// Its handle: an interface may have several.
    pub handle: u32,
    /// What it hangs below. Those that the kernel makes, one for each queue of an interface, all have
    /// handle 0, and only this tells them apart.
    pub parent: u32,
    /// What it is: `tbf`, `fq_codel` ...
    pub kind: String,
    /// Packets that wait.
    pub length_packets: u64,
    /// Bytes that wait.
    pub length_bytes: u64,
    /// Bytes that left it so far.
    pub sent_bytes_total: u64,
    /// Packets that left it so far.
    pub sent_packets_total: u64,
    /// Packets thrown away so far.
    pub drops_total: u64,
    /// Times that a rate limit held a packet back.
    pub overlimits_total: u64,
}

/// Reads all of them.
///
/// # Errors
/// When the kernel does not answer.
pub fn read() -> io::Result<Vec<Qdisc>> {
    let mut found = Vec::new();
    dump(None, GET_QDISC, &[0; MESSAGE_BYTES], |body| {
        found.extend(qdisc(body));
    })?;
    Ok(found)
}

fn qdisc(body: &[u8]) -> Option<Qdisc> {
    let rest = body.get(MESSAGE_BYTES..)?;
    let mut qdisc = Qdisc {
        interface: u32_at(body, 4),
        handle: u32_at(body, 8),
        parent: u32_at(body, 12),
        kind: String::new(),
        length_packets: 0,
        length_bytes: 0,
        sent_bytes_total: 0,
        sent_packets_total: 0,
        drops_total: 0,
        overlimits_total: 0,
    };
    for (kind, value) in attributes(rest) {
        match kind {
            KIND => qdisc.kind = String::from_utf8_lossy(value).trim_end_matches('\0').into(),
            STATISTICS => statistics(&mut qdisc, value),
            _ => {}
        }
    }
    Some(qdisc)
}

fn statistics(qdisc: &mut Qdisc, bytes: &[u8]) {
    for (kind, value) in attributes(bytes) {
        let at = |i: usize| u64::from(u32_at(value, 4 * i));
        match kind {
            BASIC => {
                qdisc.sent_bytes_total = u64_at(value, 0);
                qdisc.sent_packets_total = at(2);
            }
            QUEUE => {
                qdisc.length_packets = at(0);
                qdisc.length_bytes = at(1);
                qdisc.drops_total = at(2);
                qdisc.overlimits_total = at(4);
            }
            _ => {}
        }
    }
}

/// The name of an interface.
pub fn interface_name(interface: u32) -> String {
    let wanted = interface.to_string();
    let all = std::fs::read_dir("/sys/class/net")
        .into_iter()
        .flatten()
        .flatten();
    let mut names = all.filter_map(|entry| entry.file_name().into_string().ok());
    let is_it = |name: &String| {
        let index = procfs::text(format!("/sys/class/net/{name}/ifindex"));
        index.is_some_and(|index| index.trim() == wanted)
    };
    names
        .find(is_it)
        .unwrap_or(format!("interface {interface}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_kernel_made_for_each_queue_is_told_apart_by_what_it_hangs_below() {
        let of = |parent: u8| {
            let mut body = [0; MESSAGE_BYTES];
            body[12] = parent;
            let qdisc = qdisc(&body).unwrap();
            (qdisc.handle, qdisc.parent)
        };
        assert_eq!([of(1), of(2)], [(0, 1), (0, 2)]);
        assert_eq!(qdisc(&[0; MESSAGE_BYTES - 1]), None);
    }
}
