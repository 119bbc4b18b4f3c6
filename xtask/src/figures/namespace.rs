//! A network namespace of a figure's own.

use std::fs::File;
use std::process::Command;
use std::thread;

use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

use super::Error;
use super::child::output;

/// Closed connections whose ports the kernel keeps for a minute. Here it keeps none: a load that opens
/// thousands in each run would have no port left after some of them.
const LINGERING_MAX: &str = "/proc/sys/net/ipv4/tcp_max_tw_buckets";

/// It is gone when this is dropped.
pub struct Namespace(String);

impl Namespace {
    /// Makes one for the figure called `figure`; takes root.
    pub fn found(figure: &str) -> Result<Namespace, Error> {
        let name = format!("brigade-{figure}-{}", std::process::id());
        output(Command::new("ip").args(["netns", "add", &name]))?;
        Ok(Namespace(name))
    }

    /// Does `work` in it, on a thread of its own: what that connects, and whom it starts, is inside.
    pub fn inside<T: Send>(
        &self,
        work: impl FnOnce() -> Result<T, Error> + Send,
    ) -> Result<T, Error> {
        let worker = |program: &str, source: std::io::Error| Error::Run {
            program: program.into(),
            source,
        };
        let path = format!("/var/run/netns/{}", self.0);
        let file = File::open(&path).map_err(|source| worker(&path, source))?;
        thread::scope(|scope| {
            let inside = scope.spawn(move || {
                let kind = Some(LinkNameSpaceType::Network);
                let entered = move_into_link_name_space(rustix::fd::AsFd::as_fd(&file), kind);
                entered.map_err(|errno| worker(&path, errno.into()))?;
                std::fs::write(LINGERING_MAX, "0").map_err(|source| Error::Proc {
                    path: LINGERING_MAX.into(),
                    source,
                })?;
                work()
            });
            inside
                .join()
                .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        })
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        let _ = output(Command::new("ip").args(["netns", "del", &self.0]));
    }
}
