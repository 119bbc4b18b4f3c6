//! Which stages run on which core, and in which order.

use std::fmt::Write as _;

use crate::source::{Fields, Source};
use crate::suggest::hint;
use crate::{Error, Pipeline, Problem, replicas};

/// A placement of a pipeline's stages: each stage on one core, or a replica of it on each of
/// several.
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

    /// Every stage that may have replicas on each of `cores`, the others on the first of them:
    /// run to completion, as far as the stages allow.
    ///
    /// # Panics
    /// When there is no core.
    pub fn replicated(pipeline: &Pipeline, cores: &[usize]) -> Placement {
        assert!(!cores.is_empty(), "a placement needs a core");
        let stages = pipeline.stages().iter().enumerate();
        let replicable: Vec<usize> = stages
            .filter(|(_, stage)| stage.kind.is_replicable())
            .map(|(index, _)| index)
            .collect();
        let others = cores[1..].iter().filter(|_| !replicable.is_empty());
        let others = others.map(|core| CorePlacement {
            core: *core,
            stages: replicable.clone(),
        });
        let mut placement = Placement::fused(pipeline, cores[0]);
        placement.name = "replicated".into();
        placement.cores.extend(others);
        placement
    }

    /// Reads a placement:
    /// ```toml
    /// [[core]]
    /// id = 0
    /// stages = ["nic", "tcp"]
    /// ```
    /// A stage on several cores has a replica on each, if its kind may have replicas. `file` is its name and is used in messages.
    ///
    /// # Errors
    /// The first thing that is wrong, with its line and what to do: every stage must be there, at
    /// most once on a core, and every core once. Whether the cores exist is the machine's to say.
    pub fn parse(text: &str, file: &str, pipeline: &Pipeline) -> Result<Placement, Error> {
        let source = Source { file, text };
        let table = source.parse()?;
        let top = source.top(&table, "the placement");
        top.only(&["core"])?;
        let mut reading = Reading {
            pipeline,
            cores: Vec::new(),
            core_lines: Vec::new(),
            placed: vec![Vec::new(); pipeline.stages().len()],
        };
        for fields in top.tables("core")? {
            reading.core(&fields)?;
        }
        if reading.cores.is_empty() {
            return Err(source.error(1, Problem::NoCores));
        }
        if let Some(stage) = reading.placed.iter().position(Vec::is_empty) {
            let stage = pipeline.stages()[stage].name.clone();
            return Err(source.error(1, Problem::StageNotPlaced { stage }));
        }
        let placement = Placement {
            name: file.to_owned(),
            cores: reading.cores,
        };
        placement.check(pipeline)?;
        Ok(placement)
    }

    /// Checks that the pipeline works with so many replicas of its stages.
    ///
    /// # Errors
    /// When a stage has replicas whose kind may run only once, or when an answer could not find
    /// the replica that asked.
    pub fn check(&self, pipeline: &Pipeline) -> Result<(), Error> {
        let stages = 0..pipeline.stages().len();
        let replicas: Vec<usize> = stages.map(|stage| self.replicas(stage)).collect();
        replicas::check(pipeline, &replicas)
    }

    /// How many replicas of stage `stage` there are: the cores that it is on.
    pub fn replicas(&self, stage: usize) -> usize {
        self.slots_of(stage).count()
    }

    /// Where each replica of each stage is: by stage, and for each of them in the order of the
    /// cores.
    pub fn seats(&self) -> Vec<SeatPlacement> {
        let stages = self.cores.iter().flat_map(|core| &core.stages).max();
        let mut seats = Vec::new();
        for stage in 0..stages.map_or(0, |last| last + 1) {
            let replicas = self.replicas(stage);
            let slots = self.slots_of(stage).enumerate();
            seats.extend(slots.map(|(replica, slot)| SeatPlacement {
                stage,
                replica,
                replicas,
                slot,
            }));
        }
        seats
    }

    /// Indices of the cores of stage `stage`.
    fn slots_of(&self, stage: usize) -> impl Iterator<Item = usize> {
        let cores = self.cores.iter().enumerate();
        cores
            .filter(move |(_, core)| core.stages.contains(&stage))
            .map(|(slot, _)| slot)
    }

    /// `fused`, `spread`, `replicated` or the file's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The cores that are used, each once.
    pub fn cores(&self) -> &[CorePlacement] {
        &self.cores
    }

    /// The id of the core of stage `stage`; of its first replica when there are several.
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

/// One replica of a stage in a placement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SeatPlacement {
    /// The stage, an index into [`Pipeline::stages`].
    pub stage: usize,
    /// The replica's number among those of its stage, from 0.
    pub replica: usize,
    /// How many replicas the stage has.
    pub replicas: usize,
    /// Its core, an index into [`Placement::cores`].
    pub slot: usize,
}

/// What was read so far.
struct Reading<'a> {
    pipeline: &'a Pipeline,
    cores: Vec<CorePlacement>,
    core_lines: Vec<usize>,
    /// The cores on which each stage was placed, with the lines.
    placed: Vec<Vec<(usize, usize)>>,
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
        let stages = self.stages(fields, core)?;
        if stages.is_empty() {
            return Err(fields.error(id.line, Problem::CoreEmpty { core }));
        }
        self.cores.push(CorePlacement { core, stages });
        self.core_lines.push(id.line);
        Ok(())
    }

    fn stages(&mut self, fields: &Fields<'_>, core: usize) -> Result<Vec<usize>, Error> {
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
            self.place(stage, core, named.line)
                .map_err(|problem| fields.error(named.line, problem))?;
            stages.push(stage);
        }
        Ok(stages)
    }

    fn place(&mut self, stage: usize, core: usize, line: usize) -> Result<(), Problem> {
        let (named, before) = (&self.pipeline.stages()[stage], &mut self.placed[stage]);
        if let Some(&(_, first)) = before.iter().find(|(other, _)| *other == core) {
            let stage = named.name.clone();
            return Err(Problem::StageTwice { stage, core, first });
        }
        if !before.is_empty() && !named.kind.is_replicable() {
            let (stage, kind) = (named.name.clone(), named.kind.name().to_owned());
            return Err(Problem::NotReplicable { stage, kind });
        }
        before.push((core, line));
        Ok(())
    }
}
