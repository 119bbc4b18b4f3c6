//! Which stages run on which core, as the model sees it.

use super::Network;
use crate::Error;

/// A placement: a stage that stands on several cores has a replica on each.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Placement {
    /// Its name, such as `fused`.
    pub name: String,
    /// The cores that are used.
    pub cores: Vec<PlacedCore>,
}

/// One core and its stages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlacedCore {
    /// The core's number, one of the machine's.
    pub core: usize,
    /// Indices of [`super::Network::stages`], in the order of visits.
    pub stages: Vec<usize>,
}

impl Placement {
    /// Checks that it places every stage of `network`, and several times only those that may have
    /// replicas.
    ///
    /// # Errors
    /// [`Error::Placement`] names the first stage that does not fit.
    pub fn check(&self, network: &Network) -> Result<(), Error> {
        let wrong = |problem: String| {
            let name = self.name.clone();
            Err(Error::Placement { name, problem })
        };
        let known = |stage: &usize| *stage < network.stages.len();
        if !self.cores.iter().flat_map(|core| &core.stages).all(known) {
            return wrong("it names a stage that the pipeline has not".into());
        }
        for (index, stage) in network.stages.iter().enumerate() {
            let name = &stage.name;
            match self.replicas(index) {
                0 => return wrong(format!("stage {name} is on no core; add it to one")),
                1 => {}
                _ if stage.replicable => {}
                count => {
                    let on = format!("stage {name} is on {count} cores and may have no replicas");
                    return wrong(format!("{on}; leave it on one"));
                }
            }
        }
        Ok(())
    }

    /// On how many cores a stage is.
    pub fn replicas(&self, stage: usize) -> usize {
        let cores = self.cores.iter();
        cores.filter(|core| core.stages.contains(&stage)).count()
    }
}
