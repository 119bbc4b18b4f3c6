//! Which stages run on which core, as the model sees it.

/// A placement: a stage that stands on several cores has a replica on each.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Placement {
    /// Its name, such as `fused`.
    pub name: String,
    /// The cores that are used.
    pub cores: Vec<PlacedCore>,
}

/// One core and its stages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlacedCore {
    /// The core's number, one of the machine's.
    pub core: usize,
    /// Indices of [`super::Network::stages`], in the order of visits.
    pub stages: Vec<usize>,
}
