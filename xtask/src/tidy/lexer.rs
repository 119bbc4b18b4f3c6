//! Rust text as tokens and comments, with their lines.
//!
//! A lexer of our own, not `syn`: the rules need the comments, which `syn` drops, and the insides
//! of macro calls, which it leaves alone; and none of them needs more than matching brackets.

/// What a token is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A word: an identifier or keyword.
    Word,
    /// A string literal of any kind.
    Text,
    /// A number or character.
    Literal,
    /// A lifetime or label.
    Lifetime,
    /// One character of punctuation.
    Mark,
}

/// A token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Token<'a> {
    pub kind: Kind,
    pub text: &'a str,
    /// The line of its first character, from 1.
    pub line: usize,
    /// The line of its last character.
    pub line_last: usize,
}

/// A comment, documentation included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Comment<'a> {
    pub text: &'a str,
    /// The line of its first character, from 1.
    pub line: usize,
    /// The index of the token that follows it.
    pub before: usize,
}

/// The tokens and comments of a text, each in order.
#[derive(Debug, Default)]
pub(crate) struct Lexed<'a> {
    pub tokens: Vec<Token<'a>>,
    pub comments: Vec<Comment<'a>>,
}

enum Class {
    Space,
    Comment,
    Token(Kind),
}

/// Splits a text. Never fails: what is unfinished extends to the end of the text.
pub(crate) fn lex(text: &str) -> Lexed<'_> {
    let mut lexed = Lexed::default();
    let (mut rest, mut line) = (text, 1);
    while let Some(first) = rest.chars().next() {
        let (class, bytes) = classify(rest, first);
        let (text, after) = rest.split_at(bytes);
        let line_last = line + text.matches('\n').count();
        match class {
            Class::Space => {}
            Class::Comment => lexed.comments.push(Comment {
                text,
                line,
                before: lexed.tokens.len(),
            }),
            Class::Token(kind) => lexed.tokens.push(Token {
                kind,
                text,
                line,
                line_last,
            }),
        }
        (rest, line) = (after, line_last);
    }
    lexed
}

/// What `rest` begins with, and how many bytes that has.
fn classify(rest: &str, first: char) -> (Class, usize) {
    if first.is_whitespace() {
        return (Class::Space, bytes_while(rest, char::is_whitespace));
    }
    if rest.starts_with("//") {
        return (Class::Comment, rest.find('\n').unwrap_or(rest.len()));
    }
    if rest.starts_with("/*") {
        return (Class::Comment, block_comment_bytes(rest));
    }
    let (kind, bytes) = token(rest, first);
    (Class::Token(kind), bytes)
}

fn token(rest: &str, first: char) -> (Kind, usize) {
    if let Some(bytes) = string_bytes(rest) {
        (Kind::Text, bytes)
    } else if first == '\'' {
        quote(rest)
    } else if rest.starts_with("b'") {
        let (kind, bytes) = quote(&rest[1..]);
        (kind, 1 + bytes)
    } else if is_word(first) && !first.is_ascii_digit() {
        let raw = if rest.starts_with("r#") { 2 } else { 0 };
        (Kind::Word, raw + bytes_while(&rest[raw..], is_word))
    } else if first.is_ascii_digit() {
        (Kind::Literal, number_bytes(rest))
    } else {
        (Kind::Mark, first.len_utf8())
    }
}

fn is_word(c: char) -> bool {
    c == '_' || c.is_alphanumeric()
}

fn bytes_while(text: &str, belongs: impl Fn(char) -> bool) -> usize {
    text.find(|c| !belongs(c)).unwrap_or(text.len())
}

/// `1_000u64` and `1.5`, but of `1..5` and `1.max(2)` only the `1`.
fn number_bytes(text: &str) -> usize {
    let whole = bytes_while(text, is_word);
    let fraction = text[whole..].strip_prefix('.').unwrap_or_default();
    if fraction.starts_with(|c: char| c.is_ascii_digit()) {
        whole + 1 + bytes_while(fraction, is_word)
    } else {
        whole
    }
}

/// Block comments nest.
fn block_comment_bytes(text: &str) -> usize {
    let (mut at, mut depth) = (0, 0_usize);
    loop {
        let Some(next) = text[at..].find(['/', '*']) else {
            return text.len();
        };
        at += next;
        match text.get(at..at + 2) {
            Some("/*") => depth += 1,
            Some("*/") => depth -= 1,
            _ => {
                at += 1;
                continue;
            }
        }
        at += 2;
        if depth == 0 {
            return at;
        }
    }
}

/// The length of the string literal at the start of `text`, if one is there: `"…"`, `b"…"`,
/// `c"…"`, `r#"…"#` and their combinations.
fn string_bytes(text: &str) -> Option<usize> {
    let prefix = bytes_while(text, |c| matches!(c, 'b' | 'c' | 'r'));
    let raw = text[..prefix].ends_with('r');
    let hashes = if raw {
        bytes_while(&text[prefix..], |c| c == '#')
    } else {
        0
    };
    let body = text[prefix + hashes..].strip_prefix('"')?;
    let end = if raw {
        let closing = format!("\"{}", "#".repeat(hashes));
        body.find(&closing).map(|at| at + closing.len())
    } else {
        escaped_bytes(body, '"')
    };
    Some(prefix + hashes + 1 + end.unwrap_or(body.len()))
}

/// The bytes up to and with the `closing` that no backslash escapes.
fn escaped_bytes(body: &str, closing: char) -> Option<usize> {
    let mut characters = body.char_indices();
    while let Some((at, c)) = characters.next() {
        if c == closing {
            return Some(at + c.len_utf8());
        }
        if c == '\\' {
            characters.next();
        }
    }
    None
}

/// What a `'` begins: `'a'` is a character, `'a` a lifetime.
fn quote(text: &str) -> (Kind, usize) {
    let body = &text[1..];
    let Some(first) = body.chars().next() else {
        return (Kind::Mark, 1);
    };
    if first == '\\' {
        let end = escaped_bytes(body, '\'').unwrap_or(body.len());
        return (Kind::Literal, 1 + end);
    }
    if body[first.len_utf8()..].starts_with('\'') {
        return (Kind::Literal, 2 + first.len_utf8());
    }
    (Kind::Lifetime, 1 + bytes_while(body, is_word))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<&str> {
        lex(text).tokens.iter().map(|token| token.text).collect()
    }

    #[test]
    fn braces_in_strings_and_characters_are_not_braces() {
        assert_eq!(
            words(r##"f("{\"", '{', b'\'', '\u{7b}', r#"}"{"#, br"}", c"{")"##),
            [
                "f",
                "(",
                r#""{\"""#,
                ",",
                "'{'",
                ",",
                r"b'\''",
                ",",
                r"'\u{7b}'",
                ",",
                r##"r#"}"{"#"##,
                ",",
                r#"br"}""#,
                ",",
                r#"c"{""#,
                ")"
            ]
        );
    }

    #[test]
    fn lifetimes_are_not_characters() {
        let lexed = lex("<'a, 'static> 'a' 'ö'");
        let kinds: Vec<_> = lexed.tokens.iter().map(|token| token.kind).collect();
        use Kind::{Lifetime, Literal, Mark};
        assert_eq!(
            kinds,
            [Mark, Lifetime, Mark, Lifetime, Mark, Literal, Literal]
        );
    }

    #[test]
    fn numbers_end_before_ranges_and_methods() {
        assert_eq!(
            words("0..1_0u8 1.5 1.max(2)").join(" "),
            "0 . . 1_0u8 1.5 1 . max ( 2 )"
        );
    }

    #[test]
    fn comments_nest_and_know_their_line_and_the_next_token() {
        let lexed = lex("a /* x /* y */\n */ b // c \"\n\"d\ne\" f");
        let comments: Vec<_> = lexed.comments.iter().map(|c| (c.line, c.before)).collect();
        assert_eq!(comments, [(1, 1), (2, 2)]);
        let lines: Vec<_> = lexed.tokens.iter().map(|t| (t.line, t.line_last)).collect();
        assert_eq!(lines, [(1, 1), (2, 2), (3, 4), (4, 4)]);
    }

    #[test]
    fn what_is_unfinished_ends_with_the_text() {
        for text in ["\"a", "r#\"a\"", "/* a", "'", "'\\", "b'", "/*/"] {
            let lexed = lex(text);
            assert_eq!(lexed.tokens.len() + lexed.comments.len(), 1, "{text}");
        }
    }

    #[test]
    fn raw_words_are_words() {
        assert_eq!(words("r#fn bcr x"), ["r#fn", "bcr", "x"]);
    }
}
