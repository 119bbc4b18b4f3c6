//! Each room depends only on rooms above it, and no stage on a stage.

use std::collections::BTreeMap;
use std::ops::Range;

use toml::de::{DeTable, DeValue};

use super::Violation;
use super::tree::Tree;

const KINDS: [&str; 3] = ["dependencies", "dev-dependencies", "build-dependencies"];
const STAGES: &str = "crates/stages/";

/// A member of the workspace.
struct Room {
    folder: String,
    manifest: String,
    package: String,
    dependencies: Vec<Dependency>,
}

struct Dependency {
    package: String,
    line: usize,
}

/// Checks the manifests of all members.
pub(crate) fn check(tree: &Tree) -> Vec<Violation> {
    let (rooms, mut violations) = match members(tree) {
        Ok(members) => read(tree, &members),
        Err(violation) => return vec![violation],
    };
    let places: BTreeMap<&str, usize> = (0..)
        .zip(&rooms)
        .map(|(i, room)| (&*room.package, i))
        .collect();
    for (place, room) in rooms.iter().enumerate() {
        for dependency in &room.dependencies {
            let Some(&used) = places.get(&*dependency.package) else {
                continue;
            };
            violations.extend(
                fault(room, place, &rooms[used], used).map(|(what, remedy)| {
                    Violation::new(&*room.manifest, dependency.line, what, remedy)
                }),
            );
        }
    }
    violations
}

/// What is wrong with `room`, at `place` in the list, using the one at `used`.
fn fault(room: &Room, place: usize, other: &Room, used: usize) -> Option<(String, &'static str)> {
    let (from, to) = (&room.folder, &other.folder);
    if from.starts_with(STAGES) && to.starts_with(STAGES) {
        let remedy = "stages share only message types: put what both need into a room above";
        return Some((format!("stage {from} depends on stage {to}"), remedy));
    }
    // A room may name itself: its tests use features that its users need not.
    (used > place).then(|| {
        let what =
            format!("{from} depends on {to}, which stands below it in the workspace's members");
        (
            what,
            "let the lower room depend on the upper one, or order the members anew",
        )
    })
}

/// The members of the workspace, in their order.
fn members(tree: &Tree) -> Result<Vec<String>, Violation> {
    let manifest = parse("Cargo.toml", tree.text("Cargo.toml").unwrap_or_default())?;
    let members = manifest
        .get("workspace")
        .and_then(|workspace| workspace.get_ref().get("members"))
        .and_then(|members| members.get_ref().as_array());
    let members = members.into_iter().flat_map(|members| members.iter());
    Ok(members
        .filter_map(|member| Some(member.get_ref().as_str()?.to_owned()))
        .collect())
}

fn read(tree: &Tree, members: &[String]) -> (Vec<Room>, Vec<Violation>) {
    let mut rooms = Vec::new();
    let mut violations = Vec::new();
    for member in members {
        match room(tree, member) {
            Ok(room) => rooms.push(room),
            Err(violation) => violations.push(violation),
        }
    }
    (rooms, violations)
}

fn room(tree: &Tree, folder: &str) -> Result<Room, Violation> {
    let manifest = format!("{folder}/Cargo.toml");
    let Some(text) = tree.text(&manifest) else {
        return Err(Violation::new(
            manifest,
            1,
            "a member without a manifest",
            "write it",
        ));
    };
    let table = parse(&manifest, text)?;
    let name = table
        .get("package")
        .and_then(|package| package.get_ref().get("name"));
    let package = name
        .and_then(|name| name.get_ref().as_str())
        .unwrap_or_default()
        .to_owned();
    Ok(Room {
        folder: folder.to_owned(),
        package,
        dependencies: dependencies(&table, text),
        manifest,
    })
}

fn parse<'t>(path: &str, text: &'t str) -> Result<DeTable<'t>, Violation> {
    let table = DeTable::parse(text).map_err(|error| {
        let line = error.span().map_or(1, |span| line(text, &span));
        Violation::new(path, line, "not TOML", error.message().replace('\n', ", "))
    })?;
    Ok(table.into_inner())
}

/// All dependencies of a manifest: of every kind, and those for certain targets too.
fn dependencies(manifest: &DeTable<'_>, text: &str) -> Vec<Dependency> {
    let targets = manifest
        .get("target")
        .and_then(|targets| targets.get_ref().as_table());
    let targets = targets.into_iter().flat_map(|targets| targets.values());
    let tables = targets
        .filter_map(|target| target.get_ref().as_table())
        .chain([manifest]);
    let lists = tables.flat_map(|table| KINDS.map(|kind| table.get(kind)));
    let lists = lists.flatten().filter_map(|list| list.get_ref().as_table());
    let entries = lists.flat_map(|list| list.iter());
    entries
        .map(|(key, value)| Dependency {
            package: package(key.get_ref(), value.get_ref()),
            line: line(text, &key.span()),
        })
        .collect()
}

/// The package that a dependency names: `package = "…"` if it is renamed, else its key.
fn package(key: &str, value: &DeValue<'_>) -> String {
    let renamed = value.as_table().and_then(|table| table.get("package"));
    renamed
        .and_then(|name| name.get_ref().as_str())
        .unwrap_or(key)
        .to_owned()
}

fn line(text: &str, span: &Range<usize>) -> usize {
    text[..span.start.min(text.len())].matches('\n').count() + 1
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROOT: &str = r#"[workspace]
members = ["crates/ring", "crates/stage", "crates/stages/tcp", "crates/stages/http"]"#;

    fn found(package: &str, dependencies: &str) -> Vec<String> {
        let manifest = |name: &str| {
            let added = if name == package { dependencies } else { "" };
            format!("[package]\nname = \"brigade-{name}\"\n{added}")
        };
        let tree = Tree::of(&[
            ("Cargo.toml", ROOT),
            ("crates/ring/Cargo.toml", &manifest("ring")),
            ("crates/stage/Cargo.toml", &manifest("stage")),
            ("crates/stages/tcp/Cargo.toml", &manifest("tcp")),
            ("crates/stages/http/Cargo.toml", &manifest("http")),
        ]);
        check(&tree)
            .into_iter()
            .map(|v| format!("{}:{}: {}", v.path, v.line, v.what))
            .collect()
    }

    #[test]
    fn rooms_may_use_what_stands_above() {
        assert_eq!(
            found(
                "http",
                "[dependencies]\nbrigade-ring.workspace = true\nserde = \"1\""
            ),
            [""; 0]
        );
    }

    #[test]
    fn a_room_that_uses_one_below_is_found() {
        let expected = "crates/ring/Cargo.toml:4: crates/ring depends on crates/stage, \
                        which stands below it in the workspace's members";
        for dependency in [
            "[dependencies]\nbrigade-stage.workspace = true",
            "[dev-dependencies]\nbrigade-stage = { path = \"../stage\" }",
            "[target.'cfg(loom)'.dependencies]\nrenamed = { package = \"brigade-stage\" }",
        ] {
            assert_eq!(found("ring", dependency), [expected], "{dependency}");
        }
    }

    #[test]
    fn a_stage_that_uses_a_stage_is_found_whatever_their_order() {
        let expected = "crates/stages/http/Cargo.toml:4: stage crates/stages/http depends on stage crates/stages/tcp";
        assert_eq!(
            found("http", "[dev-dependencies]\nbrigade-tcp.workspace = true"),
            [expected]
        );
        assert_eq!(
            found("tcp", "[build-dependencies]\nbrigade-http = \"1\"").len(),
            1
        );
    }

    #[test]
    fn manifests_that_cannot_be_read_are_found() {
        let broken = Tree::of(&[("Cargo.toml", "\n[workspace\n")]);
        assert_eq!(check(&broken)[0].what, "not TOML");
        let missing = Tree::of(&[("Cargo.toml", ROOT)]);
        assert_eq!(check(&missing).len(), 4);
    }
}
