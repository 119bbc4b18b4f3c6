//! The second process: how it is started, and what it does.

use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::process::{Child, Command};
use std::sync::atomic::Ordering::Relaxed;

use brigade_topology::pin_current_thread;
use rustix::event::{EventfdFlags, eventfd};
use rustix::io::{FdFlags, fcntl_setfd};
use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair};
use rustix::pipe::{PipeFlags, pipe_with};
use rustix::process::{Signal, set_parent_process_death_signal};

use crate::error::Error;
use crate::process::Figure;
use crate::process::channel::Transport;
use crate::process::iceoryx::Iceoryx;
use crate::process::kernel::{Bytes, Events, Futexes};
use crate::process::memory::{self, Shared};
use crate::process::report::RING;
use crate::process::ring;

/// The descriptors of one process.
pub struct Ends {
    memory: OwnedFd,
    pipe: [OwnedFd; 2],
    socket: [OwnedFd; 2],
    event: [OwnedFd; 2],
    spun_event: [OwnedFd; 2],
    /// For each figure of the ring.
    rings: [[OwnedFd; 2]; 3],
}

/// How many descriptors those are.
const ENDS: usize = 15;

type Both = ([OwnedFd; 2], [OwnedFd; 2]);

impl Ends {
    /// The parent's and the child's.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn pair() -> Result<(Self, Self), Error> {
        let memory = memory::create()?;
        let copy = memory.try_clone().map_err(Error::system("dup"))?;
        let (pipe, socket) = (pipes()?, sockets()?);
        let event = events(EventfdFlags::CLOEXEC)?;
        let spun_event = events(EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
        let rings = [ring::create()?, ring::create()?, ring::create()?];
        let copies = rings.each_ref().map(|[there, back]| {
            let copy = |file: &OwnedFd| file.try_clone().map_err(Error::system("dup"));
            Ok::<_, Error>([copy(there)?, copy(back)?])
        });
        let [a, b, c] = copies;
        let parent = Self {
            memory,
            pipe: pipe.0,
            socket: socket.0,
            event: event.0,
            spun_event: spun_event.0,
            rings,
        };
        let child = Self {
            memory: copy,
            pipe: pipe.1,
            socket: socket.1,
            event: event.1,
            spun_event: spun_event.1,
            rings: [a?, b?, c?],
        };
        Ok((parent, child))
    }

    fn all(self) -> [OwnedFd; ENDS] {
        let [a, b] = self.pipe;
        let [c, d] = self.socket;
        let [e, f] = self.event;
        let [g, h] = self.spun_event;
        let [[i, j], [k, l], [m, n]] = self.rings;
        [self.memory, a, b, c, d, e, f, g, h, i, j, k, l, m, n]
    }

    fn of([memory, a, b, c, d, e, f, g, h, i, j, k, l, m, n]: [OwnedFd; ENDS]) -> Self {
        Self {
            memory,
            pipe: [a, b],
            socket: [c, d],
            event: [e, f],
            spun_event: [g, h],
            rings: [[i, j], [k, l], [m, n]],
        }
    }

    /// The mapping, and everything that carries words, in the same order in both processes.
    ///
    /// # Errors
    /// When the kernel or a library refuses.
    pub fn transports(
        self,
        side: Side,
        parent: u32,
    ) -> Result<(&'static Shared, Vec<Transport>), Error> {
        let shared = memory::map(&self.memory)?;
        let [there, back] = &shared.posts;
        let (to, from) = match side {
            Side::Parent => (there, back),
            Side::Child => (back, there),
        };
        let heard = from.bell.value();
        let figures = [
            Figure::trip(RING),
            Figure::stream(RING, 1),
            Figure::stream(RING, 32),
        ];
        let mut transports = Vec::new();
        for (figure, memory) in figures.into_iter().zip(self.rings) {
            transports.push(ring::open(figure, side, memory)?);
        }
        transports.extend([
            Transport::new(Figure::trip("eventfd"), numbers(self.event)),
            Transport::new(Figure::trip("eventfd, spinning"), numbers(self.spun_event)),
            Transport::new(Figure::trip("futex"), Futexes { to, from, heard }),
        ]);
        for (ends, name) in [(self.pipe, "pipe"), (self.socket, "unix socket")] {
            let bytes = bytes(ends);
            for slice_words in [1, 32] {
                let figure = Figure::stream(name, slice_words);
                transports.push(Transport::new(figure, bytes.share()?));
            }
            transports.push(Transport::new(Figure::trip(name), bytes));
        }
        let trip = Iceoryx::open(side, parent, "trip")?;
        transports.push(Transport::new(Figure::trip("iceoryx2"), trip));
        let stream = Iceoryx::open(side, parent, "stream")?;
        transports.push(Transport::new(Figure::stream("iceoryx2", 1), stream));
        Ok((shared, transports))
    }
}

/// Which process this is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// The one that was started by hand.
    Parent,
    /// The one that it started.
    Child,
}

fn bytes([to, from]: [OwnedFd; 2]) -> Bytes {
    Bytes { to, from }
}

fn numbers([to, from]: [OwnedFd; 2]) -> Events {
    Events { to, from }
}

fn pipes() -> Result<Both, Error> {
    let pipe = || pipe_with(PipeFlags::CLOEXEC).map_err(Error::system("pipe"));
    let ((there_from, there_to), (back_from, back_to)) = (pipe()?, pipe()?);
    Ok(([there_to, back_from], [back_to, there_from]))
}

fn sockets() -> Result<Both, Error> {
    let flags = SocketFlags::CLOEXEC;
    let pair = socketpair(AddressFamily::UNIX, SocketType::STREAM, flags, None);
    let (parent, child) = pair.map_err(Error::system("socketpair"))?;
    let twice = |end: OwnedFd| {
        let copy = end.try_clone().map_err(Error::system("dup"))?;
        Ok::<_, Error>([end, copy])
    };
    Ok((twice(parent)?, twice(child)?))
}

fn events(flags: EventfdFlags) -> Result<Both, Error> {
    let event = || eventfd(0, flags).map_err(Error::system("eventfd"));
    let copy = |event: &OwnedFd| event.try_clone().map_err(Error::system("dup"));
    let (there, back) = (event()?, event()?);
    let child = [copy(&back)?, copy(&there)?];
    Ok(([there, back], child))
}

/// The argument that makes a child of the program; the core and the descriptors follow.
pub const ARGUMENT: &str = "--child";

/// Starts the child, with its ends.
///
/// # Errors
/// When it cannot be started.
pub fn start(core: usize, ends: Ends) -> Result<Child, Error> {
    let ends = ends.all();
    for end in &ends {
        // Inherited by the child, which is the next that is started.
        fcntl_setfd(end, FdFlags::empty()).map_err(Error::system("fcntl"))?;
    }
    let numbers = ends.iter().map(|end| end.as_raw_fd().to_string());
    let program = std::env::current_exe().map_err(|error| Error::Child(error.to_string()))?;
    let parent = std::process::id().to_string();
    let child = Command::new(program)
        .args([ARGUMENT, &parent, &core.to_string()])
        .args(numbers)
        .spawn();
    child.map_err(|error| Error::Child(format!("could not be started: {error}")))
}

/// What the parent says by `Shared::step`: a transport's place, or one of these.
pub const REST: u32 = u32::MAX - 1;
/// The child ends.
pub const QUIT: u32 = u32::MAX;

/// The child, from its beginning to its end. `arguments` are those after [`ARGUMENT`].
///
/// # Errors
/// When anything fails, or the parent is gone.
pub fn follow(arguments: &[String]) -> Result<(), Error> {
    // It dies with its parent, whatever it waits for.
    set_parent_process_death_signal(Some(Signal::KILL)).map_err(Error::system("prctl"))?;
    let wrong = || Error::Usage(format!("{ARGUMENT} is for the program itself"));
    let numbers = arguments.iter().map(|number| number.parse().ok());
    let numbers: Option<Vec<RawFd>> = numbers.collect();
    let numbers = numbers.ok_or_else(wrong)?;
    let [parent, core, ends @ ..] = &*numbers else {
        return Err(wrong());
    };
    let ends: [RawFd; ENDS] = ends.try_into().map_err(|_| wrong())?;
    // SAFETY: the parent left these descriptors open for this process, which owns them now; it
    // opened nothing before, so that nothing else has these numbers.
    let ends = ends.map(|end| unsafe { OwnedFd::from_raw_fd(end) });
    pin_current_thread(usize::try_from(*core).map_err(|_| wrong())?)?;
    let parent = u32::try_from(*parent).map_err(|_| wrong())?;
    let (shared, mut transports) = Ends::of(ends).transports(Side::Child, parent)?;
    let result = serve(shared, &mut transports);
    result.inspect_err(|_| shared.watch.stop())
}

fn serve(shared: &Shared, transports: &mut [Transport]) -> Result<(), Error> {
    let mut rested = shared.rest.value();
    shared.probe.pong(&shared.watch)?;
    loop {
        shared.watch.meet()?;
        match shared.step.0.load(Relaxed) {
            QUIT => return Ok(()),
            REST => rested = shared.rest.sleep(rested, "the parent")?,
            place => {
                let transport = transports.get_mut(place as usize);
                let transport = transport.ok_or(Error::Stopped)?;
                transport.follow(shared.watch.announced(), &shared.watch)?;
                shared.watch.meet()?;
            }
        }
        shared.probe.pong(&shared.watch)?;
    }
}
