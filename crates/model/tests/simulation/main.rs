//! The simulation against what is known exactly.

mod closed_forms;
mod cycles;
mod profiles;
mod rivals;
mod support;
