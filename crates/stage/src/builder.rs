//! What a kind's closure gets to make a stage: its ports, its options, and what the program
//! hands in.

use std::any::Any;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use brigade_bank::{Bank, Payloads};

use crate::ports::Ports;
use crate::{Header, Input, Kind, OptionValue, Output, StageError, Window};

/// A stage asked its builder for something that it did not declare.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// No such port.
    #[error(
        "kind `{kind}` has no {direction} `{port}` of type `{header}`; declare it with Kind::{direction}"
    )]
    Port {
        /// The kind.
        kind: String,
        /// `input` or `output`.
        direction: &'static str,
        /// The port asked for.
        port: String,
        /// The header type asked for.
        header: &'static str,
    },
    /// No such window.
    #[error("kind `{kind}` has no window `{window}`; declare it with Kind::window")]
    Window {
        /// The kind.
        kind: String,
        /// The window asked for.
        window: String,
    },
    /// No such option, or of another type.
    #[error(
        "kind `{kind}` has no option `{option}` that is {wanted}; declare it with Kind::option"
    )]
    Option {
        /// The kind.
        kind: String,
        /// The option asked for.
        option: String,
        /// The type asked for.
        wanted: &'static str,
    },
}

/// In-process things that the host program hands to a stage: the far end of a wire, a test's
/// disk, a channel for reports. A clone is another handle of the same things: all replicas of a
/// stage have one each.
#[derive(Clone, Default)]
pub struct Resources {
    /// Locked only while stages are made.
    things: Arc<Mutex<HashMap<String, Box<dyn Any + Send>>>>,
}

impl Resources {
    /// None.
    pub fn new() -> Resources {
        Resources::default()
    }

    /// Adds `thing` under `name`.
    pub fn put<T: Any + Send>(&mut self, name: &str, thing: T) {
        self.things().insert(name.to_owned(), Box::new(thing));
    }

    /// Takes the thing called `name` out, if it is there and a `T`.
    pub fn take<T: Any + Send>(&mut self, name: &str) -> Option<T> {
        let mut things = self.things();
        match things.remove(name)?.downcast::<T>() {
            Ok(thing) => Some(*thing),
            Err(other) => {
                things.insert(name.to_owned(), other);
                None
            }
        }
    }

    fn shared<T: Any + Send + Clone>(
        &self,
        name: &str,
        make: impl FnOnce() -> Result<T, StageError>,
    ) -> Result<T, StageError> {
        let mut things = self.things();
        if let Some(thing) = things.get(name).and_then(|thing| thing.downcast_ref::<T>()) {
            return Ok(thing.clone());
        }
        let thing = make()?;
        things.insert(name.to_owned(), Box::new(thing.clone()));
        Ok(thing)
    }

    fn things(&self) -> MutexGuard<'_, HashMap<String, Box<dyn Any + Send>>> {
        // Nothing is left half done when a `make` panics, so what is there is right.
        self.things.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a kind's closure gets to make a stage.
pub struct Builder<'a> {
    stage: &'a str,
    kind: &'a Kind,
    ports: &'a Ports,
    options: &'a HashMap<String, OptionValue>,
    resources: &'a mut Resources,
}

impl<'a> Builder<'a> {
    /// A builder of the stage called `stage`; `options` holds what differs from the defaults.
    pub fn new(
        stage: &'a str,
        kind: &'a Kind,
        ports: &'a Ports,
        options: &'a HashMap<String, OptionValue>,
        resources: &'a mut Resources,
    ) -> Builder<'a> {
        Builder {
            stage,
            kind,
            ports,
            options,
            resources,
        }
    }

    /// The stage's name in its pipeline.
    pub fn stage_name(&self) -> &str {
        self.stage
    }

    fn port_index(
        &self,
        direction: &'static str,
        name: &str,
        header: &'static str,
    ) -> Result<usize, StageError> {
        let ports = if direction == "input" {
            self.kind.inputs()
        } else {
            self.kind.outputs()
        };
        ports
            .iter()
            .position(|p| p.name == name && p.header == header)
            .ok_or_else(|| {
                let kind = self.kind.name().to_owned();
                BuildError::Port {
                    kind,
                    direction,
                    port: name.to_owned(),
                    header,
                }
                .into()
            })
    }

    /// The key of the declared input `name`.
    pub fn input<H: Header>(&self, name: &str) -> Result<Input<H>, StageError> {
        Ok(Input::of(self.port_index("input", name, H::NAME)?))
    }

    /// The key of the declared output `name`.
    pub fn output<H: Header>(&self, name: &str) -> Result<Output<H>, StageError> {
        Ok(Output::of(self.port_index("output", name, H::NAME)?))
    }

    /// The key of the declared window `name`.
    pub fn window(&self, name: &str) -> Result<Window, StageError> {
        let index = self.kind.windows().iter().position(|w| w.name == name);
        index.map(Window::of).ok_or_else(|| {
            let kind = self.kind.name().to_owned();
            BuildError::Window {
                kind,
                window: name.to_owned(),
            }
            .into()
        })
    }

    fn option(&self, name: &str) -> Option<&OptionValue> {
        let declared = self.kind.options().iter().find(|o| o.name == name)?;
        Some(self.options.get(name).unwrap_or(&declared.default))
    }

    fn option_error(&self, option: &str, wanted: &'static str) -> StageError {
        let kind = self.kind.name().to_owned();
        BuildError::Option {
            kind,
            option: option.to_owned(),
            wanted,
        }
        .into()
    }

    /// The option `name`, a whole number.
    pub fn integer(&self, name: &str) -> Result<i64, StageError> {
        match self.option(name) {
            Some(OptionValue::Integer(value)) => Ok(*value),
            _ => Err(self.option_error(name, "a whole number")),
        }
    }

    /// The option `name`, a number.
    pub fn real(&self, name: &str) -> Result<f64, StageError> {
        match self.option(name) {
            Some(OptionValue::Real(value)) => Ok(*value),
            _ => Err(self.option_error(name, "a number")),
        }
    }

    /// The option `name`, a text.
    pub fn text(&self, name: &str) -> Result<String, StageError> {
        match self.option(name) {
            Some(OptionValue::Text(value)) => Ok(value.clone()),
            _ => Err(self.option_error(name, "a text")),
        }
    }

    /// The option `name`, true or false.
    pub fn flag(&self, name: &str) -> Result<bool, StageError> {
        match self.option(name) {
            Some(OptionValue::Flag(value)) => Ok(*value),
            _ => Err(self.option_error(name, "true or false")),
        }
    }

    /// Takes what the host program handed in under `name`, if it did. Of several replicas the
    /// first one gets it: what each of them needs is asked for with [`Builder::shared`].
    pub fn resource<T: Any + Send>(&mut self, name: &str) -> Option<T> {
        self.resources.take(name)
    }

    /// What all replicas of the stage share under `name`: what the host program handed in, or else
    /// what the first of them to ask makes. Each gets a clone.
    pub fn shared<T: Any + Send + Clone>(
        &mut self,
        name: &str,
        make: impl FnOnce() -> Result<T, StageError>,
    ) -> Result<T, StageError> {
        self.resources.shared(name, make)
    }

    /// Where the pages of the input or output `name` lie, for handing them to the kernel in one piece;
    /// none when there is no such port.
    pub fn payloads(&self, name: &str) -> Option<Payloads> {
        let input = self.kind.inputs().iter().position(|p| p.name == name);
        let output = self.kind.outputs().iter().position(|p| p.name == name);
        let bank = match (input, output) {
            (Some(index), _) => self.ports.input_bank(index),
            (None, Some(index)) => self.ports.output_bank(index),
            (None, None) => None,
        };
        bank.map(Bank::payloads)
    }

    /// Bytes of a page of the input or output `name`; 0 when there is no such port.
    pub fn page_bytes(&self, name: &str) -> usize {
        let input = self.kind.inputs().iter().position(|p| p.name == name);
        let output = self.kind.outputs().iter().position(|p| p.name == name);
        match (input, output) {
            (Some(index), _) => self.ports.input_page_bytes(index),
            (None, Some(index)) => self.ports.output_page_bytes(index),
            (None, None) => 0,
        }
    }
}
