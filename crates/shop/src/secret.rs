//! Unpredictable identifiers from one secret: ChaCha20 (RFC 8439) over a counter.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};

/// A session or form token: 128 bits that nobody can guess.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Token(u128);

impl Token {
    /// Digits of a token in text.
    pub const DIGITS: usize = 32;

    /// Reads 32 lower-case hexadecimal digits; anything else is no token.
    pub fn parse(text: &str) -> Option<Self> {
        let digit = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
        let valid = text.len() == Self::DIGITS && text.bytes().all(digit);
        if !valid {
            return None;
        }
        u128::from_str_radix(text, 16).ok().map(Self)
    }
}

impl fmt::Display for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

/// Makes tokens. Two sources with the same secret make the same tokens, so the secret must come
/// fresh from the operating system's randomness each time.
pub struct Secret {
    key: [u32; 8],
    counter: AtomicU64,
}

impl Secret {
    /// Takes the secret: 32 bytes that nobody else knows.
    pub fn new(secret: [u8; 32]) -> Self {
        let mut key = [0; 8];
        for (word, bytes) in key.iter_mut().zip(secret.chunks_exact(4)) {
            *word = u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]);
        }
        Self {
            key,
            counter: AtomicU64::new(0),
        }
    }

    /// A token never given before.
    pub fn token(&self) -> Token {
        // Relaxed: only uniqueness matters, and that is what fetch_add guarantees.
        let counter = self.counter.fetch_add(1, Ordering::Relaxed);
        let block = block(&self.key, [counter as u32, (counter >> 32) as u32, 0, 0]);
        let word = |i: usize| u128::from(block[i]) << (32 * i);
        Token(word(0) | word(1) | word(2) | word(3))
    }

    /// A number that an attacker cannot foresee, for choices such as today's promotions.
    pub fn number(&self) -> u64 {
        self.token().0 as u64
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

/// ChaCha20's block function; `tail` is the counter and nonce.
fn block(key: &[u32; 8], tail: [u32; 4]) -> [u32; 16] {
    let mut start = [0; 16];
    start[..4].copy_from_slice(&[0x6170_7865, 0x3320_646e, 0x7962_2d32, 0x6b20_6574]);
    start[4..12].copy_from_slice(key);
    start[12..].copy_from_slice(&tail);
    let mut state = start;
    for _ in 0..10 {
        for column in 0..4 {
            quarter(&mut state, [column, 4 + column, 8 + column, 12 + column]);
        }
        for i in 0..4 {
            quarter(
                &mut state,
                [i, 4 + (i + 1) % 4, 8 + (i + 2) % 4, 12 + (i + 3) % 4],
            );
        }
    }
    for (word, first) in state.iter_mut().zip(start) {
        *word = word.wrapping_add(first);
    }
    state
}

fn quarter(state: &mut [u32; 16], [a, b, c, d]: [usize; 4]) {
    for (x, y, z, turn) in [(a, b, d, 16), (c, d, b, 12), (a, b, d, 8), (c, d, b, 7)] {
        state[x] = state[x].wrapping_add(state[y]);
        state[z] = (state[z] ^ state[x]).rotate_left(turn);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_block_function_is_that_of_rfc_8439() {
        // Section 2.3.2: key 00..1f, counter 1, nonce 000000090000004a00000000.
        let secret = Secret::new(std::array::from_fn(|i| i as u8));
        let block = block(&secret.key, [1, 0x0900_0000, 0x4a00_0000, 0]);
        assert_eq!(
            block[..4],
            [0xe4e7_f110, 0x1559_3bd1, 0x1fdd_0f50, 0xc471_20a3]
        );
        assert_eq!(block[15], 0x4e3c_50a2);
    }

    #[test]
    fn tokens_differ_and_survive_their_text() {
        let secret = Secret::new([7; 32]);
        let (first, second) = (secret.token(), secret.token());
        assert_ne!(first, second);
        assert_eq!(Token::parse(&first.to_string()), Some(first));
        assert_ne!(Secret::new([8; 32]).token(), first);
    }

    #[test]
    fn only_32_lower_case_digits_are_a_token() {
        let good = "0123456789abcdef0123456789abcdef";
        assert!(Token::parse(good).is_some());
        for bad in [
            "",
            &good[1..],
            &good.to_uppercase(),
            &format!("+{}", &good[1..]),
        ] {
            assert!(Token::parse(bad).is_none(), "{bad}");
        }
    }
}
