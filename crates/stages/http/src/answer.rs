//! Answers of the application on their way to the client.

use std::ops::Range;

use brigade_messages::Hop;
use brigade_messages::http_bookstore::{
    ContentType, HttpResponse, RESPONSE_CACHEABLE, RESPONSE_LAST,
};

use crate::connection::{Connection, Exchange, Phase};
use crate::outside::{Outside, PageBytes};
use crate::parse::Rejection;
use crate::refusal::Refusal;
use crate::response::{ResponseHead, is_bodiless, write_head};
use crate::scan::{is_text, is_token};
use crate::state::State;

/// A part of an answer that cannot be sent as it is.
struct Malformed;

impl<P: PageBytes> State<P> {
    /// Whether another part of an answer may be taken: each can mean one more page held.
    pub fn takes_responses(&self) -> bool {
        self.held_pages < self.limits.held_pages_max
    }

    /// Takes one part of an answer.
    pub fn response<O: Outside<Page = P>>(
        &mut self,
        response: &HttpResponse,
        page: P,
        queue_ns: u64,
        outside: &mut O,
    ) {
        let is_awaited = self
            .table
            .get(response.tag)
            .is_some_and(|c| c.phase == Phase::Outstanding);
        let connection = if is_awaited {
            self.table.take(response.tag)
        } else {
            None
        };
        match connection {
            Some(connection) => self.part(connection, response, page, queue_ns, outside),
            None => self.late_part(response, page, outside),
        }
    }

    /// Drops a part that nobody waits for; the last one returns the token.
    fn late_part<O: Outside<Page = P>>(
        &mut self,
        response: &HttpResponse,
        page: P,
        outside: &mut O,
    ) {
        outside.release(page);
        self.counters.late_parts_total += 1;
        if !is_last(response) {
            return;
        }
        if let Some(at) = self
            .orphans
            .iter()
            .position(|orphan| orphan.tag == response.tag)
        {
            let orphan = self.orphans.swap_remove(at);
            self.return_token(orphan.sent_ns, outside);
        }
    }

    fn return_token<O: Outside<Page = P>>(&mut self, sent_ns: u64, outside: &mut O) {
        self.outstanding -= 1;
        let now_ns = outside.now_ns();
        self.turns.returned(now_ns, !self.waiting.is_empty());
        outside.give_token(now_ns.saturating_sub(sent_ns));
    }

    fn part<O: Outside<Page = P>>(
        &mut self,
        mut connection: Box<Connection<P>>,
        response: &HttpResponse,
        mut page: P,
        queue_ns: u64,
        outside: &mut O,
    ) {
        let now_ns = outside.now_ns();
        let Some(mut exchange) = connection.exchange else {
            self.late_part(response, page, outside);
            return self.settle(connection, outside);
        };
        if is_last(response) {
            self.return_token(exchange.sent_ns, outside);
        } else {
            connection.since_ns = now_ns;
        }
        let accepted = self.accept(
            &mut connection,
            &mut exchange,
            response,
            &mut page,
            queue_ns,
            outside,
        );
        connection.exchange = Some(exchange);
        match accepted {
            Ok(range) if range.is_empty() => outside.release(page),
            Ok(range) => {
                connection
                    .outbound
                    .push_page(now_ns, page, range.start, range.end);
                self.held_pages += 1;
            }
            Err(Malformed) => {
                outside.release(page);
                self.malformed(&mut connection, is_last(response), outside);
            }
        }
        if is_last(response) && connection.phase == Phase::Outstanding {
            connection.enter(Phase::Flushing, now_ns);
        }
        self.settle(connection, outside);
    }

    /// Checks a part, writes the head in front of the first one, and gives the bytes to send.
    fn accept<O: Outside<Page = P>>(
        &mut self,
        connection: &mut Connection<P>,
        exchange: &mut Exchange,
        response: &HttpResponse,
        page: &mut P,
        queue_ns: u64,
        outside: &mut O,
    ) -> Result<Range<usize>, Malformed> {
        let page_bytes = page.payload().len();
        let body = range(response.body_offset_bytes, response.body_bytes, page_bytes)?;
        let owed_bytes = exchange.owed_bytes.unwrap_or(response.total_bytes);
        let left_bytes = owed_bytes.checked_sub(body.len() as u64).ok_or(Malformed)?;
        if is_last(response) && left_bytes != 0 {
            return Err(Malformed);
        }
        if exchange.owed_bytes.is_some() {
            exchange.owed_bytes = Some(left_bytes);
            let is_sent = !exchange.head.head_only && !is_bodiless(exchange.status);
            return Ok(if is_sent { body } else { 0..0 });
        }
        self.compose(connection, exchange, response, page, queue_ns, outside)?;
        exchange.owed_bytes = Some(left_bytes);
        exchange.status = response.status;
        let is_sent = !exchange.head.head_only && !is_bodiless(exchange.status);
        let body = if is_sent {
            body
        } else {
            body.start..body.start
        };
        Ok(self.place_head(connection, page, body, outside))
    }

    /// Composes the head into the scratch buffer; the page's extra lines are still in place.
    fn compose<O: Outside<Page = P>>(
        &mut self,
        connection: &mut Connection<P>,
        exchange: &Exchange,
        response: &HttpResponse,
        page: &P,
        queue_ns: u64,
        outside: &mut O,
    ) -> Result<(), Malformed> {
        let has_body = !is_bodiless(response.status);
        let content_type = ContentType::from_word(u32::from(response.content_type));
        let extra = range(
            response.extra_offset_bytes,
            response.extra_bytes,
            page.payload().len(),
        )?;
        let extra = &page.payload()[extra];
        if !(200..=599).contains(&response.status) || content_type.is_none() || !is_lines(extra) {
            return Err(Malformed);
        }
        connection.keep_alive &= !self.draining;
        let taken_ns = outside.now_ns();
        let now_ns = outside.clock_ns();
        let mut timings = response.timings;
        timings.add(Hop::Http, queue_ns, now_ns.saturating_sub(taken_ns));
        let total_ns = now_ns.saturating_sub(exchange.complete_ns) + exchange.inbound_ns;
        self.head.clear();
        write_head(
            &mut self.head,
            &ResponseHead {
                status: response.status,
                content_type: content_type.filter(|_| has_body),
                length_bytes: has_body.then_some(response.total_bytes),
                keep_alive: connection.keep_alive,
                cacheable: response.flags & RESPONSE_CACHEABLE != 0,
                date: self.date.text(now_ns, || outside.unix_ns()),
                extra,
                timings: Some((&timings, total_ns)),
            },
        );
        Ok(())
    }

    /// Puts the composed head right before the body, or before the page if there is no space.
    fn place_head<O: Outside<Page = P>>(
        &mut self,
        connection: &mut Connection<P>,
        page: &mut P,
        body: Range<usize>,
        outside: &mut O,
    ) -> Range<usize> {
        match body.start.checked_sub(self.head.len()) {
            Some(start) => {
                page.payload_mut()[start..body.start].copy_from_slice(&self.head);
                outside.count_copy(self.head.len());
                start..body.end
            }
            None => {
                let now_ns = outside.now_ns();
                connection
                    .outbound
                    .write(now_ns, |out| out.extend_from_slice(&self.head));
                body
            }
        }
    }

    fn malformed<O: Outside<Page = P>>(
        &mut self,
        connection: &mut Connection<P>,
        is_last: bool,
        outside: &mut O,
    ) {
        self.counters.malformed_total += 1;
        let head_only = connection.reader.head_only();
        if !is_last {
            self.orphan(connection);
        }
        let begun = connection
            .exchange
            .is_some_and(|exchange| exchange.owed_bytes.is_some());
        // From here on the answer is over, so that giving up does not count it once more.
        connection.enter(Phase::Flushing, outside.now_ns());
        if begun {
            self.abort(connection, outside);
        } else {
            let rejection = Rejection {
                refusal: Refusal::Internal,
                head_only,
                keep_alive: false,
            };
            self.refuse(connection, rejection, outside);
        }
    }

    /// Makes room when pages are held for clients that do not read: resets the one that has
    /// stalled the longest, if it has stalled for long enough. `None` when there is no such;
    /// then the stage's timer says when to ask again.
    pub fn relieve<O: Outside<Page = P>>(&mut self, outside: &mut O) -> Option<u64> {
        let now_ns = outside.now_ns();
        let stalled = |c: &Connection<P>| Some((c.outbound.stalled_since_ns()?, c.id));
        let slowest = self.table.iter().filter_map(stalled).min();
        self.relief_ns = slowest.map(|(since_ns, _)| since_ns + self.limits.stall_ns_max);
        self.relief_ns.filter(|&relief_ns| relief_ns <= now_ns)?;
        let (_, id) = slowest?;
        let mut connection = self.table.take(id)?;
        self.abort(&mut connection, outside);
        self.counters.stalled_total += 1;
        self.relief_ns = None;
        self.settle(connection, outside);
        Some(id)
    }
}

fn is_last(response: &HttpResponse) -> bool {
    response.flags & RESPONSE_LAST != 0
}

fn range(offset: u32, bytes: u32, page_bytes: usize) -> Result<Range<usize>, Malformed> {
    let start = offset as usize;
    let end = start + bytes as usize;
    if end <= page_bytes {
        Ok(start..end)
    } else {
        Err(Malformed)
    }
}

/// Whether `extra` is header lines, each ended by CR LF, and nothing that could end the head.
fn is_lines(extra: &[u8]) -> bool {
    extra.split_inclusive(|&b| b == b'\n').all(|line| {
        line.strip_suffix(b"\r\n").is_some_and(|line| {
            let name = line.split(|&b| b == b':').next().unwrap_or(b"");
            let is_name = !name.is_empty() && name.len() < line.len();
            is_name && name.iter().all(|&b| is_token(b)) && line.iter().all(|&b| is_text(b))
        })
    })
}
