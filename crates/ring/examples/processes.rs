//! Two processes and two rings: the child squares numbers for the parent. Neither trusts the other.
//!
//! `cargo run --release -p brigade-ring --features process --example processes`

use std::error::Error;
use std::num::NonZeroU64;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::process::{Child, Command, ExitCode};
use std::time::Duration;

use brigade_ring::Waited;
use brigade_ring::process::{Consumer, Peer, Plain, Producer, Segment};
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

/// A child that does not outlive its parent's work.
struct Reaped(Child);

impl Drop for Reaped {
    fn drop(&mut self) {
        let _ = self.0.kill(); // fails if it has ended, which is as well
        let _ = self.0.wait();
    }
}

fn parent() -> Result<(), Box<dyn Error>> {
    let (questions, answers) = (Segment::create(64)?, Segment::create(64)?);
    let files = [inheritable(&questions)?, inheritable(&answers)?];
    let child = Command::new(std::env::current_exe()?)
        .args(files.each_ref().map(|file| file.as_raw_fd().to_string()))
        .spawn()?;
    let mut child = Reaped(child);
    let peer = Peer::open(Pid::from_child(&child.0))?;
    let mut producer: Producer<Number> = questions.producer()?;
    let mut consumer: Consumer<Number> = answers.consumer()?;
    let mut sum = 0;
    for number in 1..=NUMBERS {
        let question = Number(NonZeroU64::MIN.saturating_add(number - 1));
        if producer.push(question).is_err() {
            return Err("the child leaves questions in the ring".into());
        }
        producer.notify();
        match consumer.wait(Some(&peer), PATIENCE)? {
            Waited::Ready => sum += consumer.pop()?.map_or(0, |answer| answer.0.get()),
            ended => return Err(format!("the child does not answer: {ended:?}").into()),
        }
    }
    drop(producer); // the child's sign to end
    println!("the child's squares of 1 to {NUMBERS} add up to {sum}");
    if !child.0.wait()?.success() {
        return Err("the child failed".into());
    }
    Ok(())
}

fn child(questions: &str, answers: &str) -> Result<(), Box<dyn Error>> {
    let mut consumer: Consumer<Number> = inherited(questions)?.consumer()?;
    let mut producer: Producer<Number> = inherited(answers)?.producer()?;
    let peer = Peer::open(getppid().ok_or("no parent")?)?;
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
fn inheritable(segment: &Segment) -> Result<OwnedFd, Box<dyn Error>> {
    let file = segment.file().try_clone_to_owned()?;
    fcntl_setfd(&file, FdFlags::empty())?;
    Ok(file)
}

fn inherited(number: &str) -> Result<Segment, Box<dyn Error>> {
    let number = number.parse()?;
    // SAFETY: the parent left it open for this purpose, and nothing else here knows it.
    let file = unsafe { OwnedFd::from_raw_fd(number) };
    Ok(Segment::attach(file)?)
}
