//! "Did you mean": the known name nearest to a mistyped one.

/// A hint for an unknown name: the nearest known one if it is near, and all of them.
pub(crate) fn hint<'a>(unknown: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    let known: Vec<&str> = known.into_iter().collect();
    if known.is_empty() {
        return "there is none to choose from".into();
    }
    let list = known.join(", ");
    match nearest(unknown, &known) {
        Some(name) => format!("did you mean `{name}`? Known: {list}"),
        None => format!("known: {list}"),
    }
}

/// The nearest of `known`, if no more than a third of it would have to change.
fn nearest<'a>(unknown: &str, known: &[&'a str]) -> Option<&'a str> {
    let (distance, name) = known
        .iter()
        .map(|name| (distance(unknown, name), *name))
        .min_by_key(|(d, _)| *d)?;
    let length = name.chars().count().max(unknown.chars().count());
    (distance <= (length / 3).max(1)).then_some(name)
}

/// Fewest insertions, deletions, replacements and swaps of neighbours from `a` to `b`
/// (optimal string alignment).
fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let mut before = vec![0; b.len() + 1];
    let mut last: Vec<usize> = (0..=b.len()).collect();
    for i in 1..=a.len() {
        let mut row = vec![i; b.len() + 1];
        for j in 1..=b.len() {
            let replaced = last[j - 1] + usize::from(a[i - 1] != b[j - 1]);
            row[j] = replaced.min(last[j] + 1).min(row[j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                row[j] = row[j].min(before[j - 2] + 1);
            }
        }
        before = std::mem::replace(&mut last, row);
    }
    last[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances() {
        assert_eq!(distance("", "abc"), 3);
        assert_eq!(distance("htpp", "http"), 1, "a replaced letter");
        assert_eq!(distance("tpc", "tcp"), 1, "a swap of neighbours");
        assert_eq!(distance("kitten", "sitting"), 3);
        assert_eq!(distance("same", "same"), 0);
    }

    #[test]
    fn only_near_names_are_suggested() {
        assert_eq!(
            hint("htpp", ["tcp", "http"]),
            "did you mean `http`? Known: tcp, http"
        );
        assert_eq!(hint("zebra", ["tcp", "http"]), "known: tcp, http");
        assert_eq!(hint("zebra", []), "there is none to choose from");
    }
}
