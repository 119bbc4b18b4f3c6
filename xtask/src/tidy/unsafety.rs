//! `unsafe` stands only where it may, and says why it is sound.

use super::Violation;
use super::edges::{EDGES, Edge};
use super::lexer::Kind;
use super::source::Source;

/// What an `unsafe` introduces.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    /// A block, `extern` block, attribute or `impl`: promises, so it must say why that holds.
    Promise,
    /// A function or trait: demands, so it must document what.
    Demand,
    /// A function that C calls: its demands are C's, and may be documented once for all.
    Callback,
    /// A function in an `impl Trait`, whose demands stand at the trait; or a type.
    Settled,
}

/// The `unsafe`s of a file.
pub(crate) fn count(source: &Source<'_>) -> usize {
    uses(source)
        .filter(|(_, form)| *form != Form::Settled)
        .count()
}

/// Checks one file.
pub(crate) fn check(source: &Source<'_>) -> Vec<Violation> {
    let mut violations = Vec::new();
    let mut outside = None;
    for (token, form) in uses(source) {
        let line = source.tokens[token].line;
        if !is_allowed(EDGES, source.path) {
            outside.get_or_insert(line);
        }
        if let Some((what, remedy)) = lacking(source, token, form) {
            violations.push(Violation::new(source.path, line, what, remedy));
        }
    }
    violations.extend(outside.map(|line| {
        let remedy = "write it safely, or add the file to xtask/src/tidy/edges.rs with its reason";
        Violation::new(
            source.path,
            line,
            "unsafe outside of the system's edges",
            remedy,
        )
    }));
    violations
}

/// Entries of the list that allow what nobody does any more.
pub(crate) fn idle_edges(sources: &[Source<'_>]) -> Vec<Violation> {
    let used = |edge: &&Edge| {
        let mut inside = sources.iter().filter(|source| is_at(edge, source.path));
        inside.any(|source| uses(source).next().is_some())
    };
    let idle = EDGES.iter().filter(|edge| !used(edge));
    idle.map(|edge| {
        let what = format!("{} has no unsafe ({})", edge.place, edge.why);
        Violation::new("xtask/src/tidy/edges.rs", 1, what, "remove its entry")
    })
    .collect()
}

fn is_allowed(edges: &[Edge], path: &str) -> bool {
    edges.iter().any(|edge| is_at(edge, path))
}

fn is_at(edge: &Edge, path: &str) -> bool {
    path == edge.place || (edge.place.ends_with('/') && path.starts_with(edge.place))
}

/// What is missing at an `unsafe`, and the remedy.
fn lacking(source: &Source<'_>, token: usize, form: Form) -> Option<(&'static str, &'static str)> {
    match form {
        Form::Promise if !has_reason(source, token) => Some((
            "unsafe without a SAFETY comment",
            "list above it, after `// SAFETY:`, why each invariant holds",
        )),
        Form::Demand if !documents(source, token) => Some((
            "an unsafe item without a Safety section",
            "document under `# Safety` what the caller must hold",
        )),
        Form::Callback if !documents(source, token) && !module_documents(source) => Some((
            "an unsafe callback without a Safety section",
            "document under `# Safety`, here or once for the module, what C must hold",
        )),
        _ => None,
    }
}

/// Every `unsafe` of a file.
fn uses<'a>(source: &'a Source<'_>) -> impl Iterator<Item = (usize, Form)> + 'a {
    let tokens = source.tokens.iter().enumerate();
    let unsafes = tokens.filter(|(_, token)| token.kind == Kind::Word && token.text == "unsafe");
    unsafes.map(|(index, _)| (index, form(source, index)))
}

fn form(source: &Source<'_>, token: usize) -> Form {
    let is_extern = source.text(token + 1) == "extern";
    let abi = source
        .tokens
        .get(token + 2)
        .is_some_and(|t| t.kind == Kind::Text);
    let next = match (is_extern, abi) {
        (false, _) => token + 1,
        (true, false) => token + 2,
        (true, true) => token + 3,
    };
    let is_named = source
        .tokens
        .get(next + 1)
        .is_some_and(|t| t.kind == Kind::Word);
    match source.text(next) {
        "fn" if !is_named || in_trait_impl(source, token) => Form::Settled,
        "fn" if is_extern => Form::Callback,
        "fn" | "trait" => Form::Demand,
        _ => Form::Promise,
    }
}

/// Whether the innermost braces around a token are those of an `impl Trait for Type`.
fn in_trait_impl(source: &Source<'_>, token: usize) -> bool {
    let Some(brace) = enclosing_brace(source, token) else {
        return false;
    };
    let head: Vec<_> = (0..brace)
        .rev()
        .map(|index| source.text(index))
        .take_while(|text| !matches!(*text, ";" | "{" | "}"))
        .collect();
    head.contains(&"impl") && head.contains(&"for")
}

fn enclosing_brace(source: &Source<'_>, token: usize) -> Option<usize> {
    (0..token).rev().find(|&index| {
        source.text(index) == "{" && source.partner(index).is_some_and(|end| end > token)
    })
}

/// Whether a SAFETY comment stands above the statement that an `unsafe` belongs to, within it
/// before the `unsafe`, or first inside its block.
fn has_reason(source: &Source<'_>, token: usize) -> bool {
    let inside = (source.text(token + 1) == "{").then_some(token + 2);
    statement(source, token)
        .into_iter()
        .chain(inside)
        .any(|token| comments_before(source, token).any(|text| text.contains("SAFETY:")))
}

/// The tokens of a statement or item up to `token`, without what stands in brackets beside it.
/// A block that precedes the statement is taken for a part of it: clippy is exact about that.
fn statement(source: &Source<'_>, token: usize) -> Vec<usize> {
    let is_item = source.text(token + 1) != "{";
    let mut tokens = vec![token];
    let mut at = token;
    while let Some(before) = at.checked_sub(1) {
        at = match source.text(before) {
            ";" | "{" => break,
            "}" if is_item => break,
            "}" | ")" | "]" => source.partner(before).unwrap_or(before),
            _ => before,
        };
        tokens.push(at);
    }
    tokens
}

/// The comments between a token and the one before it.
fn comments_before<'a>(source: &'a Source<'_>, token: usize) -> impl Iterator<Item = &'a str> {
    let comments = source.comments.iter();
    comments
        .filter(move |comment| comment.before == token)
        .map(|comment| comment.text)
}

/// Whether the item with an `unsafe` has a Safety section in its documentation.
fn documents(source: &Source<'_>, token: usize) -> bool {
    let mut item = vec![token];
    while let Some(before) = item.last().and_then(|at| at.checked_sub(1)) {
        match source.text(before) {
            ";" | "{" | "}" | "," => break,
            ")" | "]" => item.push(source.partner(before).unwrap_or(before)),
            _ => item.push(before),
        }
    }
    item.iter()
        .any(|token| comments_before(source, *token).any(|text| text.starts_with("/// # Safety")))
}

fn module_documents(source: &Source<'_>) -> bool {
    source
        .comments
        .iter()
        .any(|comment| comment.text.starts_with("//! # Safety"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is wrong with a text in a room that may be unsafe.
    fn found(text: &str) -> Vec<String> {
        let source = Source::new("crates/ring/src/lib.rs", text);
        let violations = check(&source).into_iter();
        violations
            .map(|violation| format!("{}: {}", violation.line, violation.what))
            .collect()
    }

    #[test]
    fn a_block_without_a_reason_is_found() {
        assert_eq!(
            found("fn f() {\n unsafe { g() } }"),
            ["2: unsafe without a SAFETY comment"]
        );
        let of_another = "// SAFETY: a\nlet a = unsafe { g() };\nlet b = unsafe { g() };";
        assert_eq!(found(of_another), ["3: unsafe without a SAFETY comment"]);
        let within_a_block = "if c {\n// SAFETY: a\nunsafe { g() } }\nlet b = unsafe { g() };";
        assert_eq!(
            found(within_a_block),
            ["4: unsafe without a SAFETY comment"]
        );
    }

    #[test]
    fn a_reason_may_stand_above_the_statement_or_in_it() {
        let above = "a;\n// SAFETY: b\n#[cfg(x)]\nlet c = d(|e| { f }).map(|g| unsafe { h(g) });";
        let within = "let c = a\n// SAFETY: b\n.map(|g| unsafe { h(g) });";
        let inside = "x(unsafe {\n// SAFETY: b\nh() });";
        for text in [above, within, inside] {
            assert_eq!(found(text), [""; 0], "{text}");
        }
    }

    #[test]
    fn impls_and_attributes_need_a_reason() {
        let text = "// SAFETY: a\nunsafe impl Send for A {}\nunsafe impl Sync for A {}\n#[unsafe(no_mangle)] fn f() {}";
        let expected = [
            "3: unsafe without a SAFETY comment",
            "4: unsafe without a SAFETY comment",
        ];
        assert_eq!(found(text), expected);
    }

    #[test]
    fn functions_and_traits_document_their_demands() {
        let text = "/// # Safety\n/// a\n#[b]\npub(crate) unsafe fn c() {}\n/// D.\npub unsafe fn d() {}\nunsafe trait E {}";
        let expected = [
            "6: an unsafe item without a Safety section",
            "7: an unsafe item without a Safety section",
        ];
        assert_eq!(found(text), expected);
    }

    #[test]
    fn what_a_trait_or_type_demands_is_settled_there() {
        let text = "// SAFETY: a\nunsafe impl A for B { unsafe fn c() {} }\ntype D = unsafe extern \"C\" fn(u8);";
        assert_eq!(found(text), [""; 0]);
        let own = "impl B { unsafe fn c() {} }";
        assert_eq!(found(own), ["1: an unsafe item without a Safety section"]);
    }

    #[test]
    fn callbacks_may_share_a_safety_section() {
        let text = "unsafe extern \"C\" fn a() {}";
        assert_eq!(
            found(text),
            ["1: an unsafe callback without a Safety section"]
        );
        assert_eq!(
            found(&format!("//! B.\n//!\n//! # Safety\n//! c\n{text}")),
            [""; 0]
        );
    }

    #[test]
    fn unsafe_elsewhere_is_found_once_a_file() {
        let text = "// SAFETY: a\nunsafe { b() };\n// SAFETY: a\nunsafe { b() };";
        let source = Source::new("crates/shop/src/lib.rs", text);
        let violations = check(&source);
        assert_eq!(violations.len(), 1);
        assert_eq!(violations[0].what, "unsafe outside of the system's edges");
    }

    #[test]
    fn the_word_in_texts_and_comments_is_not_code() {
        assert_eq!(
            found("// unsafe\nlet a = \"unsafe { }\"; /* unsafe impl */"),
            [""; 0]
        );
    }

    #[test]
    fn entries_without_unsafe_are_found() {
        assert_eq!(idle_edges(&[]).len(), EDGES.len());
        let ring = Source::new("crates/ring/src/lib.rs", "unsafe { }");
        assert_eq!(idle_edges(&[ring]).len(), EDGES.len() - 1);
    }
}
