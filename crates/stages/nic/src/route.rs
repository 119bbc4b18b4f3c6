//! What the host's routing is told of an interface (Linux: rtnetlink(7)).

use std::time::Duration;

use rustix::io::Errno;
use rustix::net::sockopt::{Timeout, set_socket_timeout};
use rustix::net::{
    AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, recv, send, socket_with,
};

/// `RTM_SETLINK`.
const SET_LINK: u16 = 19;
/// `NLM_F_REQUEST | NLM_F_ACK`.
const ACKNOWLEDGED: u16 = 0x005;
/// `NLMSG_ERROR`, which is also the acknowledgement.
const ERROR: u16 = 2;
/// `IFLA_IFNAME`.
const NAME: u16 = 3;
/// `IFLA_TXQLEN`.
const QUEUE_FRAMES: u16 = 13;
/// `IFLA_GSO_MAX_SIZE`.
const PACKET_BYTES_MAX: u16 = 41;
/// Bytes of a message's header, and of `struct ifinfomsg`, which follows.
const HEADER_BYTES: usize = 16;
const LINK_BYTES: usize = 16;
/// An answer that takes longer does not come.
const PATIENCE: Duration = Duration::from_secs(2);

/// Has the host split a packet before it reaches the interface, unless it is smaller than so many
/// bytes, the header of its frame included.
pub(crate) fn limit_packets(interface: &str, bytes: usize) -> Result<(), Errno> {
    set(interface, PACKET_BYTES_MAX, bytes)
}

/// Has so many frames wait before the interface; what comes while there are as many is lost.
pub(crate) fn lengthen_queue(interface: &str, frames: usize) -> Result<(), Errno> {
    set(interface, QUEUE_FRAMES, frames)
}

fn set(interface: &str, kind: u16, value: usize) -> Result<(), Errno> {
    let value = u32::try_from(value).map_err(|_| Errno::RANGE)?;
    let flags = SocketFlags::CLOEXEC;
    let socket = socket_with(AddressFamily::NETLINK, SocketType::RAW, flags, None)?;
    set_socket_timeout(&socket, Timeout::Recv, Some(PATIENCE))?;
    send(
        &socket,
        &message(interface, kind, value),
        SendFlags::empty(),
    )?;
    let mut answer = [0; 512];
    let (length, _) = recv(&socket, &mut answer[..], RecvFlags::empty())?;
    outcome(answer.get(..length).unwrap_or(&[]))
}

fn message(interface: &str, kind: u16, value: u32) -> Vec<u8> {
    let mut message = vec![0; HEADER_BYTES + LINK_BYTES];
    message[4..6].copy_from_slice(&SET_LINK.to_ne_bytes());
    message[6..8].copy_from_slice(&ACKNOWLEDGED.to_ne_bytes());
    attribute(&mut message, NAME, &[interface.as_bytes(), &[0]].concat());
    attribute(&mut message, kind, &value.to_ne_bytes());
    // Two short attributes.
    let length = message.len() as u32;
    message[..4].copy_from_slice(&length.to_ne_bytes());
    message
}

fn attribute(message: &mut Vec<u8>, kind: u16, value: &[u8]) {
    let length = 4 + value.len() as u16;
    message.extend_from_slice(&length.to_ne_bytes());
    message.extend_from_slice(&kind.to_ne_bytes());
    message.extend_from_slice(value);
    message.resize(message.len().next_multiple_of(4), 0);
}

/// What an answer says.
fn outcome(answer: &[u8]) -> Result<(), Errno> {
    let is_error = answer.get(4..6) == Some(&ERROR.to_ne_bytes());
    let code = answer.get(HEADER_BYTES..HEADER_BYTES + 4);
    let code = code.and_then(|code| Some(i32::from_ne_bytes(code.try_into().ok()?)));
    match (is_error, code) {
        (true, Some(0)) => Ok(()),
        (true, Some(code)) => Err(Errno::from_raw_os_error(code.saturating_neg())),
        _ => Err(Errno::BADMSG),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attributes_are_padded_and_the_message_knows_its_length() {
        let message = message("tap0", PACKET_BYTES_MAX, 16_384);
        // 4 + 5 bytes of the name, padded to 12, and 4 + 4 of the number.
        assert_eq!(message.len(), 32 + 12 + 8);
        assert_eq!(message[..4], 52_u32.to_ne_bytes());
        assert_eq!(message[32..34], 9_u16.to_ne_bytes());
        assert_eq!(message[36..41], *b"tap0\0");
        assert_eq!(message[48..52], 16_384_u32.to_ne_bytes());
    }

    #[test]
    fn only_an_acknowledgement_is_success() {
        let mut answer = vec![0; 20];
        assert_eq!(outcome(&answer), Err(Errno::BADMSG));
        answer[4..6].copy_from_slice(&ERROR.to_ne_bytes());
        assert_eq!(outcome(&answer), Ok(()));
        answer[16..20].copy_from_slice(&(-1_i32).to_ne_bytes());
        assert_eq!(outcome(&answer), Err(Errno::PERM));
        for cut in 0..20 {
            assert_eq!(outcome(&answer[..cut]), Err(Errno::BADMSG));
        }
    }
}
