//! Ethernet frames on a stream of bytes: each behind its length, four bytes, the highest first (the
//! protocol of qemu's stream and socket devices, which passt speaks).

use crate::NicError;
use crate::state::tap::HEADER_BYTES;

/// Bytes of a frame's length.
pub(crate) const LENGTH_BYTES: usize = 4;
/// The largest frame: the largest IP packet behind its header.
pub(crate) const FRAME_BYTES_MAX: usize = HEADER_BYTES + 65_535;
/// Room for a frame of which a part has come, and for as much as one read gives.
const BUFFER_BYTES: usize = 2 * (LENGTH_BYTES + FRAME_BYTES_MAX);

/// Finds frames in what is read, however it is cut.
pub(crate) struct Frames {
    buffer: Box<[u8]>,
    /// Read and not yet given out.
    from: usize,
    to: usize,
}

impl Frames {
    pub(crate) fn new() -> Frames {
        Frames {
            buffer: vec![0; BUFFER_BYTES].into(),
            from: 0,
            to: 0,
        }
    }

    /// Where what is read next goes; never empty once [`Frames::next`] found no frame.
    pub(crate) fn room(&mut self) -> &mut [u8] {
        if self.from > 0 {
            self.buffer.copy_within(self.from..self.to, 0);
            self.to -= self.from;
            self.from = 0;
        }
        &mut self.buffer[self.to..]
    }

    /// So many bytes were read into the room.
    pub(crate) fn add(&mut self, bytes: usize) {
        self.to = (self.to + bytes).min(self.buffer.len());
    }

    /// The next whole frame, without its length; it stays until [`Frames::pass`].
    ///
    /// # Errors
    /// When its length is none that a frame has. Then nobody knows where the next one begins.
    pub(crate) fn next(&self) -> Result<Option<&[u8]>, NicError> {
        let unread = &self.buffer[self.from..self.to];
        let Some((length, rest)) = unread.split_first_chunk::<LENGTH_BYTES>() else {
            return Ok(None);
        };
        let bytes = u32::from_be_bytes(*length);
        let length = usize::try_from(bytes).unwrap_or(usize::MAX);
        if !(HEADER_BYTES..=FRAME_BYTES_MAX).contains(&length) {
            return Err(NicError::PasstFrame(bytes));
        }
        Ok(rest.get(..length))
    }

    /// Goes on behind the frame that [`Frames::next`] gave.
    pub(crate) fn pass(&mut self) {
        if let Ok(Some(frame)) = self.next() {
            self.from += LENGTH_BYTES + frame.len();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn on_the_wire(frame: &[u8]) -> Vec<u8> {
        [&(frame.len() as u32).to_be_bytes(), frame].concat()
    }

    /// Feeds pieces of the stream as large as `cut` says; gives the frames that came out.
    fn read(mut stream: &[u8], mut cut: impl FnMut() -> usize) -> Result<Vec<Vec<u8>>, NicError> {
        let mut frames = Frames::new();
        let mut found = Vec::new();
        loop {
            while let Some(frame) = frames.next()? {
                found.push(frame.to_vec());
                frames.pass();
            }
            if stream.is_empty() {
                return Ok(found);
            }
            let room = frames.room();
            assert!(!room.is_empty());
            let piece = cut().clamp(1, room.len().min(stream.len()));
            room[..piece].copy_from_slice(&stream[..piece]);
            stream = &stream[piece..];
            frames.add(piece);
        }
    }

    #[test]
    fn frames_come_out_whole_however_the_stream_is_cut() {
        let sent: Vec<Vec<u8>> = [14, 60, 1514, FRAME_BYTES_MAX, 15, FRAME_BYTES_MAX]
            .iter()
            .enumerate()
            .map(|(n, length)| vec![n as u8; *length])
            .collect();
        let stream: Vec<u8> = sent.iter().flat_map(|frame| on_the_wire(frame)).collect();
        for cut in [1, 3, 4, 5, 17, 18, 4096, usize::MAX] {
            assert_eq!(read(&stream, || cut).unwrap(), sent, "pieces of {cut}");
        }
    }

    #[test]
    fn a_length_that_no_frame_has_ends_it() {
        for length in [0_u32, 13, FRAME_BYTES_MAX as u32 + 1, u32::MAX] {
            let mut stream = on_the_wire(&[7; 20]);
            stream.extend(length.to_be_bytes());
            stream.resize(200, 0);
            let error = read(&stream, || 1).unwrap_err().to_string();
            assert!(error.contains(&length.to_string()), "{error}");
        }
        assert!(read(&[0, 0, 0], || 1).unwrap().is_empty());
    }

    #[test]
    fn no_stream_however_mutated_panics_or_invents_bytes() {
        let mut bits = std::time::SystemTime::now()
            .duration_since(std::time::UNIX_EPOCH)
            .map_or(1, |since| since.as_nanos() as u64);
        println!("seed {bits}");
        let mut next = move || {
            bits = bits.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (bits >> 33) as usize
        };
        for _ in 0..2_000 {
            let mut stream = Vec::new();
            for _ in 0..next() % 6 {
                let frame: Vec<u8> = (0..14 + next() % 300).map(|_| next() as u8).collect();
                stream.extend(on_the_wire(&frame));
            }
            for _ in 0..next() % 3 {
                let at = next() % stream.len().max(1);
                if let Some(byte) = stream.get_mut(at) {
                    *byte = next() as u8;
                }
            }
            stream.truncate(next() % (stream.len() + 1));
            // The same frames whatever the cuts; and all of them stand in the stream in order.
            let by_pieces = read(&stream, || next() % 40).map_err(|error| error.to_string());
            let at_once = read(&stream, || usize::MAX).map_err(|error| error.to_string());
            assert_eq!(by_pieces, at_once);
            let whole: usize = by_pieces
                .iter()
                .flatten()
                .map(|frame| 4 + frame.len())
                .sum();
            assert!(whole <= stream.len());
        }
    }
}
