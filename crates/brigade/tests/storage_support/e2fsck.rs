//! What e2fsck says of an image.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::Once;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::Outcome;

const BLOCK_BYTES: usize = 4096;

/// The program, if it is installed. Says so once if it is not.
pub fn program() -> Option<&'static str> {
    static SAID: Once = Once::new();
    let places = ["/usr/sbin/e2fsck", "/sbin/e2fsck", "/usr/bin/e2fsck"];
    let found = places.into_iter().find(|place| Path::new(place).exists());
    if found.is_none() {
        SAID.call_once(|| eprintln!("SKIPPED: e2fsck is not installed; its checks are left out"));
    }
    found
}

/// A file that goes when the test ends.
pub struct Scratch(pub PathBuf);

impl Scratch {
    /// A name that nobody else uses.
    pub fn new(name: &str) -> Scratch {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("brigade-{}-{number}-{name}", std::process::id());
        Scratch(std::env::temp_dir().join(name))
    }

    /// With this content.
    pub fn with_image(image: &[u8]) -> Outcome<Scratch> {
        let scratch = Scratch::new("cut.img");
        write_sparse(&scratch.0, image).map_err(|error| error.to_string())?;
        Ok(scratch)
    }
}

/// Writes an image without its blocks of zeros: they take no room on the disk.
pub fn write_sparse(path: &Path, image: &[u8]) -> std::io::Result<()> {
    use std::os::unix::fs::FileExt;
    let file = std::fs::File::create(path)?;
    file.set_len(image.len() as u64)?;
    for (number, block) in image.chunks(BLOCK_BYTES).enumerate() {
        if block.iter().any(|&byte| byte != 0) {
            file.write_all_at(block, (number * BLOCK_BYTES) as u64)?;
        }
    }
    Ok(())
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Repairs a copy of `image` (exit code 0 or 1: nothing is left uncorrected), after which nothing
/// may be found.
pub fn repairs(image: &[u8]) -> Outcome<()> {
    let Some(program) = program() else {
        return Ok(());
    };
    let copy = Scratch::with_image(image)?;
    expect(program, "-fy", &copy.0, &[0, 1])?;
    expect(program, "-fn", &copy.0, &[0])
}

/// Finds nothing in `image`.
pub fn is_clean(image: &[u8]) -> Outcome<()> {
    let Some(program) = program() else {
        return Ok(());
    };
    let copy = Scratch::with_image(image)?;
    expect(program, "-fn", &copy.0, &[0])
}

/// Finds nothing in the image at `path`.
pub fn is_clean_file(path: &Path) -> Outcome<()> {
    program().map_or(Ok(()), |program| expect(program, "-fn", path, &[0]))
}

fn expect(program: &str, how: &str, path: &Path, codes: &[i32]) -> Outcome<()> {
    let found = Command::new(program).arg(how).arg(path).output();
    let Output { status, stdout, .. } = found.map_err(|error| error.to_string())?;
    if status.code().is_some_and(|code| codes.contains(&code)) {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&stdout);
    Err(format!("e2fsck {how} ended with {status}: {said}"))
}
