//! Which stages run on which core, and in which order.

use std::fmt::Write as _;

use crate::source::{Fields, Source};
use crate::suggest::hint;
use crate::{Error, Pipeline, Problem};

/// A placement of a pipeline's stages: each stage on exactly one core.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Placement {
    name: String,
    cores: Vec<CorePlacement>,
}

/// One core and its stages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CorePlacement {
    /// The core's id, as the kernel numbers it.
    pub core: usize,
    /// Indices of [`Pipeline::stages`], in the order in which the core visits them.
    pub stages: Vec<usize>,
}

impl Placement {
    /// All stages on one core.
    pub fn fused(pipeline: &Pipeline, core: usize) -> Placement {
        let stages = (0..pipeline.stages().len()).collect();
        Placement {
            name: "fused".into(),
            cores: vec![CorePlacement { core, stages }],
        }
    }

    /// Contiguous groups of stages, as equal as possible, over `cores` in their order. Cores beyond
    /// the number of stages are left out.
    ///
    /// # Panics
    /// When there is no core.
    pub fn spread(pipeline: &Pipeline, cores: &[usize]) -> Placement {
        assert!(!cores.is_empty(), "a placement needs a core");
        let stages = pipeline.stages().len();
        let groups = cores.len().min(stages);
        let begin = |group: usize| (group * stages).div_ceil(groups);
        let cores = cores.iter().take(groups).enumerate();
        let cores = cores
            .map(|(i, core)| CorePlacement {
                core: *core,
                stages: (begin(i)..begin(i + 1)).collect(),
            })
            .collect();
        Placement {
            name: "spread".into(),
            cores,
        }
    }

    /// Reads a placement:
    /// ```toml
    /// [[core]]
    /// id = 0
    /// stages = ["nic", "tcp"]
    /// ```
    /// `file` is its name and is used in messages.
    ///
    /// # Errors
    /// The first thing that is wrong, with its line and what to do: every stage must be there once,
    /// and every core once. Whether the cores exist is the machine's to say.
    pub fn parse(text: &str, file: &str, pipeline: &Pipeline) -> Result<Placement, Error> {
        let source = Source { file, text };
        let table = source.parse()?;
        let top = source.top(&table, "the placement");
        top.only(&["core"])?;
        let mut reading = Reading {
            pipeline,
            cores: Vec::new(),
            core_lines: Vec::new(),
            placed: vec![0; pipeline.stages().len()],
        };
        for fields in top.tables("core")? {
            reading.core(&fields)?;
        }
        if reading.cores.is_empty() {
            return Err(source.error(1, Problem::NoCores));
        }
        if let Some(stage) = reading.placed.iter().position(|line| *line == 0) {
            let stage = pipeline.stages()[stage].name.clone();
            return Err(source.error(1, Problem::StageNotPlaced { stage }));
        }
        Ok(Placement {
            name: file.to_owned(),
            cores: reading.cores,
        })
    }

    /// `fused`, `spread` or the file's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The cores that are used, each once.
    pub fn cores(&self) -> &[CorePlacement] {
        &self.cores
    }

    /// The id of the core of stage `stage`.
    ///
    /// # Panics
    /// When the pipeline has no such stage.
    pub fn core_of(&self, stage: usize) -> usize {
        let core = self.cores.iter().find(|core| core.stages.contains(&stage));
        core.expect("every stage of the pipeline is placed").core
    }

    /// The placement as TOML that [`parse`](Self::parse) reads.
    pub fn to_toml(&self, pipeline: &Pipeline) -> String {
        let mut text = String::new();
        for core in &self.cores {
            let names = core
                .stages
                .iter()
                .map(|stage| format!("\"{}\"", pipeline.stages()[*stage].name));
            let names = names.collect::<Vec<_>>().join(", ");
            let _ = writeln!(text, "[[core]]\nid = {}\nstages = [{names}]\n", core.core);
        }
        text
    }
}

/// What was read so far.
struct Reading<'a> {
    pipeline: &'a Pipeline,
    cores: Vec<CorePlacement>,
    core_lines: Vec<usize>,
    /// The line in which each stage was placed; 0 when it was not.
    placed: Vec<usize>,
}

impl Reading<'_> {
    fn core(&mut self, fields: &Fields<'_>) -> Result<(), Error> {
        fields.only(&["id", "stages"])?;
        let id = fields.integer("id", "id = 0")?;
        let core = usize::try_from(id.value).map_err(|_| {
            let (key, place) = ("id".to_owned(), "[[core]]".to_owned());
            let (wanted, found) = ("0 or more".to_owned(), id.value.to_string());
            fields.error(
                id.line,
                Problem::WrongType {
                    key,
                    place,
                    wanted,
                    found,
                },
            )
        })?;
        if let Some(at) = self.cores.iter().position(|other| other.core == core) {
            let first = self.core_lines[at];
            return Err(fields.error(id.line, Problem::CoreTwice { core, first }));
        }
        let stages = self.stages(fields)?;
        if stages.is_empty() {
            return Err(fields.error(id.line, Problem::CoreEmpty { core }));
        }
        self.cores.push(CorePlacement { core, stages });
        self.core_lines.push(id.line);
        Ok(())
    }

    fn stages(&mut self, fields: &Fields<'_>) -> Result<Vec<usize>, Error> {
        let mut stages = Vec::new();
        for named in fields.texts("stages", "stages = [\"...\"]")? {
            let stage = self.pipeline.stage_index(&named.value).ok_or_else(|| {
                let known = self
                    .pipeline
                    .stages()
                    .iter()
                    .map(|stage| stage.name.as_str());
                let hint = hint(&named.value, known);
                fields.error(
                    named.line,
                    Problem::UnknownStage {
                        stage: named.value.clone(),
                        hint,
                    },
                )
            })?;
            if self.placed[stage] != 0 {
                let (stage, first) = (named.value, self.placed[stage]);
                return Err(fields.error(named.line, Problem::StageTwice { stage, first }));
            }
            self.placed[stage] = named.line;
            stages.push(stage);
        }
        Ok(stages)
    }
}
