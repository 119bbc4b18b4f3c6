//! A table whose entries keep their number, and whose numbers are not reused at once.

/// Numbers carry a generation in their upper half, so that a number of a removed entry is not
/// taken for that of a later one. At most 65,535 entries.
#[derive(Debug)]
pub struct Slab<T> {
    entries: Vec<(u16, Option<T>)>,
    free: Vec<u16>,
}

impl<T> Default for Slab<T> {
    fn default() -> Self {
        Slab {
            entries: Vec::new(),
            free: Vec::new(),
        }
    }
}

impl<T> Slab<T> {
    /// Adds an entry; returns its number.
    ///
    /// # Panics
    /// When there are 65,535 entries already.
    pub fn insert(&mut self, entry: T) -> u32 {
        let at = self.free.pop().unwrap_or_else(|| {
            assert!(
                self.entries.len() < usize::from(u16::MAX),
                "a table is full"
            );
            self.entries.push((0, None));
            (self.entries.len() - 1) as u16
        });
        let place = &mut self.entries[usize::from(at)];
        place.0 = place.0.wrapping_add(1);
        place.1 = Some(entry);
        u32::from(place.0) << 16 | u32::from(at)
    }

    /// The entry with this number.
    pub fn get(&self, number: u32) -> Option<&T> {
        let (generation, entry) = self.entries.get(place(number))?;
        entry
            .as_ref()
            .filter(|_| u32::from(*generation) == number >> 16)
    }

    /// The entry with this number, to be changed.
    pub fn get_mut(&mut self, number: u32) -> Option<&mut T> {
        let (generation, entry) = self.entries.get_mut(place(number))?;
        entry
            .as_mut()
            .filter(|_| u32::from(*generation) == number >> 16)
    }

    /// Removes an entry.
    pub fn remove(&mut self, number: u32) -> Option<T> {
        self.get(number)?;
        self.free.push(number as u16);
        self.entries[place(number)].1.take()
    }

    /// The numbers of all entries.
    pub fn numbers(&self) -> impl Iterator<Item = u32> + '_ {
        self.entries
            .iter()
            .enumerate()
            .filter(|(_, (_, entry))| entry.is_some())
            .map(|(at, (generation, _))| u32::from(*generation) << 16 | at as u32)
    }

    /// Entries.
    pub fn len(&self) -> usize {
        self.entries.len() - self.free.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

fn place(number: u32) -> usize {
    usize::from(number as u16)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_removed_entrys_number_means_nothing_later() {
        let mut slab = Slab::default();
        let first = slab.insert('a');
        assert_eq!(slab.remove(first), Some('a'));
        let second = slab.insert('b');
        assert_eq!((slab.get(first), slab.get(second)), (None, Some(&'b')));
        assert_eq!((slab.remove(first), slab.len()), (None, 1));
    }
}
