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

/// All of them.
pub const ALL: [Interaction; 14] = [
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
];

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

/// Shares in hundredths of a percent by mix, and the limit of the 90th percentile in seconds.
const TABLE: [([u32; 3], u32); 14] = [
    ([2900, 1600, 912], 3),
    ([1100, 500, 46], 5),
    ([1100, 500, 46], 5),
    ([2100, 1700, 1235], 3),
    ([1200, 2000, 1453], 3),
    ([1100, 1700, 1308], 10),
    ([200, 1160, 1353], 3),
    ([82, 300, 1286], 3),
    ([75, 260, 1273], 3),
    ([69, 120, 1018], 5),
    ([30, 75, 25], 3),
    ([25, 66, 22], 3),
    ([10, 10, 12], 3),
    ([9, 9, 11], 20),
];

impl Interaction {
    /// As it is written in tables.
    pub fn name(self) -> &'static str {
        match self {
            Home => "Home",
            NewProducts => "New Products",
            BestSellers => "Best Sellers",
            ProductDetail => "Product Detail",
            SearchRequest => "Search Request",
            SearchResults => "Search Results",
            ShoppingCart => "Shopping Cart",
            CustomerRegistration => "Customer Registration",
            BuyRequest => "Buy Request",
            BuyConfirm => "Buy Confirm",
            OrderInquiry => "Order Inquiry",
            OrderDisplay => "Order Display",
            AdminRequest => "Admin Request",
            AdminConfirm => "Admin Confirm",
        }
    }

    /// The limit of its 90th percentile, in seconds.
    pub fn limit_s(self) -> u32 {
        TABLE[self as usize].1
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
        ALL.iter().any(|other| other.sequel() == Some(self))
    }
}

impl Mix {
    /// The specification's share, in hundredths of a percent.
    pub fn share(self, interaction: Interaction) -> u32 {
        TABLE[interaction as usize].0[self as usize]
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
        let free = || ALL.into_iter().filter(|other| !other.is_sequel());
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
    fn every_mix_has_a_hundred_percent() {
        for mix in [Mix::Browsing, Mix::Shopping, Mix::Ordering] {
            let total: u32 = ALL.iter().map(|i| mix.share(*i)).sum();
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
            for interaction in ALL {
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
