//! Who waits for rows.

use brigade_messages::Timings;
use brigade_shop::{Method, Request, Secret, Shop, Step};

use crate::state::{Origin, Pending, Table};

fn pending(tag: u64) -> Pending {
    let shop = Shop::new(Secret::new([1; 32]), "");
    let request = Request {
        method: Method::Get,
        path: b"/",
        query: b"",
        cookies: b"",
        body: b"",
        now_s: 0,
    };
    let Step::Query(state, _) = shop.begin(&request) else {
        panic!("the home page asks the database")
    };
    let timings = Timings::default();
    Pending {
        state: crate::state::Continuation::Rows(state),
        origin: Origin {
            tag,
            deadline_ns: 0,
            timings,
        },
        sent_ns: 0,
    }
}

#[test]
fn a_reply_finds_its_request_once_and_never_another() {
    let mut table = Table::default();
    let first = table.insert(pending(1));
    let second = table.insert(pending(2));
    assert_eq!(table.remove(first).map(|p| p.origin.tag), Some(1));
    assert!(table.remove(first).is_none(), "once");
    let third = table.insert(pending(3));
    assert!(
        table.remove(first).is_none(),
        "the place has another request now"
    );
    assert!(table.remove(u64::MAX).is_none());
    assert_eq!(table.len(), 2);
    assert_eq!(table.remove(second).map(|p| p.origin.tag), Some(2));
    assert_eq!(table.remove(third).map(|p| p.origin.tag), Some(3));
    assert_eq!(table.len(), 0);
}
