//! Netlink (RFC 3549): a question to the kernel, and the messages of its answer.

use std::io;
use std::time::Duration;

use rustix::net::sockopt::{Timeout, set_socket_timeout};
use rustix::net::{
    AddressFamily, Protocol, RecvFlags, SendFlags, SocketFlags, SocketType, recv, send, socket_with,
};

/// `NLM_F_REQUEST | NLM_F_DUMP`.
const DUMP: u16 = 0x301;
const ERROR: u16 = 2;
const DONE: u16 = 3;
const HEADER_BYTES: usize = 16;
/// The kernel fills no more than this in one go.
const BUFFER_BYTES: usize = 65_536;
/// An answer that takes longer does not come.
const PATIENCE: Duration = Duration::from_secs(2);

/// Asks `protocol` (none: routing) for all entries of a kind, and hands each to `each`: what follows
/// the header of its message.
pub fn dump(
    protocol: Option<Protocol>,
    kind: u16,
    question: &[u8],
    mut each: impl FnMut(&[u8]),
) -> io::Result<()> {
    let flags = SocketFlags::CLOEXEC;
    let socket = socket_with(AddressFamily::NETLINK, SocketType::RAW, flags, protocol)?;
    set_socket_timeout(&socket, Timeout::Recv, Some(PATIENCE))?;
    let length = (HEADER_BYTES + question.len()) as u32;
    let mut message = Vec::with_capacity(length as usize);
    message.extend_from_slice(&length.to_ne_bytes());
    message.extend_from_slice(&kind.to_ne_bytes());
    message.extend_from_slice(&DUMP.to_ne_bytes());
    message.extend_from_slice(&[0; 8]);
    message.extend_from_slice(question);
    send(&socket, &message, SendFlags::empty())?;
    let mut buffer = vec![0; BUFFER_BYTES];
    loop {
        let (length, _) = recv(&socket, &mut buffer[..], RecvFlags::empty())?;
        let answer = buffer.get(..length).unwrap_or_default();
        if answer.is_empty() || !messages(answer, &mut each)? {
            return Ok(());
        }
    }
}

/// Hands over the messages of a part of an answer; false when it was the last part.
fn messages(mut part: &[u8], each: &mut impl FnMut(&[u8])) -> io::Result<bool> {
    while part.len() >= HEADER_BYTES {
        let length = u32_at(part, 0) as usize;
        let kind = u16_at(part, 4);
        let Some(body) = part.get(HEADER_BYTES..length) else {
            return Err(io::ErrorKind::InvalidData.into());
        };
        match kind {
            DONE => return Ok(false),
            ERROR => return Err(io::Error::from_raw_os_error(-(u32_at(body, 0) as i32))),
            _ => each(body),
        }
        part = part.get(length.next_multiple_of(4)..).unwrap_or_default();
    }
    Ok(true)
}

/// Attributes: type and value of each.
pub fn attributes(mut bytes: &[u8]) -> impl Iterator<Item = (u16, &[u8])> {
    std::iter::from_fn(move || {
        let length = usize::from(u16_at(bytes, 0));
        let value = bytes.get(4..length)?;
        // The upper two bits are flags.
        let kind = u16_at(bytes, 2) & 0x3fff;
        bytes = bytes.get(length.next_multiple_of(4)..).unwrap_or_default();
        Some((kind, value))
    })
}

/// A number of the machine's own byte order; 0 where the bytes end before.
pub fn u32_at(bytes: &[u8], at: usize) -> u32 {
    array(bytes, at).map_or(0, u32::from_ne_bytes)
}

/// As [`u32_at`].
pub fn u64_at(bytes: &[u8], at: usize) -> u64 {
    array(bytes, at).map_or(0, u64::from_ne_bytes)
}

fn u16_at(bytes: &[u8], at: usize) -> u16 {
    array(bytes, at).map_or(0, u16::from_ne_bytes)
}

fn array<const N: usize>(bytes: &[u8], at: usize) -> Option<[u8; N]> {
    bytes.get(at..at.checked_add(N)?)?.try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(kind: u16, body: &[u8]) -> Vec<u8> {
        let mut bytes = ((16 + body.len()) as u32).to_ne_bytes().to_vec();
        bytes.extend(kind.to_ne_bytes());
        bytes.extend([0; 10]);
        bytes.extend(body);
        bytes
    }

    #[test]
    fn messages_come_until_the_kernel_says_that_it_is_done() {
        let mut seen = Vec::new();
        let mut each = |body: &[u8]| seen.push(body.len());
        let part = [message(20, &[0; 8]), message(20, &[0; 4])].concat();
        assert!(messages(&part, &mut each).unwrap());
        assert!(!messages(&message(DONE, &[0; 4]), &mut each).unwrap());
        assert_eq!(seen, [8, 4]);
    }

    #[test]
    fn a_lie_about_a_length_is_an_error_or_the_end() {
        let mut lie = message(20, &[0; 8]);
        lie[0] = 200;
        assert!(messages(&lie, &mut |_| {}).is_err());
        lie[0] = 3;
        assert!(messages(&lie, &mut |_| {}).is_err());
        let refused = message(ERROR, &(-13_i32).to_ne_bytes());
        let error = messages(&refused, &mut |_| {}).unwrap_err();
        assert_eq!(error.raw_os_error(), Some(13));
        assert_eq!(attributes(&[9, 0, 1, 0, 7]).count(), 0);
        assert_eq!(
            attributes(&[5, 0, 1, 0, 7]).collect::<Vec<_>>(),
            [(1, &[7][..])]
        );
        assert_eq!(attributes(&[0, 0, 1, 0, 7]).count(), 0);
    }
}
