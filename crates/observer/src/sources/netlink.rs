//! Netlink (RFC 3549): questions to the kernel, and the messages of its answers.

use std::io;
use std::os::fd::OwnedFd;
use std::time::Duration;

use rustix::net::sockopt::{Timeout, set_socket_timeout};
use rustix::net::{
    AddressFamily, Protocol, RecvFlags, SendFlags, SocketFlags, SocketType, recv, send, socket_with,
};

/// `NLM_F_REQUEST`, and with `NLM_F_DUMP`.
const REQUEST: u16 = 0x1;
const DUMP: u16 = 0x301;
const ERROR: u16 = 2;
const DONE: u16 = 3;
const HEADER_BYTES: usize = 16;
/// The kernel fills no more than this in one go.
const BUFFER_BYTES: usize = 65_536;
/// The answer about one entry is far shorter.
const ANSWER_BYTES_MAX: usize = 4096;
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
    let socket = open(protocol)?;
    set_socket_timeout(&socket, Timeout::Recv, Some(PATIENCE))?;
    let mut message = Vec::new();
    put(&mut message, kind, DUMP, 0, question);
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

fn open(protocol: Option<Protocol>) -> io::Result<OwnedFd> {
    let flags = SocketFlags::CLOEXEC;
    Ok(socket_with(
        AddressFamily::NETLINK,
        SocketType::RAW,
        flags,
        protocol,
    )?)
}

/// Appends a message.
fn put(to: &mut Vec<u8>, kind: u16, flags: u16, sequence: u32, question: &[u8]) {
    let length = (HEADER_BYTES + question.len()) as u32;
    to.extend_from_slice(&length.to_ne_bytes());
    to.extend_from_slice(&kind.to_ne_bytes());
    to.extend_from_slice(&flags.to_ne_bytes());
    to.extend_from_slice(&sequence.to_ne_bytes());
    to.extend_from_slice(&[0; 4]);
    to.extend_from_slice(question);
    to.resize(to.len().next_multiple_of(4), 0);
}

/// Asks for single entries, many at once, again and again over one socket. That socket belongs to
/// the network namespace that it was made in, wherever it is used.
#[derive(Debug)]
pub struct Asker {
    socket: OwnedFd,
    /// Of the first question of the last round: tells late answers from current ones.
    sequence: u32,
    message: Vec<u8>,
    buffer: Vec<u8>,
}

impl Asker {
    /// An asker of `protocol`.
    ///
    /// # Errors
    /// When the kernel has no such protocol.
    pub fn new(protocol: Protocol) -> io::Result<Asker> {
        Ok(Asker {
            socket: open(Some(protocol))?,
            sequence: 0,
            message: Vec::new(),
            buffer: vec![0; ANSWER_BYTES_MAX],
        })
    }

    /// Asks all `questions`, and hands what follows the header of each answer to `each`, with the
    /// question's place. A question about what is not there has no answer.
    ///
    /// # Errors
    /// When the kernel does not take the questions. That what it answers does not fit into the
    /// socket is none: what is lost is asked in the next round.
    pub fn ask<const N: usize>(
        &mut self,
        kind: u16,
        questions: impl Iterator<Item = [u8; N]>,
        mut each: impl FnMut(usize, &[u8]),
    ) -> io::Result<()> {
        self.message.clear();
        let mut asked = 0;
        for question in questions {
            let sequence = self.sequence.wrapping_add(asked);
            put(&mut self.message, kind, REQUEST, sequence, &question);
            asked += 1;
        }
        if asked == 0 {
            return Ok(());
        }
        send(&self.socket, &self.message, SendFlags::empty())?;
        // The kernel answers within the call: what is not there now does not come.
        while let Ok((length, _)) = recv(&self.socket, &mut self.buffer[..], RecvFlags::DONTWAIT) {
            let part = self.buffer.get(..length).unwrap_or_default();
            let place = u32_at(part, 8).wrapping_sub(self.sequence);
            if place < asked {
                // An error says that this one is not there.
                let _ = messages(part, &mut |body: &[u8]| each(place as usize, body));
            }
        }
        self.sequence = self.sequence.wrapping_add(asked);
        Ok(())
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
