//! iceoryx2: publish and subscribe of single words, in each direction; the receiver looks again
//! and again.

use iceoryx2::port::publisher::Publisher;
use iceoryx2::port::subscriber::Subscriber;
use iceoryx2::prelude::{
    BackpressureStrategy, LogLevel, Node, NodeBuilder, ServiceName, ipc, set_log_level,
};

use crate::error::Error;
use crate::process::channel::Channel;
use crate::process::child::Side;
use crate::watch::Wait;

/// One process's ports.
pub struct Iceoryx {
    publisher: Publisher<ipc::Service, u64, ()>,
    subscriber: Subscriber<ipc::Service, u64, ()>,
    _node: Node<ipc::Service>,
}

fn failed(error: impl std::fmt::Debug) -> Error {
    Error::Candidate {
        queue: "iceoryx2",
        reason: format!("{error:?}"),
    }
}

/// Words a subscriber's buffer has room for, as the other queues have here.
const BUFFER: usize = super::solo::CAPACITY;

impl Iceoryx {
    /// Opens the ports of one side. `parent`, the parent's process id, and `what` make the services'
    /// names those of this run and this figure.
    ///
    /// A full buffer makes the publisher try again until the word is delivered: no word is lost.
    ///
    /// # Errors
    /// What the library says.
    pub fn open(side: Side, parent: u32, what: &str) -> Result<Self, Error> {
        set_log_level(LogLevel::Error);
        let node = NodeBuilder::new()
            .create::<ipc::Service>()
            .map_err(failed)?;
        let service = |way: &str| {
            let name = format!("brigade-ring-bench/{parent}/{what}/{way}");
            let name: ServiceName = (&*name).try_into().map_err(failed)?;
            let builder = node.service_builder(&name).publish_subscribe::<u64>();
            let builder = builder
                .enable_safe_overflow(false)
                .subscriber_max_buffer_size(BUFFER);
            builder.open_or_create().map_err(failed)
        };
        let (there, back) = (service("there")?, service("back")?);
        let (to, from) = match side {
            Side::Parent => (there, back),
            Side::Child => (back, there),
        };
        let publisher = to
            .publisher_builder()
            .backpressure_strategy(BackpressureStrategy::RetryUntilDelivered);
        let subscriber = from.subscriber_builder().buffer_size(BUFFER);
        Ok(Self {
            publisher: publisher.create().map_err(failed)?,
            subscriber: subscriber.create().map_err(failed)?,
            _node: node,
        })
    }
}

impl Channel for Iceoryx {
    fn send(&mut self, words: &[u64], _: &mut Wait<'_>) -> Result<(), Error> {
        words.iter().try_for_each(|word| {
            let sent = self.publisher.send_copy(*word);
            sent.map(drop).map_err(failed)
        })
    }

    fn receive(&mut self, words: &mut [u64], wait: &mut Wait<'_>) -> Result<usize, Error> {
        loop {
            match self.subscriber.receive().map_err(failed)? {
                Some(sample) => {
                    words[0] = *sample;
                    return Ok(1);
                }
                None => wait.again()?,
            }
        }
    }
}
