//! The workspace's texts, in memory.

use std::collections::BTreeMap;
use std::path::Path;
use std::{fs, io};

/// Hidden folders that belong to the project; all others are left out.
const HIDDEN: [&str; 3] = [".cargo", ".ci", ".github"];

/// The workspace's text files by path (relative, with `/`).
#[derive(Debug, Clone, Default)]
pub struct Tree {
    files: BTreeMap<String, String>,
}

impl Tree {
    /// Reads every text file under `root`, without build output and hidden folders.
    ///
    /// # Errors
    /// When a folder or file cannot be read.
    pub fn read(root: &Path) -> io::Result<Self> {
        let mut tree = Self::default();
        tree.read_folder(root, "")?;
        Ok(tree)
    }

    fn read_folder(&mut self, folder: &Path, prefix: &str) -> io::Result<()> {
        for entry in fs::read_dir(folder)? {
            let entry = entry?;
            let name = entry.file_name().to_string_lossy().into_owned();
            let path = format!("{prefix}{name}");
            let kind = entry.file_type()?;
            if kind.is_dir() && !is_left_out(&name) {
                self.read_folder(&entry.path(), &format!("{path}/"))?;
            } else if kind.is_file() && is_text(&path) {
                let bytes = fs::read(entry.path())?;
                self.files
                    .insert(path, String::from_utf8_lossy(&bytes).into_owned());
            }
        }
        Ok(())
    }

    /// All files with their texts, by path.
    pub(crate) fn files(&self) -> impl Iterator<Item = (&str, &str)> {
        self.files.iter().map(|(path, text)| (&**path, &**text))
    }

    /// The text of one file.
    pub(crate) fn text(&self, path: &str) -> Option<&str> {
        self.files.get(path).map(String::as_str)
    }

    /// Whether a file, or a folder with a file in it, is there.
    pub(crate) fn has(&self, path: &str) -> bool {
        let folder = format!("{}/", path.trim_end_matches('/'));
        self.files.contains_key(path) || self.files.keys().any(|file| file.starts_with(&folder))
    }

    #[cfg(test)]
    pub(crate) fn of(files: &[(&str, &str)]) -> Self {
        let files = files
            .iter()
            .map(|(path, text)| ((*path).into(), (*text).into()));
        Self {
            files: files.collect(),
        }
    }
}

fn is_left_out(folder: &str) -> bool {
    folder == "target" || (folder.starts_with('.') && !HIDDEN.contains(&folder))
}

/// Whether a file is read: by its ending, so that a disk image of a gigabyte is not.
fn is_text(path: &str) -> bool {
    const ENDINGS: [&str; 14] = [
        "rs", "toml", "lock", "md", "html", "css", "js", "svg", "sql", "sh", "yml", "yaml", "txt",
        "json",
    ];
    let name = path.rsplit('/').next().unwrap_or(path);
    // In a worktree of git that is a file, with a path of this machine in it.
    if name == ".git" {
        return false;
    }
    match name.rsplit_once('.') {
        Some(("", _)) | None => true,
        Some((_, ending)) => ENDINGS.contains(&ending),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_this_crate_without_build_output() {
        let tree = Tree::read(Path::new(env!("CARGO_MANIFEST_DIR"))).expect("readable");
        assert!(tree.has("src/tidy/tree.rs") && tree.has("src/tidy") && tree.has("src/"));
        assert!(!tree.has("src/tid"));
    }

    #[test]
    fn images_and_build_output_are_left_out() {
        assert!(
            is_text(".ci/run") && is_text("LICENSE") && is_text("a/b.rs") && is_text(".gitignore")
        );
        assert!(!is_text("shop.img") && !is_text("shop.img.partial"));
        assert!(is_left_out("target") && is_left_out(".git") && !is_left_out(".ci"));
    }
}
