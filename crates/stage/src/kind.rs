//! What a stage is, as data: its ports, needs, windows and options, and how to make one.

use std::sync::Arc;

use crate::{Builder, Header, OptionValue, Routing, Stage, StageError};

type Make = dyn Fn(&mut Builder<'_>) -> Result<Box<dyn Stage>, StageError> + Send + Sync;

/// A port that a kind of stage has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PortDeclaration {
    /// The port's name, unique among the stage's ports.
    pub name: String,
    /// [`Header::NAME`] of the messages that pass it.
    pub header: &'static str,
    /// An output's way to choose among the replicas that it is joined to.
    pub routing: Routing,
}

/// Taking one message from `input` can produce `messages` messages on `output`: it is taken
/// only when slots and pages for them are free.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Need {
    /// Name of the input.
    pub input: String,
    /// Name of the output.
    pub output: String,
    /// Messages that must have room.
    pub messages: usize,
}

/// At most `tokens` messages sent on `output` are unanswered on `input`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WindowDeclaration {
    /// The window's name.
    pub name: String,
    /// Where requests leave.
    pub output: String,
    /// Where answers arrive.
    pub input: String,
    /// Tokens unless the pipeline says otherwise.
    pub tokens: usize,
}

/// An option that a kind of stage has.
#[derive(Debug, Clone, PartialEq)]
pub struct OptionDeclaration {
    /// The option's name, units last.
    pub name: String,
    /// The value unless the pipeline or the command line says otherwise.
    pub default: OptionValue,
    /// What it is for, in one line.
    pub doc: String,
}

/// What a stage is, as data, and how to make one.
#[derive(Clone)]
pub struct Kind {
    name: String,
    inputs: Vec<PortDeclaration>,
    outputs: Vec<PortDeclaration>,
    needs: Vec<Need>,
    windows: Vec<WindowDeclaration>,
    options: Vec<OptionDeclaration>,
    replicable: bool,
    batch_option: Option<String>,
    make: Arc<Make>,
}

impl Kind {
    /// A kind called `name`, whose stages `make` makes on the thread of their core.
    pub fn new(
        name: impl Into<String>,
        make: impl Fn(&mut Builder<'_>) -> Result<Box<dyn Stage>, StageError> + Send + Sync + 'static,
    ) -> Kind {
        Kind {
            name: name.into(),
            inputs: Vec::new(),
            outputs: Vec::new(),
            needs: Vec::new(),
            windows: Vec::new(),
            options: Vec::new(),
            replicable: false,
            batch_option: None,
            make: Arc::new(make),
        }
    }

    /// Declares an input port for messages with header `H`.
    pub fn input<H: Header>(mut self, name: &str) -> Kind {
        self.inputs.push(PortDeclaration {
            name: name.into(),
            header: H::NAME,
            routing: Routing::Any,
        });
        self
    }

    /// Declares an output port for messages with header `H`. They go to any replica there.
    pub fn output<H: Header>(self, name: &str) -> Kind {
        self.output_by::<H>(name, Routing::Any)
    }

    /// Declares an output port on which all messages with one key go to one replica: they are
    /// sent with [`crate::Io::send_keyed`].
    pub fn output_keyed<H: Header>(self, name: &str) -> Kind {
        self.output_by::<H>(name, Routing::Keyed)
    }

    /// Declares an output port for the answers to what came in at `input`, each to the replica
    /// that asked: they are sent with [`crate::Io::reply_to`]. The edges of both ports must join
    /// the same two stages where there are several replicas.
    pub fn output_reply<H: Header>(self, name: &str, input: &str) -> Kind {
        let input = input.into();
        self.output_by::<H>(name, Routing::Reply { input })
    }

    fn output_by<H: Header>(mut self, name: &str, routing: Routing) -> Kind {
        self.outputs.push(PortDeclaration {
            name: name.into(),
            header: H::NAME,
            routing,
        });
        self
    }

    pub(crate) fn input_named(mut self, port: PortDeclaration) -> Kind {
        self.inputs.push(port);
        self
    }

    pub(crate) fn output_named(mut self, port: PortDeclaration) -> Kind {
        self.outputs.push(port);
        self
    }

    /// Declares that a message is taken from `input` only when `messages` messages have room on
    /// `output`. Sending so many for it cannot fail then.
    pub fn needs(mut self, input: &str, output: &str, messages: usize) -> Kind {
        self.needs.push(Need {
            input: input.into(),
            output: output.into(),
            messages,
        });
        self
    }

    /// Declares a window: at most `tokens` messages sent on `output` unanswered on `input`.
    pub fn window(mut self, name: &str, output: &str, input: &str, tokens: usize) -> Kind {
        self.windows.push(WindowDeclaration {
            name: name.into(),
            output: output.into(),
            input: input.into(),
            tokens,
        });
        self
    }

    /// Declares an option with its default and one line of documentation.
    pub fn option(mut self, name: &str, default: OptionValue, doc: &str) -> Kind {
        self.options.push(OptionDeclaration {
            name: name.into(),
            default,
            doc: doc.into(),
        });
        self
    }

    /// Declares that a stage of this kind may run several times: what it keeps between messages
    /// belongs to messages that it alone holds, or is made with [`Builder::shared`].
    pub fn replicable(mut self) -> Kind {
        self.replicable = true;
        self
    }

    /// Names the option that says how many messages a stage of this kind collects before it works
    /// on them together: whoever explains a pipeline must know.
    pub fn batch_option(mut self, option: &str) -> Kind {
        self.batch_option = Some(option.into());
        self
    }

    /// The option of [`Kind::batch_option`]; a kind without one takes messages as they come.
    pub fn batch(&self) -> Option<&str> {
        self.batch_option.as_deref()
    }

    /// Whether a stage of this kind may run several times.
    pub fn is_replicable(&self) -> bool {
        self.replicable
    }

    /// The kind's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The declared inputs, in order.
    pub fn inputs(&self) -> &[PortDeclaration] {
        &self.inputs
    }

    /// The declared outputs, in order.
    pub fn outputs(&self) -> &[PortDeclaration] {
        &self.outputs
    }

    /// The declared needs.
    pub fn need_list(&self) -> &[Need] {
        &self.needs
    }

    /// The declared windows.
    pub fn windows(&self) -> &[WindowDeclaration] {
        &self.windows
    }

    /// The declared options.
    pub fn options(&self) -> &[OptionDeclaration] {
        &self.options
    }

    /// Makes a stage of this kind.
    pub fn make(&self, builder: &mut Builder<'_>) -> Result<Box<dyn Stage>, StageError> {
        (self.make)(builder)
    }
}

impl std::fmt::Debug for Kind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Kind")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}
