//! The image file is removed, cut short, or its disk full while `brigade run` uses it: readers get
//! an error page, the log a line, the process goes on, and nothing is confirmed that is not kept.

mod storage_support;

use std::fs::File;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use brigade_block::SharedDisk;

use storage_support::database::Database;
use storage_support::e2fsck::{self, Scratch};
use storage_support::process::{Brigade, ask};
use storage_support::random::{Random, seed};
use storage_support::session::Session;
use storage_support::shop::{self, ITEMS};
use storage_support::{Outcome, http};

/// Readers who try to buy.
const READERS: usize = 8;

/// What readers were promised, and how many were refused.
#[derive(Default)]
struct Sales {
    sessions: Vec<Session>,
    refused: usize,
}

impl Sales {
    /// Readers try to buy, each a few books; what is not confirmed must be refused by a 5xx.
    fn attempt(address: SocketAddr, readers: usize, random: &mut Random) -> Outcome<Sales> {
        let mut sales = Sales::default();
        for _ in 0..readers {
            let mut session = Session::plan(random, ITEMS, 1);
            while let Some(request) = session.request() {
                let response = ask(address, &request)?;
                if (500..600).contains(&response.status) {
                    sales.refused += 1;
                    break;
                }
                session.answered(&response, 0)?;
            }
            sales.sessions.push(session);
        }
        Ok(sales)
    }

    fn confirmed(&self) -> usize {
        let confirmed = self.sessions.iter().map(|s| s.confirmed(0).len());
        confirmed.sum()
    }

    /// Every confirmed order has its page.
    fn are_shown(&self, address: SocketAddr) -> Outcome<()> {
        for session in &self.sessions {
            for (order, _) in session.confirmed(0) {
                let path = format!("/order/{order}");
                let page = ask(address, &http::get(&path, session.cookie.as_deref()))?;
                if page.status != 200 {
                    return Err(format!("order {order} was confirmed: {}", page.head));
                }
            }
        }
        Ok(())
    }
}

/// A shop with some orders, whose image then suffers `harm`: no order is confirmed afterwards, and
/// the log has `line`.
fn harmed(harm: impl Fn(&Path), line: &str) {
    let mut random = Random(seed(1));
    let image = Scratch::new("harmed.img");
    let mut brigade = Brigade::start("web", &image.0).unwrap();
    let address = brigade.address().unwrap();
    let before = Sales::attempt(address, READERS, &mut random).unwrap();
    assert_eq!(before.refused, 0);
    harm(&image.0);
    let after = Sales::attempt(address, READERS, &mut random).unwrap();
    assert_eq!((after.refused, after.confirmed()), (READERS, 0));
    assert!(brigade.is_alive());
    // What needs no disk is still served.
    let style = ask(address, &http::get("/style.css", None)).unwrap();
    assert_eq!(style.status, 200);
    let ended = brigade.stop().unwrap();
    assert_eq!(ended.code(), Some(1), "the end is an error, not a crash");
    assert!(brigade.log().contains(line), "{}", brigade.log());
    assert!(brigade.log().contains("the storage failed"));
}

#[test]
fn after_the_image_is_cut_short_nothing_is_confirmed() {
    let harm = |path: &Path| {
        let file = File::options().write(true).open(path).unwrap();
        file.set_len(1 << 20).unwrap();
    };
    harmed(harm, "was cut to");
}

#[test]
fn after_the_image_is_removed_nothing_is_confirmed() {
    harmed(|path| std::fs::remove_file(path).unwrap(), "was removed");
}

/// A small file system in memory, in a namespace of its own: no root is needed where the system
/// lets users have namespaces. It goes with the process that holds it.
struct SmallDisk {
    holder: Child,
    folder: PathBuf,
}

impl SmallDisk {
    fn new(mebibytes: usize) -> Outcome<SmallDisk> {
        let mount = format!("mount -t tmpfs -o size={mebibytes}m tmpfs /mnt && exec sleep 600");
        let holder = Command::new("unshare")
            .args(["--user", "--map-root-user", "--mount", "sh", "-c", &mount])
            .stdin(Stdio::null())
            .spawn();
        let holder = holder.map_err(|error| format!("unshare: {error}"))?;
        let folder = PathBuf::from(format!("/proc/{}/root/mnt", holder.id()));
        let mut disk = SmallDisk { holder, folder };
        // It is mounted when the shell has become `sleep`.
        for _ in 0..500 {
            std::thread::sleep(Duration::from_millis(10));
            if !matches!(disk.holder.try_wait(), Ok(None)) {
                return Err("users may not mount a tmpfs here".into());
            }
            let name = std::fs::read_to_string(format!("/proc/{}/comm", disk.holder.id()));
            if name.is_ok_and(|name| name.trim() == "sleep") {
                return Ok(disk);
            }
        }
        Err("the tmpfs was not mounted within five seconds".into())
    }

    /// Takes all that is left.
    fn fill(&self) {
        let mut ballast = File::create(self.folder.join("ballast")).unwrap();
        let endless = &mut std::io::repeat(1);
        let full = std::io::copy(endless, &mut ballast).unwrap_err();
        assert_eq!(full.kind(), std::io::ErrorKind::StorageFull);
    }

    fn relieve(&self) {
        std::fs::remove_file(self.folder.join("ballast")).unwrap();
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = self.holder.kill();
        let _ = self.holder.wait();
    }
}

/// web.toml with options for its db stage, as a file.
fn pipeline(options: &shop::Options) -> Scratch {
    const WEB: &str = include_str!("../../../pipelines/web.toml");
    let lines = options.iter().filter(|(stage, _, _)| *stage == "db");
    let lines: String = lines
        .map(|(_, name, value)| format!("{name} = {value}\n"))
        .collect();
    let (before, after) = WEB.split_once("name = \"db\"").unwrap();
    let (comment, after) = after.split_once('\n').unwrap();
    let scratch = Scratch::new("tight.toml");
    let text = format!("{before}name = \"db\"{comment}\n{lines}{after}");
    std::fs::write(&scratch.0, text).unwrap();
    scratch
}

/// Makes the image, with so many checkpoints that the log stays short.
fn fill_image(image: &Path, options: &shop::Options) {
    let mut options = options.clone();
    options.retain(|(_, name, _)| *name != "wal_autocheckpoint_pages");
    options.push(("db", "wal_autocheckpoint_pages", 8));
    let toml = pipeline(&options);
    let mut brigade = Brigade::start(toml.0.to_str().unwrap(), image).unwrap();
    brigade.address().unwrap();
    assert!(brigade.stop().unwrap().success(), "{}", brigade.log());
}

/// The image's file is sparse, and the disk that it lies on runs full: orders that need no more
/// room are still confirmed, the others refused, until there is room again.
#[test]
fn on_a_full_disk_orders_are_refused_until_there_is_room() {
    let disk = match SmallDisk::new(64) {
        Ok(disk) => disk,
        Err(why) => return eprintln!("SKIPPED: no small disk to fill: {why}"),
    };
    let mut random = Random(seed(2));
    let (_, options, _) = shop::without_room();
    let image = disk.folder.join("shop.img");
    fill_image(&image, &options);
    let toml = pipeline(&options);
    let mut brigade = Brigade::start(toml.0.to_str().unwrap(), &image).unwrap();
    let address = brigade.address().unwrap();
    disk.fill();
    let full = Sales::attempt(address, 60, &mut random).unwrap();
    assert!(full.refused > 0 && full.confirmed() > 0, "{}", full.refused);
    assert!(brigade.is_alive());
    disk.relieve();
    let relieved = Sales::attempt(address, READERS, &mut random).unwrap();
    assert_eq!(relieved.refused, 0, "{}", brigade.log());
    for sales in [&full, &relieved] {
        sales.are_shown(address).unwrap();
    }
    assert!(brigade.stop().unwrap().success(), "{}", brigade.log());
    assert!(brigade.log().contains("bookstore:"), "{}", brigade.log());
    let after = SharedDisk::new(std::fs::read(&image).unwrap());
    e2fsck::is_clean(&after.image()).unwrap();
    let database = Database::read(&after, &options, 1000).unwrap();
    for sales in [&full, &relieved] {
        database.check_confirmed(&sales.sessions, 0).unwrap();
    }
}
