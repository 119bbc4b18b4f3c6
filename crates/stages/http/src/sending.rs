//! What goes out: commands to tcp and requests to the application, as far as there is room.

use brigade_messages::Hop;
use brigade_messages::http_bookstore::HttpRequest;
use brigade_messages::tcp_http::{TcpCommand, TcpCommandKind};

use crate::connection::{Connection, Exchange, Phase};
use crate::outbound::Sent;
use crate::outside::{Outside, PageBytes};
use crate::parse::Head;
use crate::state::State;

impl<P: PageBytes> State<P> {
    /// Sends what can be sent: commands first, because they free pages.
    pub fn pump<O: Outside<Page = P>>(&mut self, outside: &mut O) {
        self.pump_commands(outside);
        self.pump_requests(outside);
    }

    fn pump_commands<O: Outside<Page = P>>(&mut self, outside: &mut O) {
        while let Some(&connection) = self.refused.front() {
            let abort = TcpCommand {
                connection,
                ..control(TcpCommandKind::Abort)
            };
            if !send_control(abort, outside) {
                return;
            }
            self.refused.pop_front();
        }
        while let Some(connection) = self.table.take_ready() {
            if !self.send_one(connection, outside) {
                return;
            }
        }
    }

    /// Sends one command of a connection; false when there was no room.
    fn send_one<O: Outside<Page = P>>(
        &mut self,
        mut connection: Box<Connection<P>>,
        outside: &mut O,
    ) -> bool {
        let has_room = match connection.outbound.send(connection.id, outside) {
            Sent::NoRoom => false,
            Sent::Copy => true,
            Sent::Page => {
                self.held_pages -= 1;
                true
            }
            Sent::Nothing | Sent::NoCredit => send_other(&mut connection, outside),
        };
        if !has_room {
            self.table.put_first(connection);
        } else if connection.phase == Phase::Aborting {
            self.retire(connection, outside);
        } else {
            self.note_sent(&connection);
            self.settle(connection, outside);
        }
        has_room
    }

    fn note_sent(&mut self, connection: &Connection<P>) {
        let is_done = connection.phase == Phase::Flushing && connection.outbound.is_empty();
        self.counters.answers_total += u64::from(is_done);
    }

    fn pump_requests<O: Outside<Page = P>>(&mut self, outside: &mut O) {
        while let Some(&id) = self.waiting.front() {
            let Some(page) = outside.request_page() else {
                return;
            };
            self.waiting.pop_front();
            match self.table.take(id) {
                Some(connection) => self.send_request(connection, page, outside),
                // Cannot be: a connection that goes leaves the queue.
                None => {
                    outside.release(page);
                    outside.give_token(0);
                }
            }
        }
    }

    fn send_request<O: Outside<Page = P>>(
        &mut self,
        mut connection: Box<Connection<P>>,
        mut page: P,
        outside: &mut O,
    ) {
        let Some(exchange) = &mut connection.exchange else {
            outside.release(page);
            return outside.give_token(0);
        };
        let now_ns = outside.now_ns();
        exchange
            .timings
            .add(Hop::Http, now_ns.saturating_sub(exchange.complete_ns), 0);
        exchange.sent_ns = now_ns;
        let payload = connection.reader.payload();
        page.payload_mut()[..payload.len()].copy_from_slice(payload);
        outside.count_copy(payload.len());
        outside.send_request(
            request(
                connection.id,
                exchange,
                payload.len(),
                self.limits.deadline_ns_max,
            ),
            page,
        );
        self.outstanding += 1;
        self.counters.requests_total += 1;
        connection.enter(Phase::Outstanding, now_ns);
        self.settle(connection, outside);
    }
}

fn request(
    tag: u64,
    exchange: &Exchange,
    payload_bytes: usize,
    deadline_ns_max: u64,
) -> HttpRequest {
    let Head {
        method,
        path_bytes,
        query_bytes,
        cookie_bytes,
        ..
    } = exchange.head;
    let body_bytes = payload_bytes - path_bytes - query_bytes - cookie_bytes;
    // All of it fits a page, so the lengths fit 32 bits.
    HttpRequest {
        tag,
        method: method.word(),
        path_bytes: path_bytes as u32,
        query_bytes: query_bytes as u32,
        cookie_bytes: cookie_bytes as u32,
        body_bytes: body_bytes as u32,
        reserved: 0,
        deadline_ns: exchange.complete_ns.saturating_add(deadline_ns_max),
        timings: exchange.timings,
    }
}

fn control(kind: TcpCommandKind) -> TcpCommand {
    TcpCommand {
        kind: kind.word(),
        ..TcpCommand::default()
    }
}

/// Sends a command without data; false when there is no room.
fn send_control<O: Outside>(command: TcpCommand, outside: &mut O) -> bool {
    let Some(page) = outside.command_page() else {
        return false;
    };
    outside.send_command(command, page);
    true
}

/// Sends what a connection has to tell tcp besides data; false when there is no room.
fn send_other<O: Outside>(connection: &mut Connection<O::Page>, outside: &mut O) -> bool {
    let due_bytes = connection.reader.credit_due_bytes();
    let command = match connection.phase {
        Phase::Aborting => control(TcpCommandKind::Abort),
        Phase::Closing { told: false } => control(TcpCommandKind::Close),
        Phase::Closing { told: true } => return true,
        // At most the inbox's size.
        _ if due_bytes > 0 => TcpCommand {
            credit_bytes: due_bytes as u32,
            ..control(TcpCommandKind::Credit)
        },
        _ => return true,
    };
    if !send_control(
        TcpCommand {
            connection: connection.id,
            ..command
        },
        outside,
    ) {
        return false;
    }
    match connection.phase {
        Phase::Closing { .. } => connection.enter(Phase::Closing { told: true }, outside.now_ns()),
        Phase::Aborting => {}
        _ => connection.reader.credit_granted(),
    }
    true
}
