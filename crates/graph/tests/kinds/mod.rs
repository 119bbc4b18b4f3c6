//! Kinds of stages that are only declared, and a pipeline of them that is right.

use brigade_stage::{Header, Kind, OptionValue, Registry};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

#[derive(Clone, Copy, FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C)]
pub struct Question;

impl Header for Question {
    const NAME: &'static str = "test::Question";
}

#[derive(Clone, Copy, FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C)]
pub struct Answer;

impl Header for Answer {
    const NAME: &'static str = "test::Answer";
}

fn kind(name: &str) -> Kind {
    Kind::new(name, |_| Err("this kind is only declared".into()))
}

/// client <-> desk <-> clerk, where the desk's window keeps the two circles from waiting.
pub fn registry() -> Registry {
    let mut registry = Registry::new();
    registry.add(
        kind("client")
            .output::<Question>("asks")
            .input::<Answer>("told")
            .option(
                "listen",
                OptionValue::text("127.0.0.1:8080"),
                "where it listens",
            )
            .option(
                "clients_max",
                OptionValue::Integer(10),
                "how many it serves",
            )
            .option("patience_s", OptionValue::Real(1.5), "how long it waits")
            .option("polite", OptionValue::Flag(true), "whether it says please"),
    );
    registry.add(
        kind("desk")
            .input::<Question>("asked")
            .output::<Question>("passes_on")
            .input::<Answer>("learns")
            .output::<Answer>("tells")
            .needs("asked", "passes_on", 1)
            .needs("learns", "tells", 2)
            .window("clerk", "passes_on", "learns", 8),
    );
    let clerk = kind("clerk")
        .input::<Question>("questions")
        .output::<Answer>("answers");
    registry.add(clerk.needs("questions", "answers", 1));
    registry
}

/// A pipeline of them, as text.
pub const OFFICE: &str = r#"name = "office"

[bank.small]
page_bytes = 4096

[bank.large]
page_bytes = 16384

[[stage]]
name = "client"
listen = "127.0.0.1:9000"

[[stage]]
name = "desk"
windows = { clerk = 16 }

[[stage]]
name = "expert"
kind = "clerk"

[[edge]]
from = "client.asks"
to = "desk.asked"
bank = "large"
ring = 32
hold = 8

[[edge]]
from = "desk.tells"
to = "client.told"
bank = "large"

[[edge]]
from = "desk.passes_on"
to = "expert.questions"
bank = "small"
ring = 16

[[edge]]
from = "expert.answers"
to = "desk.learns"
bank = "small"
ring = 16
"#;
