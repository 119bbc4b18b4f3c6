//! The stage: moves messages between the ports and the state machine.

use brigade_messages::db_fs::{FsReply, FsRequest};
use brigade_messages::fs_block::{BlockReply, BlockRequest};
use brigade_stage::{Builder, Input, Io, Message, Output, Page, Stage, StageError, Window};

use crate::BLOCK_BYTES;
use crate::error::FsError;
use crate::state::{CACHE_PAGES_MIN, Payload, Settings, State};
use crate::volume::Policy;

impl Payload for Page {
    fn bytes(&self) -> &[u8] {
        self.payload()
    }

    fn bytes_mut(&mut self) -> &mut [u8] {
        self.payload_mut()
    }
}

/// See the crate's documentation.
pub struct FsStage {
    operations: Input<FsRequest>,
    results: Output<FsReply>,
    blocks_out: Output<BlockRequest>,
    blocks_in: Input<BlockReply>,
    block: Window,
    state: State<Page>,
    /// When the request in each place of the table was sent, in nanoseconds.
    sent_ns: Vec<u64>,
}

impl FsStage {
    /// A stage with the ports and options of `builder`.
    ///
    /// # Errors
    /// When an option has a value that is not allowed.
    pub fn new(builder: &mut Builder<'_>) -> Result<Self, StageError> {
        for port in ["operations", "blocks_out", "blocks_in"] {
            if builder.page_bytes(port) < BLOCK_BYTES {
                let bytes = builder.page_bytes(port);
                return Err(format!(
                    "fs port {port} has pages of {bytes} bytes; its bank needs {BLOCK_BYTES}"
                )
                .into());
            }
        }
        Ok(FsStage {
            operations: builder.input("operations")?,
            results: builder.output("results")?,
            blocks_out: builder.output("blocks_out")?,
            blocks_in: builder.input("blocks_in")?,
            block: builder.window("block")?,
            state: State::new(settings(builder)?)?,
            sent_ns: Vec::new(),
        })
    }

    fn take_all(&mut self, io: &mut Io<'_>) -> Result<(), StageError> {
        while let Some(message) = io.take(self.blocks_in) {
            self.take_reply(io, message)?;
        }
        while let Some(message) = io.take(self.operations) {
            let begin_ns = io.now_ns();
            let (request, queue_ns) = (*message.header(), message.queue_ns());
            self.state.submit(request, message.into_page(), queue_ns)?;
            self.state.charge(io.clock_ns() - begin_ns);
            self.send_requests(io);
        }
        Ok(())
    }

    fn take_reply(
        &mut self,
        io: &mut Io<'_>,
        message: Message<BlockReply>,
    ) -> Result<(), StageError> {
        let begin_ns = io.now_ns();
        let reply = *message.header();
        let sent_ns = self.sent_ns.get(usize::from(reply.tag as u16)).copied();
        io.token_give(
            self.block,
            begin_ns.saturating_sub(sent_ns.unwrap_or(begin_ns)),
        );
        self.state
            .complete(&reply, message.payload(), message.queue_ns())?;
        self.state.charge(io.clock_ns() - begin_ns);
        io.release(message);
        self.send_requests(io);
        Ok(())
    }

    fn send_requests(&mut self, io: &mut Io<'_>) {
        while self.state.has_request() && io.tokens(self.block) > 0 {
            let Some(mut page) = io.page(self.blocks_out) else {
                return;
            };
            let Some(request) = self.state.next_request(page.payload_mut()) else {
                return io.release(page);
            };
            let place = usize::from(request.tag as u16);
            if self.sent_ns.len() <= place {
                self.sent_ns.resize(place + 1, 0);
            }
            self.sent_ns[place] = io.now_ns();
            io.token_take(self.block);
            io.send(self.blocks_out, Message::new(page, request));
        }
    }

    fn send_answers(&mut self, io: &mut Io<'_>) {
        while self.state.has_answer() && io.room(self.results) > 0 {
            let Some((reply, page)) = self.state.next_answer() else {
                return;
            };
            io.send(self.results, Message::new(page, reply));
        }
    }

    fn work(&mut self, io: &mut Io<'_>) -> Result<(), StageError> {
        let result = self.take_all(io);
        self.send_requests(io);
        self.send_answers(io);
        for _ in 0..self.state.take_copies() {
            io.count_copy(BLOCK_BYTES);
        }
        result
    }
}

impl Stage for FsStage {
    fn run(&mut self, io: &mut Io<'_>) -> Result<(), StageError> {
        self.work(io)
    }

    fn held(&self) -> usize {
        self.state.held() + usize::from(self.state.is_waiting())
    }

    fn finish(&mut self, io: &mut Io<'_>) -> Result<bool, StageError> {
        self.work(io)?;
        let done = self.state.finish()?;
        self.send_requests(io);
        Ok(done && !self.state.has_answer())
    }
}

fn settings(builder: &Builder<'_>) -> Result<Settings, StageError> {
    let format = builder.text("format")?;
    if format != "if-blank" && format != "never" {
        let allowed = "it must be \"if-blank\" or \"never\"";
        return Err(FsError::Option {
            name: "format",
            value: format,
            allowed,
        }
        .into());
    }
    let label = builder.text("label")?;
    if label.is_empty() || label.len() > 16 {
        let allowed = "an ext4 label has 1 to 16 bytes";
        return Err(FsError::Option {
            name: "label",
            value: label,
            allowed,
        }
        .into());
    }
    let cache_pages = in_range(builder, "cache_pages", CACHE_PAGES_MIN as i64, 1 << 24)?;
    let growth_bytes = in_range(builder, "growth_bytes", BLOCK_BYTES as i64, 1 << 30)?;
    Ok(Settings {
        policy: Policy {
            disk: builder.text("disk")?,
            label,
            format_if_blank: format == "if-blank",
        },
        cache_pages: cache_pages as usize,
        growth_bytes: growth_bytes as u64,
    })
}

fn in_range(
    builder: &Builder<'_>,
    name: &'static str,
    least: i64,
    most: i64,
) -> Result<i64, StageError> {
    let value = builder.integer(name)?;
    if (least..=most).contains(&value) {
        return Ok(value);
    }
    let allowed = "cache_pages is 256 to 16777216 and growth_bytes 4096 to 1073741824";
    Err(FsError::Option {
        name,
        value: value.to_string(),
        allowed,
    }
    .into())
}
