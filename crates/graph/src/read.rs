//! From TOML to a [`Pipeline`]: names resolved, values in range. What stands between several
//! entries is checked afterwards.

use std::collections::HashMap;

use brigade_stage::{Kind, PortDeclaration, Registry};

use crate::source::{Fields, Located, Source, option_of, type_name};
use crate::suggest::hint;
use crate::{
    Bank, Edge, Error, PAGE_BYTES_MAX, PAGE_BYTES_MIN, Pipeline, PortIndex, Problem, RING_MAX,
    Stage, Window, check,
};

/// Messages that a ring takes where the file does not say.
const RING_DEFAULT: usize = 64;
/// Pages that a consumer may hold where the file does not say.
const HOLD_DEFAULT: usize = 32;

/// Keys of a stage that are not options of its kind.
const STAGE_KEYS: [&str; 3] = ["name", "kind", "windows"];

pub(crate) fn pipeline(text: &str, file: &str, registry: &Registry) -> Result<Pipeline, Error> {
    let source = Source { file, text };
    let table = source.parse()?;
    let top = source.top(&table, "the pipeline");
    top.only(&["name", "bank", "stage", "edge"])?;
    let mut pipeline = Pipeline {
        file: file.to_owned(),
        name: name(&top, "name = \"web\"")?.value,
        banks: banks(&top)?,
        stages: Vec::new(),
        edges: Vec::new(),
        windows: Vec::new(),
    };
    for fields in top.tables("stage")? {
        let index = pipeline.stages.len();
        let stage = stage(&fields, registry, &pipeline.stages)?;
        pipeline.windows.extend(windows(&fields, &stage, index)?);
        pipeline.stages.push(stage);
    }
    if pipeline.stages.is_empty() {
        return Err(source.error(1, Problem::NoStages));
    }
    for fields in top.tables("edge")? {
        let edge = edge(&fields, &pipeline)?;
        pipeline.edges.push(edge);
    }
    Ok(pipeline)
}

/// The name of a table's thing.
fn name(fields: &Fields<'_>, example: &str) -> Result<Located<String>, Error> {
    let name = fields.text("name", example)?;
    check_name(fields, &name.value, name.line)?;
    Ok(name)
}

fn check_name(fields: &Fields<'_>, name: &str, line: usize) -> Result<(), Error> {
    let usable = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    if !name.is_empty() && name.chars().all(usable) {
        return Ok(());
    }
    Err(fields.error(
        line,
        Problem::BadName {
            name: name.to_owned(),
        },
    ))
}

fn banks(top: &Fields<'_>) -> Result<Vec<Bank>, Error> {
    let Some(all) = top.table("bank", "[bank]")? else {
        return Ok(Vec::new());
    };
    let bank = |key: Located<&str>| {
        check_name(&all, key.value, key.line)?;
        let place = format!("[bank.{}]", key.value);
        let fields = all.table(key.value, &place)?.expect("the key is there");
        fields.only(&["page_bytes"])?;
        let page_bytes = fields.integer("page_bytes", "page_bytes = 16384")?;
        let size = usize::try_from(page_bytes.value).unwrap_or(0);
        if !size.is_power_of_two() || !(PAGE_BYTES_MIN..=PAGE_BYTES_MAX).contains(&size) {
            let problem = Problem::PageBytes {
                value: page_bytes.value,
            };
            return Err(fields.error(page_bytes.line, problem));
        }
        Ok(Bank {
            name: key.value.to_owned(),
            page_bytes: size,
            line: key.line,
        })
    };
    all.entries()
        .into_iter()
        .map(|(key, _)| bank(key))
        .collect()
}

fn stage(fields: &Fields<'_>, registry: &Registry, before: &[Stage]) -> Result<Stage, Error> {
    let name = name(fields, "name = \"...\"")?;
    if let Some(first) = before.iter().find(|stage| stage.name == name.value) {
        let problem = Problem::DuplicateName {
            what: "stage",
            name: name.value,
            first: first.line,
        };
        return Err(fields.error(name.line, problem));
    }
    let kind = fields
        .text_optional("kind")?
        .unwrap_or_else(|| name.clone());
    let known = registry.get(&kind.value).ok_or_else(|| {
        let hint = hint(&kind.value, registry.kinds().map(Kind::name));
        let (stage, kind_name) = (name.value.clone(), kind.value.clone());
        fields.error(
            kind.line,
            Problem::UnknownKind {
                stage,
                kind: kind_name,
                hint,
            },
        )
    })?;
    let mut stage = Stage {
        name: name.value,
        kind: known.clone(),
        options: HashMap::new(),
        line: name.line,
    };
    options(fields, &mut stage)?;
    Ok(stage)
}

/// Reads what is neither name, kind nor windows into a stage's options.
fn options(fields: &Fields<'_>, stage: &mut Stage) -> Result<(), Error> {
    for (key, value) in fields.entries() {
        if STAGE_KEYS.contains(&key.value) {
            continue;
        }
        let value = option_of(value).ok_or_else(|| type_name(value).to_owned());
        let value = check::option_found(stage, key.value, value)
            .map_err(|problem| fields.error(key.line, problem))?;
        stage.options.insert(key.value.to_owned(), value);
    }
    Ok(())
}

/// The windows of a stage: those of its kind, with the tokens that the file gives.
fn windows(fields: &Fields<'_>, stage: &Stage, index: usize) -> Result<Vec<Window>, Error> {
    let mut windows = default_windows(&stage.kind, index, stage.line);
    let Some(table) = fields.table("windows", "windows")? else {
        return Ok(windows);
    };
    let declared = stage.kind.windows();
    for (key, _) in table.entries() {
        let Some(at) = declared.iter().position(|window| window.name == key.value) else {
            let hint = hint(
                key.value,
                declared.iter().map(|window| window.name.as_str()),
            );
            let (stage_name, window) = (stage.name.clone(), key.value.to_owned());
            let kind = stage.kind.name().to_owned();
            let problem = Problem::UnknownWindow {
                stage: stage_name,
                kind,
                window,
                hint,
            };
            return Err(table.error(key.line, problem));
        };
        let tokens = table.integer(key.value, "")?;
        windows[at].line = tokens.line;
        windows[at].tokens = count(tokens.value).ok_or_else(|| {
            let (stage, window) = (stage.name.clone(), key.value.to_owned());
            let problem = Problem::WindowTokens {
                stage,
                window,
                tokens: tokens.value,
            };
            table.error(tokens.line, problem)
        })?;
    }
    Ok(windows)
}

fn default_windows(kind: &Kind, stage: usize, line: usize) -> Vec<Window> {
    let windows = kind.windows().iter().enumerate();
    windows
        .map(|(window, w)| Window {
            stage,
            window,
            tokens: w.tokens,
            line,
        })
        .collect()
}

/// A number of slots, pages or tokens.
fn count(value: i64) -> Option<usize> {
    usize::try_from(value)
        .ok()
        .filter(|count| (1..=RING_MAX).contains(count))
}

fn edge(fields: &Fields<'_>, pipeline: &Pipeline) -> Result<Edge, Error> {
    fields.only(&["from", "to", "bank", "ring", "hold"])?;
    let from = fields.text("from", "from = \"stage.output\"")?;
    let to = fields.text("to", "to = \"stage.input\"")?;
    Ok(Edge {
        from: port(fields, &from, pipeline, "output")?,
        to: port(fields, &to, pipeline, "input")?,
        bank: bank_of(fields, pipeline)?,
        ring: capacity(fields, "ring", RING_DEFAULT)?,
        hold: capacity(fields, "hold", HOLD_DEFAULT)?,
        line: from.line,
    })
}

fn capacity(fields: &Fields<'_>, key: &'static str, default: usize) -> Result<usize, Error> {
    let Some(found) = fields.integer_optional(key)? else {
        return Ok(default);
    };
    count(found.value).ok_or_else(|| {
        fields.error(
            found.line,
            Problem::Capacity {
                key,
                value: found.value,
            },
        )
    })
}

fn bank_of(fields: &Fields<'_>, pipeline: &Pipeline) -> Result<usize, Error> {
    let names = || pipeline.banks.iter().map(|bank| bank.name.as_str());
    let Some(named) = fields.text_optional("bank")? else {
        if pipeline.banks.len() == 1 {
            return Ok(0);
        }
        let quoted: Vec<String> = names().map(|name| format!("\"{name}\"")).collect();
        let banks = match quoted.is_empty() {
            true => "\"...\" and a [bank....] with page_bytes".to_owned(),
            false => quoted.join(" or "),
        };
        return Err(fields.error(fields.line, Problem::NoBank { banks }));
    };
    names().position(|name| name == named.value).ok_or_else(|| {
        let hint = hint(&named.value, names());
        fields.error(
            named.line,
            Problem::UnknownBank {
                bank: named.value.clone(),
                hint,
            },
        )
    })
}

fn port(
    fields: &Fields<'_>,
    text: &Located<String>,
    pipeline: &Pipeline,
    direction: &'static str,
) -> Result<PortIndex, Error> {
    let wrong = |problem| fields.error(text.line, problem);
    let (stage_name, port_name) = text.value.split_once('.').ok_or_else(|| {
        wrong(Problem::BadPort {
            text: text.value.clone(),
        })
    })?;
    let stage = pipeline.stage_index(stage_name).ok_or_else(|| {
        let hint = hint(
            stage_name,
            pipeline.stages.iter().map(|stage| stage.name.as_str()),
        );
        wrong(Problem::UnknownStage {
            stage: stage_name.to_owned(),
            hint,
        })
    })?;
    let kind = &pipeline.stages[stage].kind;
    let ports = ports(kind, direction);
    let port = ports
        .iter()
        .position(|port| port.name == port_name)
        .ok_or_else(|| {
            wrong(Problem::UnknownPort {
                stage: stage_name.to_owned(),
                kind: kind.name().to_owned(),
                direction,
                port: port_name.to_owned(),
                hint: hint(port_name, ports.iter().map(|port| port.name.as_str())),
            })
        })?;
    Ok(PortIndex { stage, port })
}

fn ports<'a>(kind: &'a Kind, direction: &str) -> &'a [PortDeclaration] {
    if direction == "input" {
        kind.inputs()
    } else {
        kind.outputs()
    }
}

/// Puts `kind` in the place of a stage's kind: ports and windows are found again by their names.
pub(crate) fn change_kind(pipeline: &mut Pipeline, stage: usize, kind: &Kind) -> Result<(), Error> {
    for i in 0..pipeline.edges.len() {
        let edge = pipeline.edges[i].clone();
        if edge.from.stage == stage {
            let name = pipeline.output(&edge).name.clone();
            pipeline.edges[i].from.port = same_port(pipeline, stage, kind, "output", &name)?;
        }
        if edge.to.stage == stage {
            let name = pipeline.input(&edge).name.clone();
            pipeline.edges[i].to.port = same_port(pipeline, stage, kind, "input", &name)?;
        }
    }
    let line = pipeline.stages[stage].line;
    pipeline.windows.retain(|window| window.stage != stage);
    pipeline.windows.extend(default_windows(kind, stage, line));
    pipeline
        .windows
        .sort_by_key(|window| (window.stage, window.window));
    let changed = &mut pipeline.stages[stage];
    changed
        .options
        .retain(|name, _| kind.options().iter().any(|option| option.name == *name));
    changed.kind = kind.clone();
    Ok(())
}

fn same_port(
    pipeline: &Pipeline,
    stage: usize,
    kind: &Kind,
    direction: &'static str,
    name: &str,
) -> Result<usize, Error> {
    let ports = ports(kind, direction);
    ports
        .iter()
        .position(|port| port.name == name)
        .ok_or_else(|| {
            let problem = Problem::UnknownPort {
                stage: pipeline.stages[stage].name.clone(),
                kind: kind.name().to_owned(),
                direction,
                port: name.to_owned(),
                hint: hint(name, ports.iter().map(|port| port.name.as_str())),
            };
            pipeline.error(pipeline.stages[stage].line, problem)
        })
}
