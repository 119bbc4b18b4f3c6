//! Brigade: an operating system built as parallel pipelines.
