//! iceoryx2: publish and subscribe of single words, in each direction; the receiver looks again
//! and again.

use iceoryx2::port::publisher::Publisher;
use iceoryx2::port::subscriber::Subscriber;
use iceoryx2::prelude::{LogLevel, Node, NodeBuilder, ServiceName, ipc, set_log_level};

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

impl Iceoryx {
    /// Opens the ports of one side; `parent` makes the services' names those of this run.
    ///
    /// # Errors
    /// What the library says.
    pub fn open(side: Side, parent: u32) -> Result<Self, Error> {
        set_log_level(LogLevel::Error);
        let node = NodeBuilder::new()
            .create::<ipc::Service>()
            .map_err(failed)?;
        let service = |way: &str| {
            let name = format!("brigade-ring-bench/{parent}/{way}");
            let name: ServiceName = (&*name).try_into().map_err(failed)?;
            let builder = node.service_builder(&name).publish_subscribe::<u64>();
            builder.open_or_create().map_err(failed)
        };
        let (there, back) = (service("there")?, service("back")?);
        let (to, from) = match side {
            Side::Parent => (there, back),
            Side::Child => (back, there),
        };
        Ok(Self {
            publisher: to.publisher_builder().create().map_err(failed)?,
            subscriber: from.subscriber_builder().create().map_err(failed)?,
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
