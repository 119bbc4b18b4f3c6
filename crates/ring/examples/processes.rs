//! Two processes and two rings: the child squares numbers for the parent. Neither trusts the other.
//!
//! `cargo run --release -p brigade-ring --features process --example processes`

use std::num::NonZeroU64;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::process::{Command, ExitCode};
use std::time::Duration;

use brigade_ring::process::{Consumer, Peer, Plain, Producer, Segment};
use brigade_ring::{RingError, Waited};
use rustix::io::{FdFlags, fcntl_setfd};
use rustix::process::{Pid, getppid};

/// What travels: a number small enough that its square is one, too. Anything else is garbage.
#[derive(Clone, Copy)]
struct Number(NonZeroU64);

impl Plain for Number {
    fn into_word(self) -> NonZeroU64 {
        self.0
    }

    fn from_word(word: NonZeroU64) -> Option<Self> {
        (word.get() <= u64::from(u32::MAX)).then_some(Self(word))
    }
}

const NUMBERS: u64 = 1000;
const PATIENCE: Duration = Duration::from_secs(10);

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().collect();
    let result = match &arguments[1..] {
        [questions, answers] => child(questions, answers),
        _ => parent(),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn parent() -> Result<(), RingError> {
    let (questions, answers) = (Segment::create(64)?, Segment::create(64)?);
    let files = [&questions, &answers].map(inheritable);
    let program = std::env::current_exe().expect("this program");
    let mut child = Command::new(program)
        .args(files.each_ref().map(|file| file.as_raw_fd().to_string()))
        .spawn()
        .expect("this program starts once more");
    let peer = Peer::open(Pid::from_child(&child))?;
    let mut producer: Producer<Number> = questions.producer()?;
    let mut consumer: Consumer<Number> = answers.consumer()?;
    let mut sum = 0;
    for number in 1..=NUMBERS {
        let question = Number(NonZeroU64::new(number).expect("not zero"));
        assert!(producer.push(question).is_ok(), "one at a time always fits");
        producer.notify();
        match consumer.wait(Some(&peer), PATIENCE)? {
            Waited::Ready => sum += consumer.pop()?.map_or(0, |answer| answer.0.get()),
            ended => panic!("the child: {ended:?}"),
        }
    }
    drop(producer); // the child's sign to end
    println!("the child's squares of 1 to {NUMBERS} add up to {sum}");
    assert!(child.wait().expect("it ends").success());
    Ok(())
}

fn child(questions: &str, answers: &str) -> Result<(), RingError> {
    let mut consumer: Consumer<Number> = inherited(questions)?.consumer()?;
    let mut producer: Producer<Number> = inherited(answers)?.producer()?;
    let peer = Peer::open(getppid().expect("a parent"))?;
    while consumer.wait(Some(&peer), PATIENCE)? == Waited::Ready {
        while let Some(Number(number)) = consumer.pop()? {
            let square = Number(number.saturating_mul(number));
            while producer.push(square).is_err() {
                if producer.wait(Some(&peer), PATIENCE)? != Waited::Ready {
                    return Ok(());
                }
            }
        }
        producer.notify();
    }
    Ok(())
}

/// A copy of the segment's descriptor that a child inherits.
fn inheritable(segment: &Segment) -> OwnedFd {
    let file = segment.file().try_clone_to_owned().expect("a descriptor");
    fcntl_setfd(&file, FdFlags::empty()).expect("it can be inherited");
    file
}

fn inherited(number: &str) -> Result<Segment, RingError> {
    let number = number.parse().expect("a descriptor's number");
    // SAFETY: the parent left it open for this purpose, and nothing else here knows it.
    Segment::attach(unsafe { OwnedFd::from_raw_fd(number) })
}
