//! The nic stage: portal and wire.
