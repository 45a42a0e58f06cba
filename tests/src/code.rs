//! Counting what a reviewer has to read: code lines without blanks, comments and tests, and `unsafe`.
//!
//! The compiler's own tokens are counted, not text: a line counts if a token stands on it that is neither documentation
//! nor part of an item under `#[cfg(test)]` or of the attack suite's build.

use anyhow::{Context, Result, anyhow};
use proc_macro2::{Delimiter, Group, LineColumn, TokenStream, TokenTree};
use std::{
    collections::BTreeSet,
    fs,
    iter::Peekable,
    ops::AddAssign,
    path::{Path, PathBuf},
};

/// What a file or crate has to read.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Size {
    /// Lines with code on them.
    pub lines: usize,
    /// `unsafe` blocks, functions, implementations and traits.
    pub unsafe_blocks: usize,
}

impl AddAssign for Size {
    fn add_assign(&mut self, other: Self) {
        self.lines += other.lines;
        self.unsafe_blocks += other.unsafe_blocks;
    }
}

/// Counts the Rust files below `folder/src`.
pub fn of_crate(folder: &Path) -> Result<Size> {
    let mut size = Size::default();
    for file in rust_files(&folder.join("src"))? {
        let text = fs::read_to_string(&file).with_context(|| format!("cannot read {}", file.display()))?;
        size += of_text(&text).with_context(|| format!("cannot count {}", file.display()))?;
    }
    Ok(size)
}

/// All Rust files below a folder that belong to the product; `tests.rs` and `tests/` are tests.
pub fn rust_files(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    let entries = fs::read_dir(folder).with_context(|| format!("cannot list {}", folder.display()))?;
    for entry in entries {
        let path = entry?.path();
        if path.file_stem().is_some_and(|name| name == "tests") {
            continue;
        }
        if path.is_dir() {
            files.extend(rust_files(&path)?);
        } else if path.extension().is_some_and(|e| e == "rs") {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

/// Counts one file's text.
pub fn of_text(text: &str) -> Result<Size> {
    let tokens: TokenStream = text.parse().map_err(|e| anyhow!("not Rust: {e}"))?;
    let mut counter = Counter::default();
    counter.walk(tokens);
    Ok(Size { lines: counter.lines.len(), unsafe_blocks: counter.unsafe_blocks })
}

/// What no device is built with, see `sandbox/src/arms.rs`; no more a part of the trusted base than tests are.
const ATTACK_ARMS: &str = "cfg(feature=\"attack-arms\")";

#[derive(Default)]
struct Counter {
    lines: BTreeSet<usize>,
    unsafe_blocks: usize,
}

impl Counter {
    fn walk(&mut self, stream: TokenStream) {
        let mut tokens = stream.into_iter().peekable();
        while let Some(token) = tokens.next() {
            if let TokenTree::Punct(punct) = &token
                && punct.as_char() == '#'
                && let Some(attribute) = attribute(&mut tokens)
            {
                match name_and_argument(&attribute).as_str() {
                    "doc" => {}
                    "cfg(test)" | ATTACK_ARMS => skip_item(&mut tokens),
                    _ => self.group(attribute),
                }
                continue;
            }
            self.token(token, tokens.peek());
        }
    }

    fn token(&mut self, token: TokenTree, next: Option<&TokenTree>) {
        match token {
            TokenTree::Group(group) => self.group(group),
            TokenTree::Ident(ident) if ident == "unsafe" => {
                self.count(ident.span().start(), ident.span().end());
                // `unsafe(no_mangle)` is an attribute's, and `unsafe extern` declares.
                self.unsafe_blocks += usize::from(match next {
                    Some(TokenTree::Group(group)) => group.delimiter() == Delimiter::Brace,
                    Some(TokenTree::Ident(word)) => word == "fn" || word == "impl" || word == "trait",
                    _ => false,
                });
            }
            other => self.count(other.span().start(), other.span().end()),
        }
    }

    fn group(&mut self, group: Group) {
        if group.delimiter() != Delimiter::None {
            self.count(group.span_open().start(), group.span_open().end());
            self.count(group.span_close().start(), group.span_close().end());
        }
        self.walk(group.stream());
    }

    fn count(&mut self, from: LineColumn, to: LineColumn) {
        self.lines.extend(from.line..=to.line);
    }
}

type Tokens = Peekable<proc_macro2::token_stream::IntoIter>;

/// The bracketed part of an attribute whose `#` was just read; with `!` for inner ones.
fn attribute(tokens: &mut Tokens) -> Option<Group> {
    if matches!(tokens.peek(), Some(TokenTree::Punct(p)) if p.as_char() == '!') {
        tokens.next();
    }
    match tokens.peek() {
        Some(TokenTree::Group(group)) if group.delimiter() == Delimiter::Bracket => {
            let group = group.clone();
            tokens.next();
            Some(group)
        }
        _ => None,
    }
}

/// `doc` for documentation, else the attribute's whole text.
fn name_and_argument(attribute: &Group) -> String {
    let text = attribute.stream().to_string().replace(' ', "");
    if text.starts_with("doc=") { "doc".to_owned() } else { text }
}

/// Reads over the item behind `#[cfg(test)]`: to its braces or its semicolon, with further attributes in between.
fn skip_item(tokens: &mut Tokens) {
    for token in tokens.by_ref() {
        match token {
            TokenTree::Punct(p) if p.as_char() == ';' || p.as_char() == ',' => return,
            TokenTree::Group(group) if group.delimiter() == Delimiter::Brace => return,
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blanks_comments_documentation_and_tests_are_not_counted() {
        let text = "//! Docs.\n\n/// More.\n#[derive(Debug)]\nfn a() {\n    // why\n    b();\n}\n\n#[cfg(test)]\n#[expect(x)]\nmod tests {\n  fn t() { unsafe {} }\n}\nconst A: u8 = 1;\n";
        assert_eq!(of_text(text).unwrap(), Size { lines: 5, unsafe_blocks: 0 });
    }

    #[test]
    fn unsafe_blocks_functions_and_implementations_are_counted() {
        let text = "unsafe fn a() { unsafe { b() } }\nunsafe impl Send for X {}\n#[unsafe(no_mangle)]\nfn c() {}\n";
        assert_eq!(of_text(text).unwrap(), Size { lines: 4, unsafe_blocks: 3 });
    }

    #[test]
    fn a_text_over_several_lines_counts_with_all_of_them() {
        assert_eq!(of_text("const A: &str = \"a\nb\nc\";\n").unwrap().lines, 3);
    }
}
