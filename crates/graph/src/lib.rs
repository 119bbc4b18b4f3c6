//! A Brigade pipeline as data: TOML, checks, edges, capacities, windows.
