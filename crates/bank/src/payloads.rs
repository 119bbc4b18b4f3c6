//! The memory of all pages of a bank in one piece, for the kernel.

use std::ptr::NonNull;
use std::sync::Arc;

use crate::Page;
use crate::bank::Memory;

/// Where the payloads of a bank's pages lie: one after the other in the order of their numbers,
/// without their headers. The memory stays mapped as long as this exists.
///
/// It grants nothing: whoever lets the kernel write at an address there must own the page that
/// lies there, for as long as the kernel may.
#[derive(Clone)]
pub struct Payloads {
    memory: Arc<Memory>,
}

impl Payloads {
    pub(crate) fn of(memory: Arc<Memory>) -> Payloads {
        Payloads { memory }
    }

    /// Address of the first page; a multiple of the size of the system's pages.
    pub fn address(&self) -> NonNull<u8> {
        self.memory.payload_address(0)
    }

    /// Bytes of all pages.
    pub fn bytes(&self) -> usize {
        self.pages() * self.page_bytes()
    }

    /// Bytes of a page.
    pub fn page_bytes(&self) -> usize {
        self.memory.page_bytes()
    }

    /// Pages that the bank has.
    pub fn pages(&self) -> usize {
        self.memory.pages() as usize
    }

    /// The number of a page, if it is one of this bank's: it begins so many pages behind the first.
    pub fn number_of(&self, page: &Page) -> Option<usize> {
        page.is_of(&self.memory).then(|| page.number())
    }
}

#[cfg(test)]
mod tests {
    use crate::Bank;

    #[test]
    fn each_page_lies_where_its_number_says() {
        let bank = Bank::new(3, 5, 4096).unwrap();
        let payloads = bank.payloads();
        assert_eq!((payloads.pages(), payloads.bytes()), (5, 5 * 4096));
        assert_eq!(payloads.address().as_ptr() as usize % 4096, 0);
        let pages = bank.issue(5, 1, 0);
        for page in &pages {
            let number = payloads.number_of(page).unwrap();
            let begin = payloads.address().as_ptr() as usize + number * 4096;
            assert_eq!(page.payload().as_ptr() as usize, begin);
        }
        let other = Bank::new(3, 5, 4096).unwrap().issue(1, 1, 0).remove(0);
        assert_eq!(payloads.number_of(&other), None);
    }
}
