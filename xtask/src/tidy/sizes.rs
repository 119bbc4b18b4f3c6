//! Functions and files stay short enough to be read at once.

use super::Violation;
use super::source::{Function, Source};

/// All lines of a function count, from `fn` to its last brace.
const FUNCTION_LINES_MAX: usize = 70;
/// Lines with code on them.
const FILE_CODE_LINES_MAX: usize = 500;

/// Checks one file.
pub(crate) fn check(source: &Source<'_>) -> Vec<Violation> {
    let mut violations = Vec::new();
    for function in source.functions() {
        let lines = lines(source, function);
        if lines > FUNCTION_LINES_MAX {
            let name = source.text(function.start + 1);
            let what = format!("fn {name} has {lines} lines, {FUNCTION_LINES_MAX} are allowed");
            let line = source.tokens[function.start].line;
            violations.push(Violation::new(
                source.path,
                line,
                what,
                "split it by what it does",
            ));
        }
    }
    let code_lines = source.code_lines();
    if code_lines > FILE_CODE_LINES_MAX {
        let what = format!("{code_lines} lines of code, {FILE_CODE_LINES_MAX} are allowed");
        violations.push(Violation::new(
            source.path,
            1,
            what,
            "split the file by its ideas",
        ));
    }
    violations
}

/// The lengths of a file's functions outside of tests.
pub(crate) fn shipped<'a>(source: &'a Source<'_>) -> impl Iterator<Item = usize> + 'a {
    let functions = source.functions().into_iter();
    functions
        .filter(|function| !source.is_test(function.start))
        .map(|function| lines(source, function))
}

fn lines(source: &Source<'_>, function: Function) -> usize {
    source.tokens[function.end].line - source.tokens[function.start].line + 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_function_of_71_lines_is_found() {
        let function = |lines: usize| format!("\nfn f() {{{}}}", "\n// a".repeat(lines - 2) + "\n");
        assert_eq!(
            check(&Source::new("crates/x/src/lib.rs", &function(70))),
            []
        );
        let violations = check(&Source::new("crates/x/tests/a.rs", &function(71))).remove(0);
        let expected =
            "crates/x/tests/a.rs:2: fn f has 71 lines, 70 are allowed; split it by what it does";
        assert_eq!(violations.to_string(), expected);
    }

    #[test]
    fn a_file_of_501_code_lines_is_found() {
        let file = |lines: usize| "use a;\n// b\n".repeat(lines);
        assert_eq!(check(&Source::new("crates/x/src/lib.rs", &file(500))), []);
        let violations = check(&Source::new("crates/x/src/lib.rs", &file(501)));
        assert_eq!(violations[0].what, "501 lines of code, 500 are allowed");
    }
}
