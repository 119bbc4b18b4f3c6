//! `kill -9` at random moments of a live run: every order that was confirmed is there after the
//! next start. The suite kills a few times; the named long run,
//! `cargo test -p brigade --test kill -- --ignored`, fifty times.

mod storage_support;

use std::net::SocketAddr;
use std::time::Duration;

use brigade_block::SharedDisk;

use storage_support::database::Database;
use storage_support::e2fsck::{self, Scratch};
use storage_support::process::{Brigade, ask};
use storage_support::random::{Random, seed};
use storage_support::session::Session;
use storage_support::shop::ITEMS;
use storage_support::{Outcome, http};

const READERS: usize = 3;
/// Orders of a reader between two kills at most.
const ORDERS_MAX: usize = 20;
/// A run is killed within this time from its start.
const LIFE_MS: usize = 400;
/// A start is killed within this time: in the middle of the recovery, or just after it.
const START_MS: usize = 60;

/// A reader who buys until the shop is gone.
fn read_and_buy(address: SocketAddr, mut session: Session) -> Session {
    while let Some(request) = session.request() {
        // The shop is gone: so it is not known what became of this request.
        let Ok(response) = ask(address, &request) else {
            break;
        };
        session
            .answered(&response, 0)
            .expect("a running shop sells");
    }
    session
}

/// Readers at work until the process is killed; gives what they were promised.
fn killed_run(image: &Scratch, random: &mut Random) -> Outcome<Vec<Session>> {
    let mut brigade = Brigade::start("web", &image.0)?;
    let address = brigade.address()?;
    let readers: Vec<_> = (0..READERS)
        .map(|_| Session::plan(random, ITEMS, ORDERS_MAX))
        .map(|session| std::thread::spawn(move || read_and_buy(address, session)))
        .collect();
    std::thread::sleep(Duration::from_millis(random.below(LIFE_MS) as u64));
    brigade.kill();
    let sessions = readers.into_iter().map(|reader| reader.join());
    sessions
        .map(|session| session.map_err(|_| "a reader failed".into()))
        .collect()
}

/// A start that is killed before it can be used, or just after.
fn killed_start(image: &Scratch, random: &mut Random) -> Outcome<()> {
    let mut brigade = Brigade::start("web", &image.0)?;
    std::thread::sleep(Duration::from_millis(random.below(START_MS) as u64));
    brigade.kill();
    Ok(())
}

/// Every reader finds the page of every confirmed order, with the cookie of that time.
fn orders_are_shown(address: SocketAddr, sessions: &[Session]) -> Outcome<usize> {
    let mut shown = 0;
    for session in sessions {
        for (order, _) in session.confirmed(0) {
            let path = format!("/order/{order}");
            let page = ask(address, &http::get(&path, session.cookie.as_deref()))?;
            if page.status != 200 || !page.body.contains(&format!("<strong>{order}</strong>")) {
                return Err(format!("order {order} was confirmed: {}", page.head));
            }
            shown += 1;
        }
    }
    Ok(shown)
}

fn kill_often(kills: usize, seed: u64) -> Outcome<()> {
    let mut random = Random(seed);
    let image = Scratch::new("kill.img");
    let mut first = Brigade::start("web", &image.0)?;
    first.address()?;
    first.stop()?;
    let (mut sessions, mut shown) = (Vec::new(), 0);
    for _ in 0..kills {
        let killed = killed_run(&image, &mut random)?;
        if random.below(2) == 0 {
            killed_start(&image, &mut random)?;
        }
        let mut brigade = Brigade::start("web", &image.0)?;
        shown += orders_are_shown(brigade.address()?, &killed)?;
        brigade.kill();
        sessions.extend(killed);
    }
    let mut last = Brigade::start("web", &image.0)?;
    last.address()?;
    let ended = last.stop()?;
    if !ended.success() {
        return Err(format!("it ended with {ended}: {}", last.log()));
    }
    eprintln!("{kills} kills, {shown} confirmed orders");
    check_image(&image, &sessions)
}

/// After the clean end, the volume is clean and the database has all that was confirmed.
fn check_image(image: &Scratch, sessions: &[Session]) -> Outcome<()> {
    e2fsck::is_clean_file(&image.0)?;
    let bytes = std::fs::read(&image.0).map_err(|error| error.to_string())?;
    let rows_max = sessions.len() * ORDERS_MAX * 4;
    let database = Database::read(&SharedDisk::new(bytes), &Vec::new(), rows_max)?;
    database.check_confirmed(sessions, 0)
}

#[test]
fn confirmed_orders_survive_kills() {
    kill_often(3, seed(1)).unwrap();
}

#[test]
#[ignore = "fifty kills: a minute or two"]
fn confirmed_orders_survive_fifty_kills() {
    kill_often(50, seed(2)).unwrap();
}
