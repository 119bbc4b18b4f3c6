//! A browser on a real socket.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};

use crate::browser::{Reply, Shopper};
use crate::process::WATCHDOG;

/// A connection to the shop.
pub struct Browser {
    stream: TcpStream,
    received: Vec<u8>,
}

impl Browser {
    /// Connects.
    pub fn connect(address: SocketAddr) -> Browser {
        let stream = TcpStream::connect(address).expect("it listens");
        let limited = stream.set_read_timeout(Some(WATCHDOG));
        limited.expect("a time limit");
        Browser {
            stream,
            received: Vec::new(),
        }
    }

    /// Sends a request and receives the reply; `None` when the server closed the connection
    /// without beginning one. Half a reply is a panic.
    pub fn try_ask(&mut self, request: &[u8]) -> Option<Reply> {
        if self.stream.write_all(request).is_err() {
            return None;
        }
        let mut bytes = [0; 16384];
        loop {
            if let Some((reply, length)) = Reply::parse(&self.received) {
                self.received.drain(..length);
                return Some(reply);
            }
            match self.stream.read(&mut bytes) {
                Ok(length) if length > 0 => self.received.extend_from_slice(&bytes[..length]),
                Err(error) if error.kind() == ErrorKind::WouldBlock => panic!("no reply"),
                _ => {
                    let cut = String::from_utf8_lossy(&self.received);
                    assert!(cut.is_empty(), "a reply cut in half: {cut}");
                    return None;
                }
            }
        }
    }

    /// Sends a request and receives the reply.
    pub fn ask(&mut self, request: &[u8]) -> Reply {
        self.try_ask(request).expect("a reply")
    }

    /// A whole visit; gives the customer afterwards.
    pub fn visit(&mut self, mut shopper: Shopper) -> Shopper {
        let mut request = shopper.next(None);
        while let Some(asked) = request {
            let reply = self.ask(&asked);
            request = shopper.next(Some(&reply));
        }
        assert!(shopper.has_left());
        shopper
    }
}
