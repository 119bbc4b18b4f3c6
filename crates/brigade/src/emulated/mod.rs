//! `brigade load` and `run web --load`: emulated browsers after TPC-W, against any server of the shop.
//!
//! ```text
//!   Crowd (when, who) ---> Visitor (what, and is the answer right) ---> Page
//!     |                                                                 Mix
//!     +---> Network:  Hosts (sockets, epoll)  or  wire::Client          Tally -> Report
//! ```
//!
//! One thread, no lock. A run is told from another by its seed; the answers' times are the
//! machine's.

mod crowd;
pub(crate) mod dice;
mod histogram;
mod hosts;
mod interaction;
mod page;
mod report;
mod tally;
mod visit;

use std::io::{IsTerminal, Read, Write};
use std::net::{SocketAddr, TcpStream, ToSocketAddrs};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use brigade_nic::wire::{Client, WirePeer};

use crate::cli::{LoadArgs, Manners};
use crate::load::{LoadError, Response};
use crate::progress::Progress;
use crate::signals::Stopper;
use crate::{Error, load};

use crowd::{Crowd, Habits, Network};
use hosts::Hosts;
use page::Page;
use tally::Tally;
use visit::Shop;

pub use interaction::Mix;

/// Customers of a shop that was filled without a number of its own.
const CUSTOMERS_DEFAULT_MAX: u64 = 288_000;
/// How long the first look at a server may take.
const FIRST_LOOK: Duration = Duration::from_secs(30);

/// `brigade load`.
pub fn load(args: &LoadArgs) -> Result<(), Error> {
    let (address, host) = server(&args.url)?;
    let items = match args.items {
        Some(items) => items,
        None => items_of(address, &host).map_err(|reason| LoadError::NoShop {
            url: args.url.clone(),
            reason,
        })?,
    };
    let browsers = args.browsers as usize;
    let habits = habits(&args.manners, browsers, items, args.customers, host);
    let stopper = Stopper::new()?;
    let stop = || stopper.stopped();
    let crowd = Crowd::new(habits.clone(), Hosts::new(address)?);
    let warm_up = Duration::from_secs(args.warm_up_s);
    let limit = Some(Duration::from_secs(args.duration_s));
    let tally = run(crowd, warm_up, limit, stop)?;
    tell(&habits, &tally, args.json)
}

/// What the browsers of a command line do.
fn habits(
    manners: &Manners,
    browsers: usize,
    items: u64,
    customers: Option<u64>,
    host: String,
) -> Habits {
    Habits {
        browsers,
        mix: manners.mix,
        think: manners.think,
        rate: manners.rate,
        seed: manners.seed,
        patience: Duration::from_secs(manners.patience_s),
        host,
        shop: Shop {
            items: items.max(1),
            browsers: browsers as u64,
            customers: customers.unwrap_or(items.min(CUSTOMERS_DEFAULT_MAX)),
            pictures: !manners.no_pictures,
        },
    }
}

/// A load over the wire, on a thread of its own.
pub struct WireLoad {
    habits: Habits,
    thread: std::thread::JoinHandle<Result<Tally, LoadError>>,
}

impl WireLoad {
    /// Begins a load that lasts until `stop`.
    pub fn spawn(
        peer: WirePeer,
        args: (&Manners, usize, u64, Option<u64>),
        warm_up: Duration,
        stop: Arc<AtomicBool>,
    ) -> Result<WireLoad, LoadError> {
        let (manners, browsers, items, customers) = args;
        let habits = habits(manners, browsers, items, customers, "shop.example".into());
        let own = habits.clone();
        let thread = std::thread::Builder::new()
            .name("load".into())
            .spawn(move || {
                let crowd = Crowd::new(own, Client::new(peer));
                run(crowd, warm_up, None, || stop.load(Ordering::Relaxed))
            });
        let thread = thread.map_err(|error| LoadError::Thread(error.to_string()))?;
        Ok(WireLoad { habits, thread })
    }

    /// Waits for its end and tells what came of it.
    pub fn tell(self) -> Result<(), Error> {
        let tally = self.thread.join();
        let tally = tally.map_err(|_| LoadError::Thread("panicked".into()))??;
        tell(&self.habits, &tally, false)
    }
}

/// Runs the browsers: the warm-up, and then until the limit or `stop`.
fn run<N: Network>(
    mut crowd: Crowd<N>,
    warm_up: Duration,
    limit: Option<Duration>,
    stop: impl Fn() -> bool,
) -> Result<Tally, LoadError> {
    let begun = Instant::now();
    while begun.elapsed() < warm_up && !stop() {
        crowd.go_on(&stop)?;
    }
    crowd.count_from_now();
    let counted = Instant::now();
    let is_shown = limit.is_some() && std::io::stderr().is_terminal();
    let mut bar = is_shown.then(|| Progress::new("load"));
    while limit.is_none_or(|limit| counted.elapsed() < limit) && !stop() {
        crowd.go_on(&stop)?;
        if let (Some(bar), Some(limit)) = (&mut bar, limit) {
            bar.show(
                counted.elapsed().as_millis() as u64,
                limit.as_millis() as u64,
            );
        }
    }
    bar.into_iter().for_each(Progress::finish);
    let tally = crowd.tally();
    crowd.hang_up();
    Ok(tally)
}

fn tell(habits: &Habits, tally: &Tally, as_json: bool) -> Result<(), Error> {
    let report = report::Report { habits, tally };
    match as_json {
        true => println!("{:#}", report.json()),
        false => print!("{report}"),
    }
    match tally.right_total() {
        0 => Err(LoadError::NoPages.into()),
        _ => Ok(()),
    }
}

/// Address and name of the server of `http://HOST:PORT`.
fn server(url: &str) -> Result<(SocketAddr, String), LoadError> {
    let wrong = |reason: &str| LoadError::Url {
        url: url.to_owned(),
        reason: reason.to_owned(),
    };
    let rest = url.strip_prefix("http://");
    let rest = rest.ok_or_else(|| wrong("it does not begin with http://"))?;
    let host = rest.strip_suffix('/').unwrap_or(rest);
    if host.is_empty() || host.contains(['/', '?', '#', '@']) {
        return Err(wrong("only a host and a port are expected"));
    }
    let has_port = host
        .rsplit_once(':')
        .is_some_and(|(_, port)| port.parse::<u16>().is_ok());
    let with_port = if has_port {
        host.to_owned()
    } else {
        format!("{host}:80")
    };
    let mut addresses = with_port
        .to_socket_addrs()
        .map_err(|e| wrong(&e.to_string()))?;
    let address = addresses
        .next()
        .ok_or_else(|| wrong("nobody has this name"))?;
    Ok((address, host.to_owned()))
}

/// The number of books in a shop: that of its newest one, which its first page shows.
fn items_of(address: SocketAddr, host: &str) -> Result<u64, String> {
    let text = |error: std::io::Error| error.to_string();
    let mut stream = TcpStream::connect_timeout(&address, FIRST_LOOK).map_err(text)?;
    stream.set_read_timeout(Some(FIRST_LOOK)).map_err(text)?;
    let request = format!("GET / HTTP/1.1\r\nHost: {host}\r\n\r\n");
    stream.write_all(request.as_bytes()).map_err(text)?;
    let mut response = Response::default();
    let mut bytes = [0; 16_384];
    loop {
        let received = stream.read(&mut bytes).map_err(text)?;
        if received == 0 {
            return Err("the connection ended before the first page was whole".into());
        }
        let is_whole = response.feed(&bytes[..received]);
        if is_whole.map_err(|error: load::LoadError| error.to_string())? {
            break;
        }
    }
    let (_, page) = response.parts().ok_or("the first page is no text")?;
    let page = Page::read(page, "home").map_err(|wrong| wrong.to_string())?;
    page.books()
        .max()
        .ok_or_else(|| "its first page shows no books".into())
}
