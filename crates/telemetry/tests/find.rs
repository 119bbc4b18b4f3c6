//! A Brigade is found by its process. One test alone in its process, so that no other segment comes
//! and goes.

use brigade_telemetry::{Description, Reader, Segment};

#[test]
fn this_process_is_found_while_it_has_a_segment() {
    let own = std::process::id();
    assert!(!Reader::find().contains(&own));
    let segment = Segment::create(&Description::default()).unwrap();
    assert!(Reader::find().contains(&own));
    let reader = Reader::attach(own).unwrap();
    assert_eq!(reader.pid(), own);
    drop(segment);
    assert!(
        !Reader::find().contains(&own),
        "the reader's mapping alone is not a segment"
    );
    assert!(reader.snapshot().is_ok(), "what is mapped stays");
}
