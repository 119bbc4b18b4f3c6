//! TPC-W's 14 interactions: their shares in the three mixes, their limits, and how one leads to
//! the next.

use clap::ValueEnum;

/// An interaction, in the order of the specification's tables.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Interaction {
    Home,
    NewProducts,
    BestSellers,
    ProductDetail,
    SearchRequest,
    SearchResults,
    ShoppingCart,
    CustomerRegistration,
    BuyRequest,
    BuyConfirm,
    OrderInquiry,
    OrderDisplay,
    AdminRequest,
    AdminConfirm,
}

use Interaction::*;

/// Which interactions readers prefer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Mix {
    /// 95 % look around, 5 % order (WIPSb).
    Browsing,
    /// 80 % look around, 20 % order (WIPS).
    Shopping,
    /// Half of all interactions order (WIPSo).
    Ordering,
}

/// What the specification says of an interaction.
struct Row {
    interaction: Interaction,
    name: &'static str,
    /// Hundredths of a percent, by mix.
    shares: [u32; 3],
    /// Of the 90th percentile.
    limit_s: u32,
}

const fn row(interaction: Interaction, name: &'static str, shares: [u32; 3], limit_s: u32) -> Row {
    Row {
        interaction,
        name,
        shares,
        limit_s,
    }
}

/// In the order of the enum, so that an interaction is its own place.
const TABLE: [Row; 14] = [
    row(Home, "Home", [2900, 1600, 912], 3),
    row(NewProducts, "New Products", [1100, 500, 46], 5),
    row(BestSellers, "Best Sellers", [1100, 500, 46], 5),
    row(ProductDetail, "Product Detail", [2100, 1700, 1235], 3),
    row(SearchRequest, "Search Request", [1200, 2000, 1453], 3),
    row(SearchResults, "Search Results", [1100, 1700, 1308], 10),
    row(ShoppingCart, "Shopping Cart", [200, 1160, 1353], 3),
    row(
        CustomerRegistration,
        "Customer Registration",
        [82, 300, 1286],
        3,
    ),
    row(BuyRequest, "Buy Request", [75, 260, 1273], 3),
    row(BuyConfirm, "Buy Confirm", [69, 120, 1018], 5),
    row(OrderInquiry, "Order Inquiry", [30, 75, 25], 3),
    row(OrderDisplay, "Order Display", [25, 66, 22], 3),
    row(AdminRequest, "Admin Request", [10, 10, 12], 3),
    row(AdminConfirm, "Admin Confirm", [9, 9, 11], 20),
];

/// All of them.
pub fn all() -> impl Iterator<Item = Interaction> {
    TABLE.iter().map(|row| row.interaction)
}

impl Interaction {
    fn row(self) -> &'static Row {
        &TABLE[self as usize]
    }

    /// As it is written in tables.
    pub fn name(self) -> &'static str {
        self.row().name
    }

    /// The limit of its 90th percentile, in seconds.
    pub fn limit_s(self) -> u32 {
        self.row().limit_s
    }

    /// The one that may follow it and follows no other.
    fn sequel(self) -> Option<Interaction> {
        match self {
            SearchRequest => Some(SearchResults),
            ShoppingCart => Some(CustomerRegistration),
            CustomerRegistration => Some(BuyRequest),
            BuyRequest => Some(BuyConfirm),
            OrderInquiry => Some(OrderDisplay),
            AdminRequest => Some(AdminConfirm),
            _ => None,
        }
    }

    fn is_sequel(self) -> bool {
        all().any(|other| other.sequel() == Some(self))
    }
}

impl Mix {
    /// The specification's share, in hundredths of a percent.
    pub fn share(self, interaction: Interaction) -> u32 {
        interaction.row().shares[self as usize]
    }

    /// What interactions per second are called in this mix.
    pub fn metric(self) -> &'static str {
        match self {
            Mix::Browsing => "WIPSb",
            Mix::Shopping => "WIPS",
            Mix::Ordering => "WIPSo",
        }
    }

    /// What a browser does after `last`, by two numbers in `0..1`.
    ///
    /// A sequel (results after a search, a purchase after its form) follows with the ratio of the
    /// shares; else one of the others is chosen by its share. Then every interaction has exactly its
    /// share in the long run: a sequel's is its ratio times that of what it follows, and the others
    /// are chosen in the proportions of their shares.
    pub fn next(self, last: Interaction, follow: f64, choice: f64) -> Interaction {
        if let Some(sequel) = last.sequel()
            && follow * f64::from(self.share(last)) < f64::from(self.share(sequel))
        {
            return sequel;
        }
        let free = || all().filter(|other| !other.is_sequel());
        let total: u32 = free().map(|other| self.share(other)).sum();
        let mut left = choice * f64::from(total);
        for interaction in free() {
            left -= f64::from(self.share(interaction));
            if left < 0.0 {
                return interaction;
            }
        }
        Home
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::emulated::dice::Dice;

    #[test]
    fn an_interaction_is_its_own_place_in_the_table() {
        assert!(all().enumerate().all(|(place, i)| i as usize == place));
    }

    #[test]
    fn every_mix_has_a_hundred_percent() {
        for mix in [Mix::Browsing, Mix::Shopping, Mix::Ordering] {
            let total: u32 = all().map(|i| mix.share(i)).sum();
            assert_eq!(total, 10_000, "{mix:?}");
        }
    }

    #[test]
    fn the_transitions_give_the_specified_shares() {
        for mix in [Mix::Browsing, Mix::Shopping, Mix::Ordering] {
            let (mut dice, mut counts, mut at) = (Dice::new(7), [0_u32; 14], Home);
            const STEPS: u32 = 1_000_000;
            for _ in 0..STEPS {
                at = mix.next(at, dice.unit(), dice.unit());
                counts[at as usize] += 1;
            }
            for interaction in all() {
                let share = f64::from(counts[interaction as usize]) / f64::from(STEPS) * 1e4;
                let wanted = f64::from(mix.share(interaction));
                // Four standard deviations of a binomial of so many steps, and a little more.
                let spread = 4.0 * (wanted * 1e4 / f64::from(STEPS)).sqrt() + 1.0;
                assert!(
                    (share - wanted).abs() < spread,
                    "{mix:?} {interaction:?}: {share} of {wanted}"
                );
            }
        }
    }

    #[test]
    fn what_needs_something_before_it_comes_only_after_it() {
        let (mut dice, mut last) = (Dice::new(1), Home);
        for _ in 0..100_000 {
            let next = Mix::Ordering.next(last, dice.unit(), dice.unit());
            assert!(!next.is_sequel() || last.sequel() == Some(next));
            last = next;
        }
    }
}
