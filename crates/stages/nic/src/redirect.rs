//! The program that gives Brigade its frames: loaded into the kernel, and attached to an interface.
//!
//! It is attached by a link that is a descriptor of this process: when the process ends, however it
//! does, the kernel takes it off.

use std::error::Error;
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::os::fd::AsRawFd;

use aya::maps::XskMap;
use aya::programs::links::FdLink;
use aya::programs::{ProgramError, Xdp, XdpMode};
use aya::{Ebpf, EbpfLoader, include_bytes_aligned};
use rustix::io::Errno;

use crate::NicError;
use crate::interface::{Interface, in_network_order};

static OBJECT: &[u8] = include_bytes_aligned!("../bpf/redirect.bpf.o");

/// The program, attached. It is taken off when this is dropped.
pub(crate) struct Redirect {
    _link: FdLink,
    _program: Ebpf,
}

impl Redirect {
    /// Lets frames for the addresses that arrive on queue 0 of the interface go to the socket; tells
    /// whether the interface's driver runs the program itself.
    pub(crate) fn attach(
        interface: &Interface,
        (address, v6): (Ipv4Addr, Option<Ipv6Addr>),
        socket: &impl AsRawFd,
    ) -> Result<(Redirect, bool), NicError> {
        let refused = |source: &(dyn Error + 'static)| NicError::Program {
            name: interface.name.clone(),
            reason: words(source),
        };
        let address = in_network_order(address);
        // No packet is for the address of nobody.
        let v6 = v6.unwrap_or(Ipv6Addr::UNSPECIFIED).octets();
        let mut loader = EbpfLoader::new();
        loader.override_global("address", &address, true);
        loader.override_global("address_v6", &v6, true);
        let mut program = loader.load(OBJECT).map_err(|error| refused(&error))?;
        let sockets = program.map_mut("sockets").map(XskMap::try_from);
        let mut sockets = match sockets {
            Some(sockets) => sockets.map_err(|error| refused(&error))?,
            None => unreachable!("the object has no map of sockets"),
        };
        // Before it is attached: no frame of ours may go to the host.
        let set = sockets.set(0, socket.as_raw_fd(), 0);
        set.map_err(|error| refused(&error))?;
        let Some(redirect) = program.program_mut("redirect") else {
            unreachable!("the object has no program")
        };
        let redirect: &mut Xdp = redirect.try_into().map_err(|error| refused(&error))?;
        redirect.load().map_err(|error| refused(&error))?;
        let (link, is_native) = match attach(redirect, interface, XdpMode::Driver) {
            Err(Attach::Refused(Errno::OPNOTSUPP)) => {
                (attach(redirect, interface, XdpMode::Skb), false)
            }
            link => (link, true),
        };
        let link = link.map_err(|attach| attach.in_words(interface))?;
        let redirect = Redirect {
            _link: link,
            _program: program,
        };
        Ok((redirect, is_native))
    }
}

/// Why it is not attached.
enum Attach {
    Refused(Errno),
    Other(String),
}

fn attach(program: &mut Xdp, interface: &Interface, mode: XdpMode) -> Result<FdLink, Attach> {
    let other = |error: &(dyn Error + 'static)| match errno_in(error) {
        Some(errno) => Attach::Refused(errno),
        None => Attach::Other(words(error)),
    };
    let id = program
        .attach_to_if_index(interface.index, mode)
        .map_err(|error: ProgramError| other(&error))?;
    let link = program.take_link(id).map_err(|error| other(&error))?;
    // One that is no descriptor would stay when this process is killed; dropped, it is taken off.
    FdLink::try_from(link).map_err(|_| {
        Attach::Other("it knows no links of programs to interfaces (Linux 5.9)".to_owned())
    })
}

impl Attach {
    fn in_words(self, interface: &Interface) -> NicError {
        let name = interface.name.clone();
        match self {
            // The driver wants a packet and its own data in one page of memory.
            Attach::Refused(Errno::RANGE) => NicError::LargeMtu {
                name,
                mtu_bytes: interface.mtu_bytes,
            },
            Attach::Refused(Errno::BUSY | Errno::EXIST) => NicError::ProgramThere(name),
            Attach::Refused(Errno::NOSPC) => NicError::PeerQueues(name),
            Attach::Refused(source) => NicError::Program {
                name,
                reason: io::Error::from(source).to_string(),
            },
            Attach::Other(reason) => NicError::Program { name, reason },
        }
    }
}

/// The kernel's own answer, at the bottom of an error.
fn errno_in(error: &(dyn Error + 'static)) -> Option<Errno> {
    let mut error = Some(error);
    while let Some(this) = error {
        if let Some(errno) = this
            .downcast_ref::<io::Error>()
            .and_then(Errno::from_io_error)
        {
            return Some(errno);
        }
        error = this.source();
    }
    None
}

/// What an error says, and what lies beneath it; one line.
fn words(error: &(dyn Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut beneath = error.source();
    while let Some(error) = beneath {
        let more = error.to_string();
        if !text.contains(&more) {
            text = format!("{text}: {more}");
        }
        beneath = error.source();
    }
    text.lines().collect::<Vec<_>>().join(" ")
}
