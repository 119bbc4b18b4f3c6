//! The shop with its database and its files: from a request to a whole answer.

use std::path::{Path, PathBuf};

use brigade_shop::{ContentType, Contents, Failure, Population, Request, Secret, Shop, Step};

use crate::Error;
use crate::database::Database;

/// The line at the foot of every page.
const JOURNEY: &str = "This page was carried by Linux TCP, tokio, hyper, axum and SQLite.";
/// What a batch of the population may weigh, in bytes: as in Brigade's pages of 16 KiB.
const BATCH_BYTES: usize = 16_320;
/// Room for most pages, in bytes, so that writing one allocates once.
const PAGE_BYTES: usize = 32_768;

/// An open shop.
#[derive(Debug)]
pub struct House {
    shop: Shop,
    database: Database,
    folder: PathBuf,
}

/// A whole answer.
#[derive(Debug)]
pub struct Reply {
    /// HTTP status.
    pub status: u16,
    /// Media type of the body.
    pub content_type: ContentType,
    /// Whether everyone may keep it for an hour.
    pub cacheable: bool,
    /// Header lines of the shop, each ended by CR LF.
    pub headers: String,
    /// The body.
    pub body: Vec<u8>,
}

impl House {
    /// Opens the shop in `folder`, which is filled with Brigade's own population if it is empty.
    ///
    /// # Errors
    /// When the folder holds something else, or cannot be used.
    pub fn open(folder: &Path, items: u64, secret: [u8; 32]) -> Result<House, Error> {
        let failed = |path: &Path| {
            let path = path.to_owned();
            move |source| Error::File { path, source }
        };
        std::fs::create_dir_all(folder).map_err(failed(folder))?;
        let mut database = Database::open(&folder.join("shop.db"))?;
        if !Contents::exists(&database.run(&Contents::ask_exists())?)? {
            let population = Population::new(items, 1)?;
            for picture in population.pictures() {
                let path = folder.join(&picture.name);
                std::fs::write(&path, &picture.bytes).map_err(failed(&path))?;
            }
            database.run(&population.script())?;
            for filling in population.batches(0, BATCH_BYTES) {
                database.run(&filling.batch)?;
            }
        }
        match Contents::read(&database.run(&Contents::ask())?)? {
            Contents::Shop {
                items: found,
                done,
                total,
                ..
            } if found == items && done == total => {}
            _ => {
                let folder = folder.to_owned();
                return Err(Error::OtherShop { folder, items });
            }
        }
        Ok(House {
            shop: Shop::new(Secret::new(secret), JOURNEY),
            database,
            folder: folder.to_owned(),
        })
    }

    /// Answers a request.
    pub fn answer(&mut self, request: &Request<'_>) -> Reply {
        let mut step = self.shop.begin(request);
        loop {
            let (state, batch) = match step {
                Step::Answer(answer) => return reply(&answer),
                Step::File(state, name) => {
                    let file = std::fs::read(self.folder.join(name));
                    let bytes = file.as_deref().map_err(|error| match error.kind() {
                        std::io::ErrorKind::NotFound => Failure::Missing,
                        _ => Failure::Storage,
                    });
                    return reply(&self.shop.file(state, bytes));
                }
                Step::Query(state, batch) => (state, batch),
            };
            let rows = self.database.run(&batch);
            step = match self
                .shop
                .resume(state, rows.as_ref().map_err(|failure| *failure))
            {
                // It borrows the rows, so it is written before the next batch.
                Step::Answer(answer) => return reply(&answer),
                Step::Query(state, batch) => Step::Query(state, batch),
                Step::File(state, name) => Step::File(state, name),
            };
        }
    }

    /// The database, to look into it.
    pub fn database(&mut self) -> &mut Database {
        &mut self.database
    }
}

fn reply(answer: &brigade_shop::Answer<'_>) -> Reply {
    let mut headers = String::new();
    let mut page = String::new();
    let mut whole = answer.write_headers(&mut headers);
    let body = match answer.bytes() {
        Some(bytes) => bytes.to_vec(),
        None => {
            page.reserve(PAGE_BYTES);
            whole = whole.and_then(|()| answer.write_page(&mut page));
            page.into_bytes()
        }
    };
    Reply {
        // Writing into memory does not fail, and the shop's templates do not either.
        status: if whole.is_ok() { answer.status } else { 500 },
        content_type: answer.content_type,
        cacheable: answer.cacheable,
        headers,
        body,
    }
}
