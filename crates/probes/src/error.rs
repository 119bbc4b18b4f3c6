//! What can go wrong with the programs.

/// Why the kernel's tracepoints cannot be looked at.
#[derive(Debug, thiserror::Error)]
pub enum ProbesError {
    /// The programs are built for another processor.
    #[error("the BPF programs are built for x86-64; this is another processor")]
    Processor,
    /// The kernel does not describe its types.
    #[error("the kernel does not describe its types (/sys/kernel/btf/vmlinux): {0}")]
    Types(String),
    /// The kernel refuses all of it.
    #[error("the kernel refuses BPF: {0}")]
    Refused(String),
    /// Something that was loaded cannot be read.
    #[error("the kernel does not give what its BPF programs counted: {0}")]
    Read(String),
}
