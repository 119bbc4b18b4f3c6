//! The pictures on the covers: drawn here once, kept as PNG files in the image's file system, and
//! read from there when a browser asks.
//!
//! A picture is a pattern in the colours of a palette, the same for the same number for ever. Each
//! has two files: the image of a book's own page and the thumbnail of lists. The files are PNG of
//! 16 colours without compression, so that their sizes are those of photographs (14 and 5 KB; in
//! TPC-W 5 to 250 KB and 5 KB) although their content is simple.

use crate::catalogue::mix;

/// Different pictures that a shop has at most; books share them.
pub(crate) const PICTURES: u64 = 96;

/// Width and height of an image and of a thumbnail, in pixels.
const IMAGE: (u32, u32) = (136, 204);
const THUMBNAIL: (u32, u32) = (80, 120);
/// Shades between a palette's two colours: what 4 bits can tell apart.
const SHADES: u32 = 16;

/// Ground and figure of each palette, as red, green and blue.
const PALETTES: [([u8; 3], [u8; 3]); 16] = [
    ([0x26, 0x46, 0x5a], [0xe8, 0xa5, 0x4b]),
    ([0x7b, 0x2d, 0x26], [0xd9, 0xa6, 0x79]),
    ([0x1f, 0x4d, 0x43], [0x9c, 0xc5, 0xa1]),
    ([0x3d, 0x2c, 0x5e], [0xb4, 0x9f, 0xdc]),
    ([0xb5, 0x50, 0x2b], [0xf3, 0xc9, 0x8b]),
    ([0x1d, 0x35, 0x57], [0xa8, 0xda, 0xdc]),
    ([0x5b, 0x5f, 0x2c], [0xd9, 0xd3, 0x8a]),
    ([0x84, 0x34, 0x4e], [0xef, 0xb5, 0xc0]),
    ([0x2f, 0x2f, 0x2f], [0xc9, 0xb3, 0x7e]),
    ([0x0f, 0x5e, 0x6b], [0xf2, 0xd0, 0xa4]),
    ([0xd0, 0x8c, 0x2f], [0x7b, 0x3f, 0x1d]),
    ([0x48, 0x6b, 0x8a], [0xdf, 0xe8, 0xee]),
    ([0x8a, 0x9a, 0x5b], [0x33, 0x45, 0x2a]),
    ([0xc8, 0x55, 0x3d], [0xf5, 0xe2, 0xc8]),
    ([0xe0, 0xcd, 0xa9], [0x8c, 0x4a, 0x3b]),
    ([0x5d, 0x4a, 0x66], [0xe3, 0xb5, 0xa4]),
];
/// Patterns that [`Figure::distance`] knows.
const PATTERNS: u64 = 12;

/// Whether a book's own page or a list shows a picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Size {
    Image,
    Thumbnail,
}

impl Size {
    const BOTH: [Self; 2] = [Self::Image, Self::Thumbnail];

    /// The name in the image's file system of picture `number` in this size.
    pub(crate) fn file(self, number: i64) -> String {
        match self {
            Self::Image => format!("image{number:03}.png"),
            Self::Thumbnail => format!("thumb{number:03}.png"),
        }
    }
}

/// A file that the shop reads by its name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Picture {
    /// Name of the file, in the root directory.
    pub name: String,
    /// Its content: a PNG of at most 15 KB.
    pub bytes: Vec<u8>,
}

/// Number of the picture that book `id` of `items` begins with.
pub(crate) fn picture_of(id: u64, items: u64) -> u64 {
    mix(id) % pictures_of(items)
}

/// How many pictures a shop of `items` books has.
pub(crate) fn pictures_of(items: u64) -> u64 {
    items.clamp(1, PICTURES)
}

/// All files of a shop of `items` books.
pub(crate) fn files(items: u64) -> impl Iterator<Item = Picture> {
    let draw = |number| Size::BOTH.map(|size| draw(number, size));
    (0..pictures_of(items)).flat_map(draw)
}

fn draw(number: u64, size: Size) -> Picture {
    let (width, height) = match size {
        Size::Image => IMAGE,
        Size::Thumbnail => THUMBNAIL,
    };
    let figure = Figure {
        pattern: number % PATTERNS,
        turn: (mix(number) % 7) as f32 / 7.0,
    };
    let rows = (0..height).flat_map(|y| {
        // Each line begins with its filter: none.
        let pixels = (0..width / 2).map(move |pair| {
            let shade = |x: u32| figure.shade(x, y, width);
            (shade(pair * 2) << 4 | shade(pair * 2 + 1)) as u8
        });
        std::iter::once(0).chain(pixels)
    });
    // A pattern comes back after 12 pictures, each time in other colours.
    let palette = number / PATTERNS * 2 + number % PATTERNS * 5;
    let palette = PALETTES[(palette % PALETTES.len() as u64) as usize];
    Picture {
        name: size.file(number as i64),
        bytes: png((width, height), palette, &rows.collect::<Vec<u8>>()),
    }
}

/// A pattern, and how far it is shifted.
#[derive(Clone, Copy)]
struct Figure {
    pattern: u64,
    turn: f32,
}

impl Figure {
    /// The shade of a pixel, soft over one pixel at the figure's edge.
    fn shade(self, x: u32, y: u32, width: u32) -> u32 {
        let scale = width as f32;
        let (u, v) = ((x as f32 + 0.5) / scale, (y as f32 + 0.5) / scale);
        let covered = (0.5 - self.distance(u, v) * scale).clamp(0.0, 1.0);
        // A little light from above keeps large areas from being flat.
        let light = 0.12 * (1.0 - v / 1.5);
        ((covered * 0.88 + light).clamp(0.0, 1.0) * (SHADES - 1) as f32).round() as u32
    }

    /// How far a point is outside the figure, negative inside; the cover is 1 wide and 1.5 high.
    fn distance(self, u: f32, v: f32) -> f32 {
        let turn = self.turn;
        let wave = |at: f32, period: f32, share: f32| {
            let phase = (at / period + turn).fract();
            ((phase - 0.5).abs() - share / 2.0) * period
        };
        let circle = |x: f32, y: f32| (u - x).hypot(v - y);
        match self.pattern {
            0 => wave(u + v, 0.22, 0.45),
            1 => wave(v, 0.14, 0.3),
            2 => circle(0.62, 1.1) - 0.34,
            3 => wave(circle(0.2, 1.35), 0.16, 0.5),
            4 => v - 0.9 - 0.3 * (u - turn),
            5 => 0.35 - 0.5 * turn * u - (v - 0.7).abs(),
            6 => wave(u, 0.25, 0.5).max(wave(v, 0.25, 0.5)),
            7 => (circle(0.5, 1.5) - 0.48).min(wave(circle(0.5, 1.5), 0.3, 0.12)),
            8 => (((u * 5.0 + turn).fract() - 0.5).hypot((v * 5.0).fract() - 0.5) - 0.28) / 5.0,
            9 => v - 1.05 - 0.12 * ((u + turn) * 9.0).sin(),
            10 => wave(v + 0.06 * ((u + turn) * 12.0).sin(), 0.2, 0.4),
            _ => {
                let angle = (v - 1.2).atan2(u - 0.5) + turn;
                wave(angle, std::f32::consts::TAU / 18.0, 0.4) * circle(0.5, 1.2)
            }
        }
    }
}

/// A PNG (RFC 2083) of 16 colours from `ground` to `figure`; `lines` are its filtered lines.
fn png(size: (u32, u32), palette: ([u8; 3], [u8; 3]), lines: &[u8]) -> Vec<u8> {
    let mut header = Vec::new();
    header.extend(size.0.to_be_bytes());
    header.extend(size.1.to_be_bytes());
    header.extend([4, 3, 0, 0, 0]); // 4 bits, from a palette, not interlaced
    let mut file = b"\x89PNG\r\n\x1a\n".to_vec();
    chunk(&mut file, b"IHDR", &header);
    chunk(&mut file, b"PLTE", &shades(palette));
    chunk(&mut file, b"IDAT", &stored(lines));
    chunk(&mut file, b"IEND", &[]);
    file
}

fn shades((ground, figure): ([u8; 3], [u8; 3])) -> Vec<u8> {
    let between = |at: u32, from: u8, to: u8| {
        ((u32::from(from) * (SHADES - 1 - at) + u32::from(to) * at) / (SHADES - 1)) as u8
    };
    (0..SHADES)
        .flat_map(|at| [0, 1, 2].map(|part| between(at, ground[part], figure[part])))
        .collect()
}

fn chunk(file: &mut Vec<u8>, kind: &[u8; 4], data: &[u8]) {
    file.extend((data.len() as u32).to_be_bytes());
    let start = file.len();
    file.extend(kind);
    file.extend(data);
    file.extend(crc32(&file[start..]).to_be_bytes());
}

/// A zlib stream (RFC 1950) of one stored block (RFC 1951), which holds up to 65,535 bytes.
fn stored(data: &[u8]) -> Vec<u8> {
    let length = data.len() as u16;
    let mut stream = vec![0x78, 0x01, 0x01];
    stream.extend(length.to_le_bytes());
    stream.extend((!length).to_le_bytes());
    stream.extend(data);
    stream.extend(adler32(data).to_be_bytes());
    stream
}

fn crc32(data: &[u8]) -> u32 {
    let step = |crc: u32, &byte: &u8| {
        (0..8).fold(crc ^ u32::from(byte), |crc, _| {
            (crc >> 1) ^ (0xedb8_8320 & (crc & 1).wrapping_neg())
        })
    };
    !data.iter().fold(u32::MAX, step)
}

fn adler32(data: &[u8]) -> u32 {
    let (a, b) = data.iter().fold((1, 0), |(a, b), &byte| {
        let a = (a + u32::from(byte)) % 65_521;
        (a, (b + a) % 65_521)
    });
    b << 16 | a
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checksums_are_those_of_their_specifications() {
        // The IEND chunk of every PNG, and the example of RFC 1950's algorithm.
        assert_eq!(crc32(b"IEND"), 0xae42_6082);
        assert_eq!(adler32(b"Wikipedia"), 0x11e6_0398);
    }

    #[test]
    fn every_picture_fits_a_page_and_no_two_are_alike() {
        let files: Vec<Picture> = files(1000).collect();
        assert_eq!(files.len() as u64, 2 * PICTURES);
        for (at, file) in files.iter().enumerate() {
            assert!((4_000..15_360).contains(&file.bytes.len()), "{}", file.name);
            assert!(files[..at].iter().all(|other| other.bytes != file.bytes));
        }
    }

    #[test]
    fn a_small_shop_has_the_pictures_that_its_books_show() {
        for items in [10, 95, 96, 97, 1000] {
            let pictures = pictures_of(items);
            assert_eq!(files(items).count() as u64, 2 * pictures);
            assert!((1..=items).all(|id| picture_of(id, items) < pictures));
        }
    }
}
