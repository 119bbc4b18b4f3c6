//! What must hold between the entries of a pipeline.

use brigade_stage::{Kind, OptionValue, PortDeclaration, Routing};

use crate::suggest::hint;
use crate::{Edge, Error, Pipeline, Problem, Stage, Window, loops};

pub(crate) fn pipeline(pipeline: &Pipeline) -> Result<(), Error> {
    pipeline
        .stages
        .iter()
        .try_for_each(|stage| kind(pipeline, stage))?;
    for (i, edge) in pipeline.edges.iter().enumerate() {
        ends(pipeline, edge, &pipeline.edges[..i])?;
        types(pipeline, edge)?;
    }
    (0..pipeline.stages.len()).try_for_each(|stage| all_joined(pipeline, stage))?;
    (0..pipeline.edges.len()).try_for_each(|edge| needs(pipeline, edge))?;
    pipeline
        .windows
        .iter()
        .try_for_each(|w| window(pipeline, w))?;
    loops::no_deadlock(pipeline)
}

/// The option's value, made fit for its declaration (a whole number is also a number).
pub(crate) fn option(
    stage: &Stage,
    name: &str,
    value: OptionValue,
) -> Result<OptionValue, Problem> {
    option_found(stage, name, Ok(value))
}

/// As [`option`]; what is not even a possible value comes as the name of its type.
pub(crate) fn option_found(
    stage: &Stage,
    name: &str,
    value: Result<OptionValue, String>,
) -> Result<OptionValue, Problem> {
    let options = stage.kind.options();
    let Some(declared) = options.iter().find(|option| option.name == name) else {
        let known = options.iter().map(|option| option.name.as_str());
        return Err(Problem::UnknownOption {
            stage: stage.name.clone(),
            kind: stage.kind.name().to_owned(),
            option: name.to_owned(),
            hint: hint(name, known),
        });
    };
    match (&declared.default, value) {
        (OptionValue::Real(_), Ok(OptionValue::Integer(whole))) => {
            Ok(OptionValue::Real(whole as f64))
        }
        (default, Ok(value)) if default.same_type(&value) => Ok(value),
        (default, value) => Err(Problem::OptionType {
            stage: stage.name.clone(),
            option: name.to_owned(),
            wanted: default.type_name(),
            found: value.map_or_else(|found| found, |value| value.type_name().to_owned()),
        }),
    }
}

/// A kind's needs, windows and replies must name its own ports.
fn kind(pipeline: &Pipeline, stage: &Stage) -> Result<(), Error> {
    let k = &stage.kind;
    let needs = k
        .need_list()
        .iter()
        .map(|need| ("need", &need.input, &need.output));
    let windows = k
        .windows()
        .iter()
        .map(|window| ("window", &window.input, &window.output));
    let replies = k.outputs().iter().filter_map(|port| match &port.routing {
        Routing::Reply { input } => Some(("reply", input, &port.name)),
        Routing::Any | Routing::Keyed => None,
    });
    for (what, input, output) in needs.chain(windows).chain(replies) {
        let port = if !has(k.inputs(), input) {
            input
        } else {
            output
        };
        if !has(k.inputs(), input) || !has(k.outputs(), output) {
            let (kind, port) = (k.name().to_owned(), port.clone());
            let problem = Problem::KindContradictsItself { kind, what, port };
            return Err(pipeline.error(stage.line, problem));
        }
    }
    Ok(())
}

fn has(ports: &[PortDeclaration], name: &str) -> bool {
    ports.iter().any(|port| port.name == name)
}

/// No earlier edge may be at the same port.
fn ends(pipeline: &Pipeline, edge: &Edge, before: &[Edge]) -> Result<(), Error> {
    let twice = |direction, port, first: &Edge| {
        let first = first.line;
        Err(pipeline.error(
            edge.line,
            Problem::PortJoinedTwice {
                direction,
                port,
                first,
            },
        ))
    };
    if let Some(first) = before.iter().find(|other| other.from == edge.from) {
        return twice("output", pipeline.from_name(edge), first);
    }
    if let Some(first) = before.iter().find(|other| other.to == edge.to) {
        return twice("input", pipeline.to_name(edge), first);
    }
    Ok(())
}

fn types(pipeline: &Pipeline, edge: &Edge) -> Result<(), Error> {
    let (sent, taken) = (pipeline.output(edge).header, pipeline.input(edge).header);
    if sent == taken {
        return Ok(());
    }
    let (from, to) = (pipeline.from_name(edge), pipeline.to_name(edge));
    Err(pipeline.error(
        edge.line,
        Problem::TypesDiffer {
            from,
            sent,
            to,
            taken,
        },
    ))
}

/// Every port of a stage must be at an edge.
fn all_joined(pipeline: &Pipeline, index: usize) -> Result<(), Error> {
    let stage = &pipeline.stages[index];
    let lonely = |ports: &[PortDeclaration], joined: &dyn Fn(&str) -> Option<usize>| {
        let port = ports.iter().find(|port| joined(&port.name).is_none())?;
        Some(format!("{}.{}", stage.name, port.name))
    };
    let input = lonely(stage.kind.inputs(), &|port| {
        pipeline.edge_of_input(index, port)
    });
    let output = lonely(stage.kind.outputs(), &|port| {
        pipeline.edge_of_output(index, port)
    });
    let (direction, side, port) = match (output, input) {
        (Some(port), _) => ("output", "from", port),
        (None, Some(port)) => ("input", "to", port),
        (None, None) => return Ok(()),
    };
    Err(pipeline.error(
        stage.line,
        Problem::PortNotJoined {
            direction,
            side,
            port,
        },
    ))
}

/// An edge's ring must take what its producer's kind needs at once.
fn needs(pipeline: &Pipeline, index: usize) -> Result<(), Error> {
    let edge = &pipeline.edges[index];
    let needed = need_max(
        &pipeline.stages[edge.from.stage].kind,
        &pipeline.output(edge).name,
    );
    match needed {
        Some((input, needed)) if needed > edge.ring => {
            let input = format!("{}.{input}", pipeline.stages[edge.from.stage].name);
            let output = pipeline.from_name(edge);
            let problem = Problem::NeedTooLarge {
                input,
                output,
                needed,
                ring: edge.ring,
            };
            Err(pipeline.error(edge.line, problem))
        }
        _ => Ok(()),
    }
}

/// The input of the largest need on `output`, and that need.
fn need_max<'a>(kind: &'a Kind, output: &str) -> Option<(&'a str, usize)> {
    let needs = kind.need_list().iter().filter(|need| need.output == output);
    needs
        .map(|need| (need.input.as_str(), need.messages))
        .max_by_key(|(_, messages)| *messages)
}

/// Every ring on a window's way must take all its tokens.
fn window(pipeline: &Pipeline, window: &Window) -> Result<(), Error> {
    let way = loops::way(pipeline, window);
    let Some(tight) = way
        .into_iter()
        .find(|edge| pipeline.edges[*edge].ring < window.tokens)
    else {
        return Ok(());
    };
    let edge = &pipeline.edges[tight];
    let problem = Problem::WindowTooLarge {
        stage: pipeline.stages[window.stage].name.clone(),
        window: pipeline.window_declaration(window).name.clone(),
        tokens: window.tokens,
        from: pipeline.from_name(edge),
        to: pipeline.to_name(edge),
        ring: edge.ring,
    };
    Err(pipeline.error(window.line, problem))
}

/// The smallest ring that is legal for an edge.
pub(crate) fn ring_min(pipeline: &Pipeline, edge: usize) -> usize {
    let e = &pipeline.edges[edge];
    let needed = need_max(
        &pipeline.stages[e.from.stage].kind,
        &pipeline.output(e).name,
    );
    let windows = pipeline
        .windows
        .iter()
        .filter(|w| loops::way(pipeline, w).contains(&edge));
    let tokens = windows.map(|window| window.tokens).max().unwrap_or(0);
    needed
        .map_or(1, |(_, messages)| messages)
        .max(tokens)
        .max(1)
}
