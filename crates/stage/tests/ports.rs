//! What a stage may rely on: the exchange of pages, needs, windows, and that no page is lost.

use brigade_stage::harness::Harness;
use brigade_stage::{Header, Input, Io, Kind, Message, Output, Page, Stage, StageError, Window};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

#[derive(Debug, Clone, Copy, PartialEq, FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C)]
struct Number {
    value: u64,
}
impl Header for Number {
    const NAME: &'static str = "test::Number";
}

/// What the stage under test does with a message.
#[derive(Clone, Copy)]
enum Habit {
    /// Sends the page on.
    Forward,
    /// Fills a page of the output and releases the input's.
    Copy,
    /// Releases the page and sends nothing.
    Swallow,
    /// Lets the page fall.
    Drop,
    /// Keeps the page.
    Keep,
    /// Sends two messages for each, although one was declared.
    Exceed,
}

struct Subject {
    input: Input<Number>,
    output: Output<Number>,
    window: Window,
    habit: Habit,
    kept: Vec<Page>,
}

impl Stage for Subject {
    fn run(&mut self, io: &mut Io<'_>) -> Result<(), StageError> {
        while let Some(message) = io.take(self.input) {
            let header = *message.header();
            match self.habit {
                Habit::Forward => io.send(self.output, message),
                Habit::Copy => {
                    let mut page = io.page(self.output).ok_or("no page")?;
                    page.payload_mut().copy_from_slice(message.payload());
                    io.count_copy(message.payload().len());
                    io.release(message);
                    io.send(self.output, Message::new(page, header));
                }
                Habit::Swallow => io.release(message),
                Habit::Drop => drop(message),
                Habit::Keep => self.kept.push(message.into_page()),
                Habit::Exceed => {
                    let page = io.page(self.output).ok_or("no page")?;
                    io.send(self.output, Message::new(page, header));
                    io.send(self.output, message);
                }
            }
            if io.tokens(self.window) == 0 {
                io.token_give(self.window, 1);
            } else {
                io.token_take(self.window);
            }
        }
        Ok(())
    }
}

fn kind(habit: Habit) -> Kind {
    Kind::new("subject", move |b| {
        let (input, output) = (b.input("in")?, b.output("out")?);
        Ok(Box::new(Subject {
            input,
            output,
            window: b.window("w")?,
            habit,
            kept: Vec::new(),
        }))
    })
    .input::<Number>("in")
    .output::<Number>("out")
    .needs("in", "out", 1)
    .window("w", "out", "in", 1)
}

fn harness(habit: Habit, ring: usize, hold: usize) -> Harness {
    Harness::new(&kind(habit))
        .page_bytes_all(4096)
        .edges(ring, hold)
        .build()
        .unwrap()
}

#[test]
fn a_forwarded_page_arrives_with_its_payload_and_no_page_is_lost() {
    for habit in [Habit::Forward, Habit::Copy] {
        let mut h = harness(habit, 4, 2);
        for round in 0..100 {
            h.send("in", Number { value: round }, &[round as u8; 100]);
            h.run_until_idle().unwrap();
            let (header, payload) = h.receive::<Number>("out").unwrap();
            assert_eq!(header.value, round);
            assert!(payload[..100].iter().all(|&b| b == round as u8));
        }
        assert_eq!(h.pages_missing(), 0);
    }
}

#[test]
fn a_message_is_taken_only_when_its_answer_has_room() {
    let mut h = harness(Habit::Forward, 4, 4);
    let mut accepted = 0;
    while h.try_send("in", Number { value: accepted }, &[]) {
        accepted += 1;
        h.run_until_idle().unwrap();
        assert!(accepted < 100, "the ring is bounded");
    }
    // 4 fill the output's ring, 4 wait in the input's.
    assert_eq!(accepted, 8);
    assert!(!h.runnable(), "without room nothing can go on");
    assert_eq!(h.receive::<Number>("out").unwrap().0.value, 0);
    assert!(
        h.runnable(),
        "the page that came back is the room that was lacking"
    );
    h.run_until_idle().unwrap();
    for value in 1..8 {
        assert_eq!(h.receive::<Number>("out").unwrap().0.value, value);
        h.run_until_idle().unwrap();
    }
    assert_eq!(h.pages_missing(), 0);
}

#[test]
fn a_stage_that_keeps_pages_takes_no_more_than_it_may_hold() {
    let mut h = harness(Habit::Keep, 8, 3);
    for value in 0..8 {
        h.send("in", Number { value }, &[]);
    }
    h.run_until_idle().unwrap();
    assert_eq!(h.pages_missing(), 3);
    assert!(!h.runnable());
}

#[test]
fn what_a_run_reserved_and_did_not_use_holds_up_no_later_one() {
    let mut h = harness(Habit::Keep, 1, 2);
    h.send("in", Number { value: 0 }, &[]);
    h.run_until_idle().unwrap();
    h.send("in", Number { value: 1 }, &[]);
    assert!(h.runnable(), "the output's one slot is still free");
    h.run_until_idle().unwrap();
    assert_eq!(h.pages_missing(), 2, "both were taken");
}

#[test]
fn a_dropped_page_comes_back() {
    let mut h = harness(Habit::Drop, 4, 2);
    for value in 0..50 {
        h.send("in", Number { value }, &[]);
        h.run_until_idle().unwrap();
    }
    assert_eq!(h.pages_missing(), 0);
}

#[test]
fn a_released_page_comes_back() {
    let mut h = harness(Habit::Swallow, 4, 2);
    for value in 0..50 {
        h.send("in", Number { value }, &[]);
        h.run_until_idle().unwrap();
    }
    assert_eq!(h.pages_missing(), 0);
}

#[test]
#[should_panic(expected = "without room")]
fn sending_more_than_there_is_room_for_is_a_mistake_with_a_name() {
    let mut h = harness(Habit::Exceed, 1, 1);
    h.send("in", Number { value: 1 }, &[]);
    let _ = h.run();
}

#[test]
fn a_cohort_ends_the_run() {
    let kind = kind(Habit::Forward);
    let mut h = Harness::new(&kind)
        .page_bytes_all(4096)
        .edges(8, 8)
        .cohort(3)
        .build()
        .unwrap();
    for value in 0..5 {
        h.send("in", Number { value }, &[]);
    }
    assert!(h.run().unwrap().budget_used_up);
    let mut received = 0;
    while h.receive::<Number>("out").is_some() {
        received += 1;
    }
    assert_eq!(received, 3);
    assert!(h.runnable());
}

#[test]
fn copies_are_counted() {
    let mut h = harness(Habit::Copy, 4, 4);
    h.send("in", Number { value: 1 }, &[]);
    h.run_until_idle().unwrap();
    assert_eq!((h.copies().copies_total, h.copies().bytes_total), (1, 4096));
}

#[test]
fn the_builder_refuses_what_was_not_declared() {
    let wrong = Kind::new("wrong", |b| {
        b.input::<Number>("nowhere")?;
        Err("not reached".into())
    });
    let error = Harness::new(&wrong).build().err().unwrap().to_string();
    assert!(
        error.contains("has no input `nowhere` of type `test::Number`"),
        "{error}"
    );
}
