//! What the shop knows beforehand: subjects, countries, cards, ways to send; money and days.

use std::fmt;

/// TPC-W's 24 subjects, in alphabetic order; a subject's number is its place here.
pub const SUBJECTS: [Subject; 24] = [
    Subject::new("arts", "Arts"),
    Subject::new("biographies", "Biographies"),
    Subject::new("business", "Business"),
    Subject::new("children", "Children"),
    Subject::new("computers", "Computers"),
    Subject::new("cooking", "Cooking"),
    Subject::new("health", "Health"),
    Subject::new("history", "History"),
    Subject::new("home", "Home"),
    Subject::new("humor", "Humor"),
    Subject::new("literature", "Literature"),
    Subject::new("mystery", "Mystery"),
    Subject::new("non-fiction", "Non-fiction"),
    Subject::new("parenting", "Parenting"),
    Subject::new("politics", "Politics"),
    Subject::new("reference", "Reference"),
    Subject::new("religion", "Religion"),
    Subject::new("romance", "Romance"),
    Subject::new("science-fiction", "Science fiction"),
    Subject::new("science-nature", "Science & nature"),
    Subject::new("self-help", "Self-help"),
    Subject::new("sports", "Sports"),
    Subject::new("travel", "Travel"),
    Subject::new("youth", "Youth"),
];

/// A subject of books.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Subject {
    /// How it is written in addresses.
    pub slug: &'static str,
    /// How readers see it.
    pub name: &'static str,
}

impl Subject {
    const fn new(slug: &'static str, name: &'static str) -> Self {
        Self { slug, name }
    }

    /// The number and subject with this slug or name, whatever the case of its letters.
    pub fn find(text: &str) -> Option<(i64, Self)> {
        let matches =
            |s: &Subject| s.slug.eq_ignore_ascii_case(text) || s.name.eq_ignore_ascii_case(text);
        let place = SUBJECTS.iter().position(matches)?;
        Some((place as i64, SUBJECTS[place]))
    }

    /// The subject of this number.
    pub fn of(number: i64) -> Option<Self> {
        SUBJECTS.get(usize::try_from(number).ok()?).copied()
    }
}

/// The 92 countries one can order from; a country's number is its place here plus one.
pub const COUNTRIES: [&str; 92] = [
    "Argentina",
    "Armenia",
    "Australia",
    "Austria",
    "Bahamas",
    "Bangladesh",
    "Barbados",
    "Belgium",
    "Belize",
    "Bolivia",
    "Botswana",
    "Brazil",
    "Bulgaria",
    "Cambodia",
    "Cameroon",
    "Canada",
    "Chile",
    "Colombia",
    "Costa Rica",
    "Croatia",
    "Cuba",
    "Cyprus",
    "Czechia",
    "Denmark",
    "Dominican Republic",
    "Ecuador",
    "Egypt",
    "El Salvador",
    "Estonia",
    "Ethiopia",
    "Fiji",
    "Finland",
    "France",
    "Georgia",
    "Germany",
    "Ghana",
    "Greece",
    "Guatemala",
    "Honduras",
    "Hungary",
    "Iceland",
    "India",
    "Indonesia",
    "Ireland",
    "Israel",
    "Italy",
    "Jamaica",
    "Japan",
    "Jordan",
    "Kenya",
    "Latvia",
    "Lebanon",
    "Lithuania",
    "Luxembourg",
    "Malaysia",
    "Malta",
    "Mauritius",
    "Mexico",
    "Mongolia",
    "Morocco",
    "Nepal",
    "Netherlands",
    "New Zealand",
    "Nigeria",
    "Norway",
    "Pakistan",
    "Panama",
    "Paraguay",
    "Peru",
    "Philippines",
    "Poland",
    "Portugal",
    "Romania",
    "Rwanda",
    "Senegal",
    "Serbia",
    "Singapore",
    "Slovakia",
    "Slovenia",
    "South Africa",
    "South Korea",
    "Spain",
    "Sri Lanka",
    "Sweden",
    "Switzerland",
    "Thailand",
    "Tunisia",
    "Turkey",
    "Ukraine",
    "United Kingdom",
    "United States",
    "Uruguay",
];

/// An amount of money in cents.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Cents(pub i64);

impl fmt::Display for Cents {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.0 < 0 { "-" } else { "" };
        let cents = self.0.unsigned_abs();
        write!(f, "{sign}${}.{:02}", cents / 100, cents % 100)
    }
}

/// A day, counted from 1970-01-01.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Day(pub i64);

impl Day {
    /// Year, month (1 to 12) and day (1 to 31). After Howard Hinnant's "chrono-compatible
    /// low-level date algorithms". Days beyond the years 0 to 9999 give the nearest end.
    pub fn civil(self) -> (i64, i64, i64) {
        let shifted = self.0.clamp(-719_468, 2_932_896) + 719_468;
        let era = shifted.div_euclid(146_097);
        let day_of_era = shifted.rem_euclid(146_097);
        let year_of_era =
            (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
        let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let month = (5 * day_of_year + 2) / 153;
        let day = day_of_year - (153 * month + 2) / 5 + 1;
        let month = if month < 10 { month + 3 } else { month - 9 };
        let year = year_of_era + era * 400 + i64::from(month <= 2);
        (year, month, day)
    }

    /// The day of a time in seconds since 1970-01-01.
    pub fn of_time_s(time_s: i64) -> Self {
        Self(time_s.div_euclid(86_400))
    }
}

impl fmt::Display for Day {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const MONTHS: [&str; 12] = [
            "January",
            "February",
            "March",
            "April",
            "May",
            "June",
            "July",
            "August",
            "September",
            "October",
            "November",
            "December",
        ];
        let (year, month, day) = self.civil();
        write!(
            f,
            "{day} {} {year}",
            MONTHS[(month - 1).clamp(0, 11) as usize]
        )
    }
}

/// Cards that are accepted.
pub(crate) const CARDS: [&str; 5] = [
    "Visa",
    "Mastercard",
    "American Express",
    "Discover",
    "Diners Club",
];

/// Ways to send an order, TPC-W's six.
pub(crate) const SHIPPINGS: [&str; 6] = ["Mail", "Courier", "Air", "UPS", "FedEx", "Ship"];

/// The finalizer of SplitMix64: neighbouring numbers give unrelated ones.
pub(crate) fn mix(number: u64) -> u64 {
    let mut z = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_civil_dates() {
        assert_eq!(Day(0).to_string(), "1 January 1970");
        assert_eq!(Day(11_016).to_string(), "29 February 2000");
        assert_eq!(Day(-1).to_string(), "31 December 1969");
        assert_eq!(Day::of_time_s(86_399).0, 0);
        assert_eq!(Day::of_time_s(-1).0, -1);
        for extreme in [i64::MIN, i64::MAX] {
            assert!(!Day(extreme).to_string().is_empty());
        }
    }

    #[test]
    fn cents_are_dollars() {
        assert_eq!(Cents(5).to_string(), "$0.05");
        assert_eq!(Cents(123_456).to_string(), "$1234.56");
        assert_eq!(Cents(-250).to_string(), "-$2.50");
        assert!(!Cents(i64::MIN).to_string().is_empty());
    }

    #[test]
    fn subjects_are_found_by_slug_and_name() {
        assert_eq!(Subject::find("COOKING").map(|(n, _)| n), Some(5));
        assert_eq!(Subject::find("science & nature").map(|(n, _)| n), Some(19));
        assert_eq!(Subject::find("alchemy"), None);
        assert_eq!(Subject::of(24), None);
        assert_eq!(Subject::of(-1), None);
    }
}
