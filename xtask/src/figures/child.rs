//! Brigade as a child process.

use std::io::{BufRead, BufReader, Read};
use std::path::PathBuf;
use std::process::{Child, ChildStdout, Command, Stdio};

use super::Error;

/// The disk of every run: memory, so that no disk of the machine is measured.
pub const DISK: &str = "mem:256M";

/// Builds the release binary that is measured.
pub fn build() -> Result<(), Error> {
    let mut cargo = cargo();
    cargo.args(["build", "--quiet", "--release", "--package", "brigade"]);
    output(&mut cargo).map(drop)
}

/// Cargo, in the workspace's folder.
pub fn cargo() -> Command {
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.current_dir(root());
    cargo
}

/// The workspace's folder.
pub fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// A command line of the release binary.
pub fn brigade(arguments: &[&str]) -> Command {
    let target = std::env::var_os("CARGO_TARGET_DIR").map(PathBuf::from);
    let target = target.unwrap_or_else(|| root().join("target"));
    let mut command = Command::new(target.join("release").join("brigade"));
    command.args(arguments);
    command
}

/// Runs a command to its end; gives what it wrote to standard output.
pub fn output(command: &mut Command) -> Result<String, Error> {
    let output = command.stdin(Stdio::null()).output();
    let output = output.map_err(|source| cannot(command, source))?;
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    if output.status.success() {
        return Ok(said);
    }
    Err(Error::Failed {
        command: format!("{command:?}"),
        said: said + &String::from_utf8_lossy(&output.stderr),
    })
}

fn cannot(command: &Command, source: std::io::Error) -> Error {
    let program = command.get_program().to_string_lossy().into_owned();
    Error::Run { program, source }
}

/// A Brigade that runs; killed when dropped before its end.
pub struct Running {
    child: Child,
    lines: BufReader<ChildStdout>,
    said: String,
}

impl Running {
    /// Starts `brigade` with `arguments` and waits until its pipeline runs.
    pub fn start(arguments: &[&str], begun: &'static str) -> Result<Running, Error> {
        Running::start_command(brigade(arguments), begun)
    }

    /// The same by a command that becomes `brigade`.
    pub fn start_command(mut command: Command, begun: &'static str) -> Result<Running, Error> {
        command.stdin(Stdio::null()).stderr(Stdio::null());
        let child = command.stdout(Stdio::piped()).spawn();
        let mut child = child.map_err(|source| cannot(&command, source))?;
        let Some(lines) = child.stdout.take().map(BufReader::new) else {
            unreachable!("the child's standard output is a pipe")
        };
        let said = String::new();
        let mut running = Running { child, lines, said };
        running.read_until(begun)?;
        Ok(running)
    }

    fn read_until(&mut self, begun: &'static str) -> Result<(), Error> {
        while !self.said.contains(begun) {
            let read = self.lines.read_line(&mut self.said);
            if !matches!(read, Ok(1..)) {
                return Err(Error::Missing {
                    wanted: begun,
                    output: self.said.clone(),
                });
            }
        }
        Ok(())
    }

    /// Its process number.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// What it has said so far.
    pub fn said(&self) -> &str {
        &self.said
    }

    /// Waits for its end; gives all that it said.
    pub fn wait(mut self) -> Result<String, Error> {
        let read = self.lines.read_to_string(&mut self.said);
        let status = read.and_then(|_| self.child.wait());
        match status {
            Ok(status) if status.success() => Ok(std::mem::take(&mut self.said)),
            _ => Err(Error::Failed {
                command: "brigade run".into(),
                said: std::mem::take(&mut self.said),
            }),
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Harmless after its end.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
