//! One host connection: moves bytes between its socket and its client on the wire.

use std::os::fd::OwnedFd;
use std::time::Duration;

use brigade_link::Socket;
use brigade_link::tcp::State;
use rustix::event::epoll::EventFlags;
use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags, Shutdown, recv, send, shutdown, sockopt};

use super::Copies;
use crate::state::client::ConnectionId;

/// How long a host may take none of the last bytes of a connection that is closed at the other
/// end, in nanoseconds.
const PATIENCE_NS: u64 = 60_000_000_000;

/// What shall become of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fate {
    /// It goes on.
    Open,
    /// Both sides have closed and everything was delivered.
    Done,
    /// One side was reset: reset the other one.
    Reset,
}

/// The host connection failed.
struct Failed;

/// One host connection. The flags remember what the kernel said once (edge-triggered).
pub(crate) struct HostConnection {
    file: OwnedFd,
    id: ConnectionId,
    /// Stands in the portal's ready list.
    pub(crate) is_ready: bool,
    /// The client holds bytes that the host has not taken.
    pub(crate) is_undelivered: bool,
    is_readable: bool,
    is_writable: bool,
    /// The kernel announced the end of the stream: a short read does not mean "no more".
    is_ending: bool,
    has_failed: bool,
    /// The host sent FIN, and all before it was read.
    host_finished: bool,
    /// Our client sent FIN.
    client_closed: bool,
    /// Brigade sent FIN.
    server_finished: bool,
    /// The host got FIN.
    host_shut: bool,
    /// When the remaining bytes are given up, in nanoseconds, and how many they were then.
    patience: Option<(u64, usize)>,
}

impl HostConnection {
    pub(crate) fn new(file: OwnedFd, id: ConnectionId) -> HostConnection {
        HostConnection {
            file,
            id,
            is_ready: false,
            is_undelivered: false,
            is_readable: false,
            is_writable: false,
            is_ending: false,
            has_failed: false,
            host_finished: false,
            client_closed: false,
            server_finished: false,
            host_shut: false,
            patience: None,
        }
    }

    pub(crate) fn id(&self) -> ConnectionId {
        self.id
    }

    /// Remembers what the kernel says of the socket.
    pub(crate) fn note(&mut self, flags: EventFlags) {
        self.is_readable |= flags.intersects(EventFlags::IN | EventFlags::RDHUP | EventFlags::HUP);
        self.is_writable |= flags.contains(EventFlags::OUT);
        self.is_ending |= flags.intersects(EventFlags::RDHUP | EventFlags::HUP);
        self.has_failed |= flags.contains(EventFlags::ERR);
    }

    /// Resets the connection when it is served next.
    pub(crate) fn give_up(&mut self) {
        self.has_failed = true;
    }

    /// Moves what can be moved both ways, and passes on what each side says of its end.
    pub(crate) fn pump(&mut self, client: &mut Socket, now_ns: u64, copies: &mut Copies) -> Fate {
        match self.try_pump(client, copies) {
            _ if self.has_failed => Fate::Reset,
            Err(Failed) => Fate::Reset,
            Ok(fate) => {
                self.is_undelivered = client.tcp().can_recv();
                self.note_patience(client, now_ns);
                fate
            }
        }
    }

    fn try_pump(&mut self, client: &mut Socket, copies: &mut Copies) -> Result<Fate, Failed> {
        let state = client.tcp().state();
        self.server_finished |= matches!(
            state,
            State::CloseWait | State::LastAck | State::Closing | State::TimeWait
        );
        if state == State::Closed && !(self.server_finished && self.client_closed) {
            // Refused, reset, or timed out. What Brigade sent before that is void.
            return Ok(Fate::Reset);
        }
        self.read_host(client, copies)?;
        self.write_host(client, copies)?;
        let is_done = self.host_shut && is_over(client);
        Ok(if is_done { Fate::Done } else { Fate::Open })
    }

    /// Gives the host a time to take the last bytes: no other clock runs for them, since the
    /// connection behind the client is over. Each byte taken starts it anew.
    fn note_patience(&mut self, client: &Socket, now_ns: u64) {
        let left_bytes = client.tcp().recv_queue();
        if is_over(client) && self.patience.is_none_or(|(_, before)| left_bytes < before) {
            self.patience = Some((now_ns + PATIENCE_NS, left_bytes));
        }
    }

    /// When [`HostConnection::give_up`] is due, in nanoseconds.
    pub(crate) fn patience_ns(&self) -> Option<u64> {
        self.patience.map(|(until_ns, _)| until_ns)
    }

    /// Reads from the host what fits into the client's send buffer, then passes on its FIN.
    fn read_host(&mut self, client: &mut Socket, copies: &mut Copies) -> Result<(), Failed> {
        let socket = client.tcp_mut();
        while self.is_readable && !self.host_finished && socket.can_send() {
            let read = socket.send(|buffer| {
                let wanted = buffer.len();
                let read = recv(&self.file, buffer, RecvFlags::empty()).map(|(read, _)| read);
                (read.unwrap_or(0), read.map(|read| (read, wanted)))
            });
            let Ok(read) = read else { return Ok(()) };
            self.note_read(read, copies)?;
        }
        if self.host_finished && !self.client_closed && socket.may_send() {
            socket.close();
            self.client_closed = true;
        }
        Ok(())
    }

    fn note_read(
        &mut self,
        read: Result<(usize, usize), Errno>,
        copies: &mut Copies,
    ) -> Result<(), Failed> {
        match read {
            Ok((0, _)) => self.host_finished = true,
            Ok((read, wanted)) => {
                copies.add(read);
                // A short read means that the socket is empty, unless its end is announced.
                self.is_readable = read == wanted || self.is_ending;
            }
            Err(Errno::AGAIN) => self.is_readable = false,
            Err(Errno::INTR) => {}
            Err(_) => return Err(Failed),
        }
        Ok(())
    }

    /// Writes to the host what it takes; the rest stays in the client's receive buffer, so that
    /// Brigade sees the window close. Then passes on Brigade's FIN.
    fn write_host(&mut self, client: &mut Socket, copies: &mut Copies) -> Result<(), Failed> {
        let socket = client.tcp_mut();
        while self.is_writable && socket.can_recv() {
            let written = socket.recv(|bytes| {
                let written = send(&self.file, bytes, SendFlags::NOSIGNAL);
                (
                    written.unwrap_or(0),
                    written.map(|written| (written, bytes.len())),
                )
            });
            let Ok(written) = written else { return Ok(()) };
            self.note_written(written, copies)?;
        }
        if !self.host_shut && client.is_finished() {
            // A host that has gone meanwhile is noticed by the next event.
            let _ = shutdown(&self.file, Shutdown::Write);
            self.host_shut = true;
        }
        Ok(())
    }

    fn note_written(
        &mut self,
        written: Result<(usize, usize), Errno>,
        copies: &mut Copies,
    ) -> Result<(), Failed> {
        match written {
            Ok((written, wanted)) => {
                copies.add(written);
                self.is_writable = written == wanted;
            }
            Err(Errno::AGAIN) => self.is_writable = false,
            Err(Errno::INTR) => {}
            Err(_) => return Err(Failed),
        }
        Ok(())
    }

    /// Makes the close of the file a reset.
    pub(crate) fn reset_on_close(&self) {
        // Where the host refuses, the other end gets FIN instead of RST.
        let _ = sockopt::set_socket_linger(&self.file, Some(Duration::ZERO));
    }
}

fn is_over(client: &Socket) -> bool {
    matches!(client.tcp().state(), State::TimeWait | State::Closed)
}
