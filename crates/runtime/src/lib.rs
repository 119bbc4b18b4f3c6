//! Core loops, parking, placement, and the end of a Brigade pipeline.
