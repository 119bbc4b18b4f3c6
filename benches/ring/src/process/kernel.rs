//! The kernel's own ways from one process to another.

use std::os::fd::OwnedFd;
use std::sync::atomic::Ordering::Relaxed;

use rustix::io::{Errno, read, write};

use crate::error::Error;
use crate::process::channel::Channel;
use crate::process::memory::Post;
use crate::watch::Wait;

const WORD: usize = size_of::<u64>();

/// A pipe in each direction, or a connected socket: bytes in order.
pub struct Bytes {
    /// Written to.
    pub to: OwnedFd,
    /// Read from.
    pub from: OwnedFd,
}

impl Bytes {
    /// The same pipes or socket once more; never used at the same time.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn share(&self) -> Result<Self, Error> {
        Ok(Self {
            to: self.to.try_clone().map_err(Error::system("dup"))?,
            from: self.from.try_clone().map_err(Error::system("dup"))?,
        })
    }
}

impl Channel for Bytes {
    fn send(&mut self, words: &[u64], _: &mut Wait<'_>) -> Result<(), Error> {
        let mut bytes = [0; 128 * WORD];
        for (place, word) in bytes.chunks_exact_mut(WORD).zip(words) {
            place.copy_from_slice(&word.to_ne_bytes());
        }
        let mut rest = &bytes[..words.len() * WORD];
        while !rest.is_empty() {
            let written = write(&self.to, rest).map_err(Error::system("write"))?;
            rest = &rest[written..];
        }
        Ok(())
    }

    fn receive(&mut self, words: &mut [u64], _: &mut Wait<'_>) -> Result<usize, Error> {
        let mut bytes = [0; 512 * WORD];
        let most = bytes.len().min(words.len() * WORD);
        let mut filled: usize = 0;
        // A read may end within a word.
        while filled == 0 || !filled.is_multiple_of(WORD) {
            let more = read(&self.from, &mut bytes[filled..most]).map_err(Error::system("read"))?;
            if more == 0 {
                return Err(Error::Stopped);
            }
            filled += more;
        }
        for (word, place) in words.iter_mut().zip(bytes[..filled].chunks_exact(WORD)) {
            // The chunks are as long as a word.
            *word = place.try_into().map_or(0, u64::from_ne_bytes);
        }
        Ok(filled / WORD)
    }
}

/// An eventfd in each direction: it carries a number, which is the word.
pub struct Events {
    /// Written to.
    pub to: OwnedFd,
    /// Read from. If it does not block, it is read again and again.
    pub from: OwnedFd,
}

impl Channel for Events {
    fn send(&mut self, words: &[u64], _: &mut Wait<'_>) -> Result<(), Error> {
        words.iter().try_for_each(|word| {
            let written = write(&self.to, &word.to_ne_bytes());
            written.map(drop).map_err(Error::system("write to eventfd"))
        })
    }

    fn receive(&mut self, words: &mut [u64], wait: &mut Wait<'_>) -> Result<usize, Error> {
        let mut bytes = [0; WORD];
        loop {
            match read(&self.from, &mut bytes) {
                Ok(_) => break,
                Err(Errno::AGAIN) => wait.again()?,
                Err(errno) => return Err(Error::system("read from eventfd")(errno)),
            }
        }
        words[0] = u64::from_ne_bytes(bytes);
        Ok(1)
    }
}

/// A word in shared memory and a futex to wake who sleeps for it, in each direction.
pub struct Futexes {
    /// Rung.
    pub to: &'static Post,
    /// Slept for.
    pub from: &'static Post,
    /// How often the other side has rung.
    pub heard: u32,
}

impl Channel for Futexes {
    fn send(&mut self, words: &[u64], _: &mut Wait<'_>) -> Result<(), Error> {
        words.iter().try_for_each(|word| {
            self.to.word.store(*word, Relaxed);
            self.to.bell.ring(self.to.bell.value().wrapping_add(1))
        })
    }

    fn receive(&mut self, words: &mut [u64], _: &mut Wait<'_>) -> Result<usize, Error> {
        self.heard = self.from.bell.sleep(self.heard, "futex")?;
        words[0] = self.from.word.load(Relaxed);
        Ok(1)
    }
}
