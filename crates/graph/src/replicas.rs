//! What must hold of a pipeline when some of its stages run several times.
//!
//! The checks of a pipeline hold lane by lane. A stage waits for room on an edge only where it
//! would wait without replicas, so a circle of waiting lanes is a circle of waiting edges, and
//! the pipeline has none. A window's tokens belong to one replica; they fit the rings of its own
//! lanes, as they fitted the one ring, because each answer goes to the replica that asked. That
//! last point is what is checked here.

use brigade_stage::Routing;

use crate::{Edge, Error, Pipeline, Problem, Window};

/// Checks the pipeline for so many replicas of each stage.
pub(crate) fn check(pipeline: &Pipeline, replicas: &[usize]) -> Result<(), Error> {
    for (stage, _) in replicas.iter().enumerate().filter(|(_, n)| **n > 1) {
        let stage = &pipeline.stages[stage];
        if !stage.kind.is_replicable() {
            let (stage_name, kind) = (stage.name.clone(), stage.kind.name().to_owned());
            let problem = Problem::NotReplicable {
                stage: stage_name,
                kind,
            };
            return Err(pipeline.error(stage.line, problem));
        }
    }
    (pipeline.windows.iter())
        .filter(|window| replicas[window.stage] > 1)
        .try_for_each(|window| answered_by_reply(pipeline, window))?;
    (pipeline.edges.iter()).try_for_each(|edge| reply_goes_back(pipeline, edge, replicas))
}

/// Whoever answers the window's requests must answer the replica that asked.
fn answered_by_reply(pipeline: &Pipeline, window: &Window) -> Result<(), Error> {
    let declaration = pipeline.window_declaration(window);
    let there = pipeline.edge_of_output(window.stage, &declaration.output);
    let back = pipeline.edge_of_input(window.stage, &declaration.input);
    let (Some(there), Some(back)) = (there, back) else {
        return Ok(());
    };
    let (there, back) = (&pipeline.edges[there], &pipeline.edges[back]);
    let answers = match &pipeline.output(back).routing {
        Routing::Reply { input } => *input == pipeline.input(there).name,
        Routing::Any | Routing::Keyed => false,
    };
    if answers && there.to.stage == back.from.stage {
        return Ok(());
    }
    let problem = Problem::AnswerGoesAstray {
        stage: pipeline.stages[window.stage].name.clone(),
        window: declaration.name.clone(),
        output: pipeline.from_name(back),
    };
    Err(pipeline.error(back.line, problem))
}

/// An output that replies must be joined to the stage that its input is joined to.
fn reply_goes_back(pipeline: &Pipeline, edge: &Edge, replicas: &[usize]) -> Result<(), Error> {
    let Routing::Reply { input } = &pipeline.output(edge).routing else {
        return Ok(());
    };
    let Some(asked) = pipeline.edge_of_input(edge.from.stage, input) else {
        return Ok(());
    };
    let (asker, told) = (pipeline.edges[asked].from.stage, edge.to.stage);
    if asker == told || (replicas[asker] == 1 && replicas[told] == 1) {
        return Ok(());
    }
    let problem = Problem::ReplyElsewhere {
        output: pipeline.from_name(edge),
        told: pipeline.stages[told].name.clone(),
        asker: pipeline.stages[asker].name.clone(),
    };
    Err(pipeline.error(edge.line, problem))
}
