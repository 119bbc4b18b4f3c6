//! The pipelines that come with Brigade, and reading them.

use std::path::Path;

use brigade_graph::{Pipeline, Placement};
use brigade_stage::Registry;

use crate::Error;

const WEB: &str = include_str!("../../../pipelines/web.toml");
const ECHO: &str = include_str!("../../../pipelines/echo.toml");
const BULK: &str = include_str!("../../../pipelines/bulk.toml");
const SYNTHETIC: &str = include_str!("../../../pipelines/synthetic.toml");
const POPULATE: &str = include_str!("../../../pipelines/populate.toml");

/// The pipeline called `name`, or in the file of that name.
pub fn named(name: &str, registry: &Registry) -> Result<Pipeline, Error> {
    let (text, file) = match name {
        "web" => (WEB.to_owned(), "web.toml"),
        "echo" => (ECHO.to_owned(), "echo.toml"),
        "bulk" => (BULK.to_owned(), "bulk.toml"),
        "synthetic" => (SYNTHETIC.to_owned(), "synthetic.toml"),
        file if file.ends_with(".toml") => (read(Path::new(file))?, file),
        other => return Err(Error::NoPipeline(other.to_owned())),
    };
    Ok(Pipeline::parse(&text, file, registry)?)
}

/// The pipeline that fills a fresh image: a source of statements before db, fs and block.
pub fn populate(registry: &Registry) -> Result<Pipeline, Error> {
    Ok(Pipeline::parse(POPULATE, "populate.toml", registry)?)
}

/// The placement that `text` names, over `cores`.
pub fn placement(text: &str, pipeline: &Pipeline, cores: &[usize]) -> Result<Placement, Error> {
    match text {
        "fused" => Ok(Placement::fused(pipeline, cores[0])),
        "spread" => Ok(Placement::spread(pipeline, cores)),
        "replicated" => Ok(Placement::replicated(pipeline, cores)),
        file => Ok(Placement::parse(&read(Path::new(file))?, file, pipeline)?),
    }
}

fn read(path: &Path) -> Result<String, Error> {
    std::fs::read_to_string(path).map_err(|source| Error::File {
        path: path.to_owned(),
        source,
    })
}
