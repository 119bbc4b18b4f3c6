//! The Date header (IMF-fixdate, RFC 9110, 5.6.7), made once a second.

/// Bytes of a date.
pub const DATE_BYTES: usize = 29;

const DAYS: [&[u8; 3]; 7] = [b"Thu", b"Fri", b"Sat", b"Sun", b"Mon", b"Tue", b"Wed"];
const MONTHS: [&[u8; 3]; 12] = [
    b"Jan", b"Feb", b"Mar", b"Apr", b"May", b"Jun", b"Jul", b"Aug", b"Sep", b"Oct", b"Nov", b"Dec",
];

/// The date as text, kept for the second in which it holds.
#[derive(Debug, Clone)]
pub struct Date {
    text: [u8; DATE_BYTES],
    until_ns: u64,
}

impl Date {
    /// A date that is made when first asked for.
    pub fn new() -> Self {
        Self {
            text: *b"Thu, 01 Jan 1970 00:00:00 GMT",
            until_ns: 0,
        }
    }

    /// The date at `now_ns` of the pipeline's clock. `unix_ns` reads the calendar's clock, in
    /// nanoseconds since 1970, and is called at most once a second.
    pub fn text(&mut self, now_ns: u64, unix_ns: impl FnOnce() -> u64) -> &[u8; DATE_BYTES] {
        const SECOND_NS: u64 = 1_000_000_000;
        if now_ns >= self.until_ns {
            let unix_ns = unix_ns();
            self.text = format(unix_ns / SECOND_NS);
            self.until_ns = now_ns + SECOND_NS - unix_ns % SECOND_NS;
        }
        &self.text
    }
}

/// Seconds since 1970 as an IMF-fixdate. Right up to the year 9999.
pub fn format(unix_s: u64) -> [u8; DATE_BYTES] {
    let days = unix_s / 86_400;
    let (year, month, day) = civil(days);
    let mut text = *b"Thu, 01 Jan 1970 00:00:00 GMT";
    text[..3].copy_from_slice(DAYS[(days % 7) as usize]);
    two_digits(&mut text[5..7], day);
    text[8..11].copy_from_slice(MONTHS[month as usize - 1]);
    two_digits(&mut text[12..14], year / 100);
    two_digits(&mut text[14..16], year % 100);
    two_digits(&mut text[17..19], unix_s / 3600 % 24);
    two_digits(&mut text[20..22], unix_s / 60 % 60);
    two_digits(&mut text[23..25], unix_s % 60);
    text
}

/// Year, month and day of a day since 1970 (Howard Hinnant's `civil_from_days`: years begin in
/// March, so that the leap day is the last).
fn civil(days: u64) -> (u64, u64, u64) {
    let shifted = days + 719_468;
    let era = shifted / 146_097;
    let day_of_era = shifted % 146_097;
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 {
        shifted_month + 3
    } else {
        shifted_month - 9
    };
    (year_of_era + era * 400 + u64::from(month <= 2), month, day)
}

fn two_digits(text: &mut [u8], value: u64) {
    text[0] = b'0' + (value / 10 % 10) as u8;
    text[1] = b'0' + (value % 10) as u8;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_dates() {
        let cases: [(u64, &[u8]); 5] = [
            (0, b"Thu, 01 Jan 1970 00:00:00 GMT"),
            (784_111_777, b"Sun, 06 Nov 1994 08:49:37 GMT"),
            (951_782_400, b"Tue, 29 Feb 2000 00:00:00 GMT"),
            (1_709_251_199, b"Thu, 29 Feb 2024 23:59:59 GMT"),
            (4_102_444_800, b"Fri, 01 Jan 2100 00:00:00 GMT"),
        ];
        for (unix_s, text) in cases {
            assert_eq!(format(unix_s), text, "second {unix_s}");
        }
    }

    #[test]
    fn made_again_when_the_second_is_over() {
        let mut date = Date::new();
        let first = *date.text(10, || 999_999_999);
        assert_eq!(
            *date.text(10, || unreachable!("the second is not over")),
            first
        );
        assert_eq!(
            date.text(11, || 1_000_000_000),
            b"Thu, 01 Jan 1970 00:00:01 GMT"
        );
    }
}
