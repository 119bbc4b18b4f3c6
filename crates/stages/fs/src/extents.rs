//! Where a file's blocks lie on the disk.

/// Consecutive blocks of a file that lie side by side on the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Extent {
    /// First block in the file.
    pub logical: u64,
    /// First block on the disk.
    pub physical: u64,
    /// Number of blocks.
    pub blocks: u64,
}

impl Extent {
    fn end(&self) -> u64 {
        self.logical + self.blocks
    }
}

/// The allocated, written blocks of a file. What is not in the map reads as zeros.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ExtentMap {
    /// Sorted by `logical`, not overlapping.
    extents: Vec<Extent>,
}

impl ExtentMap {
    /// A map of these extents, or `None` if two of them overlap or one leaves the disk.
    pub fn new(mut extents: Vec<Extent>, disk_blocks: u64) -> Option<Self> {
        extents.sort_by_key(|extent| extent.logical);
        let apart = extents
            .windows(2)
            .all(|pair| pair[0].end() <= pair[1].logical);
        let inside = extents.iter().all(|extent| {
            extent.physical > 0
                && extent
                    .physical
                    .checked_add(extent.blocks)
                    .is_some_and(|end| end <= disk_blocks)
        });
        (apart && inside).then_some(ExtentMap { extents })
    }

    /// The disk block of the file's block `logical`.
    pub fn physical(&self, logical: u64) -> Option<u64> {
        let after = self
            .extents
            .partition_point(|extent| extent.logical <= logical);
        let extent = self.extents.get(after.checked_sub(1)?)?;
        (logical < extent.end()).then(|| extent.physical + (logical - extent.logical))
    }

    /// Whether every block in `first..end` is mapped.
    pub fn covers(&self, first: u64, end: u64) -> bool {
        self.gaps(first, end).next().is_none()
    }

    /// The unmapped ranges within `first..end`, in order.
    pub fn gaps(&self, first: u64, end: u64) -> impl Iterator<Item = (u64, u64)> + '_ {
        let mut at = first;
        let mut rest = self
            .extents
            .iter()
            .filter(move |extent| extent.end() > first);
        std::iter::from_fn(move || {
            while at < end {
                let Some(next) = rest.next().filter(|extent| extent.logical < end) else {
                    return Some((std::mem::replace(&mut at, end), end));
                };
                let gap = (at, next.logical);
                at = at.max(next.end());
                if gap.0 < gap.1 {
                    return Some(gap);
                }
            }
            None
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn extent(logical: u64, physical: u64, blocks: u64) -> Extent {
        Extent {
            logical,
            physical,
            blocks,
        }
    }

    fn map() -> ExtentMap {
        ExtentMap::new(
            vec![extent(10, 500, 5), extent(0, 100, 4), extent(15, 700, 1)],
            1000,
        )
        .expect("valid extents")
    }

    #[test]
    fn blocks_are_found_and_holes_are_not() {
        let found: Vec<_> = [0, 3, 4, 9, 10, 14, 15, 16]
            .map(|b| map().physical(b))
            .into();
        let expected = [
            Some(100),
            Some(103),
            None,
            None,
            Some(500),
            Some(504),
            Some(700),
            None,
        ];
        assert_eq!(found, expected);
    }

    #[test]
    fn gaps_are_the_holes_in_order() {
        let gaps = |first, end| map().gaps(first, end).collect::<Vec<_>>();
        assert_eq!(gaps(0, 20), [(4, 10), (16, 20)]);
        assert_eq!(gaps(5, 7), [(5, 7)]);
        assert_eq!(gaps(2, 4), []);
        assert_eq!(gaps(12, 16), []);
        assert_eq!(
            ExtentMap::default().gaps(0, 3).collect::<Vec<_>>(),
            [(0, 3)]
        );
        assert!(map().covers(10, 16) && !map().covers(9, 12));
    }

    #[test]
    fn overlapping_or_outlying_extents_are_refused() {
        assert!(ExtentMap::new(vec![extent(0, 10, 4), extent(3, 50, 1)], 100).is_none());
        assert!(ExtentMap::new(vec![extent(0, 98, 3)], 100).is_none());
        assert!(ExtentMap::new(vec![extent(0, u64::MAX, 3)], 100).is_none());
    }
}
