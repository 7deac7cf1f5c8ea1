//! The Lua files that a configuration leads to: whether they compile, and whether somebody has the modules that they
//! require.
//!
//! A file is read as far as that needs: comments and strings are told from code, and a `require` with a text behind it
//! counts. What a program puts together at run time, or requires in a `pcall`, is its own business.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use super::settings::patterns;
use crate::LIBRARY;
use skynet_lua::{OLD_NAMES, foreign};

/// Files that are looked at, and folders within folders.
const MOST_FILES: usize = 20_000;
const DEEPEST: usize = 16;
/// Larger files hold data rather than code.
const LARGEST: u64 = 4 << 20;

/// Modules that Lua itself has.
const OF_LUA: &[&str] = &[
    "_G",
    "coroutine",
    "debug",
    "io",
    "math",
    "os",
    "package",
    "string",
    "table",
    "utf8",
];

/// A Lua file on a search path.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Source {
    pub(super) file: PathBuf,
    /// The key whose pattern found it.
    pub(super) key: &'static str,
}

/// A module that nobody has.
#[derive(Debug)]
pub(super) struct Missing {
    pub(super) name: String,
    /// Where it is required first.
    pub(super) file: String,
    pub(super) line: u32,
    /// Files that require it.
    pub(super) count: usize,
    pub(super) key: &'static str,
    /// What is known about it.
    pub(super) why: String,
}

/// The files that the patterns of these keys can find, each once.
pub(super) fn files(keys: &[(&'static str, &str)]) -> Vec<Source> {
    let mut found = BTreeMap::new();
    for &(key, value) in keys {
        for pattern in patterns(value) {
            let Some((before, after)) = pattern.split_once('?') else {
                continue;
            };
            // `./service/?.lua` and `./game/?/init.lua`; a name may have folders in it.
            let folder = match before.rfind('/') {
                Some(at) => &before[..=at],
                None => "./",
            };
            let after = after.rsplit('?').next().unwrap_or_default();
            walk(Path::new(folder), DEEPEST, &mut |file| {
                if found.len() < MOST_FILES
                    && file.extension().is_some_and(|ending| ending == "lua")
                    && file.to_str().is_some_and(|file| file.ends_with(after))
                {
                    found.entry(file.to_owned()).or_insert(key);
                }
            });
        }
    }
    let sources = found.into_iter();
    sources.map(|(file, key)| Source { file, key }).collect()
}

/// Calls `visit` with every file in the folder and those within. Links to folders are not followed, so there are no
/// rings.
fn walk(folder: &Path, depth: usize, visit: &mut dyn FnMut(&Path)) {
    let Ok(entries) = fs::read_dir(folder) else {
        return;
    };
    for entry in entries.flatten() {
        let hidden = entry.file_name().as_encoded_bytes().starts_with(b".");
        match entry.file_type() {
            Ok(kind) if kind.is_dir() && !hidden && depth > 0 => {
                walk(&entry.path(), depth - 1, visit);
            }
            Ok(kind) if !kind.is_dir() => visit(&entry.path()),
            _ => {}
        }
    }
}

/// The modules that the files require and nobody has.
pub(super) fn missing(sources: &[Source], path: &str, cpath: &str) -> Vec<Missing> {
    let mut missing: BTreeMap<String, Missing> = BTreeMap::new();
    for source in sources {
        let small = fs::metadata(&source.file).is_ok_and(|data| data.len() <= LARGEST);
        let Some(text) = small.then(|| fs::read(&source.file).ok()).flatten() else {
            continue;
        };
        let mut seen = BTreeSet::new();
        for (name, line) in required(&text) {
            if !seen.insert(name.clone()) {
                continue;
            }
            if let Some(known) = missing.get_mut(&name) {
                known.count += 1;
            } else if let Err(why) = find(&name, &source.file, path, cpath) {
                let file = source.file.display().to_string();
                missing.insert(
                    name.clone(),
                    Missing {
                        name,
                        file: file.strip_prefix("./").unwrap_or(&file).to_owned(),
                        line,
                        count: 1,
                        key: source.key,
                        why,
                    },
                );
            }
        }
    }
    missing.into_values().collect()
}

/// Looks for a module as `require` in that file does; what is known about it if there is none.
fn find(name: &str, by: &Path, path: &str, cpath: &str) -> Result<(), String> {
    let here = OF_LUA.contains(&name)
        || LIBRARY.open(name).is_some()
        || LIBRARY.module(name).is_some()
        || LIBRARY.module(&format!("{OLD_NAMES}.{name}")).is_some();
    let inside = name.replace('.', "/");
    let is_file = |pattern: &str, name: &str| {
        let file = pattern.replace('?', name);
        Path::new(&file).is_file().then_some(file)
    };
    // A service with a folder of its own, and a snax service, have their folder in front of the path.
    let own = || {
        let folder = by.parent().unwrap_or(Path::new("."));
        let beside = folder.join(format!("{inside}.lua"));
        let within = by.with_extension("").join(format!("{inside}.lua"));
        beside.is_file() || within.is_file()
    };
    if here || patterns(path).any(|pattern| is_file(pattern, &inside).is_some()) || own() {
        return Ok(());
    }
    let root = name.split_once('.').map(|(root, _)| root);
    let names = std::iter::once(inside.as_str()).chain(root);
    let mut why = (LIBRARY.hint)(name).unwrap_or_default();
    for inside in names {
        let Some(file) = patterns(cpath).find_map(|pattern| is_file(pattern, inside)) else {
            continue;
        };
        match foreign::original(&file).and_then(|original| original.refusal(&LIBRARY, &file, name))
        {
            None => return Ok(()),
            Some(refusal) => why = refusal,
        }
    }
    Err(why)
}

/// The libraries of skynet (C) that the patterns can find, and what is to be said about them.
pub(super) fn originals(cpath: &str) -> Vec<(String, String)> {
    let mut found = BTreeMap::new();
    for pattern in patterns(cpath) {
        let Some((folder, after)) = pattern.split_once('?') else {
            continue;
        };
        let folder = if folder.is_empty() { "./" } else { folder };
        walk(Path::new(folder), 0, &mut |file| {
            let name = file.display().to_string();
            if name.ends_with(after)
                && let Some(original) = foreign::original(&name)
            {
                found.insert(name, original.about(&LIBRARY));
            }
        });
    }
    found.into_iter().collect()
}

/// The modules that a Lua text requires by their names, with lines.
fn required(text: &[u8]) -> Vec<(String, u32)> {
    let mut reader = Reader {
        text,
        at: 0,
        line: 1,
    };
    let mut found = Vec::new();
    // The line of a `require` that waits for its text, and what came last, to tell `require "x"` from `t.require "x"`.
    let (mut asked, mut last) = (None, Token::Other(b' '));
    while let Some(token) = reader.next() {
        match &token {
            Token::Text(name) => {
                if let (Some(line), Ok(name)) = (asked.take(), std::str::from_utf8(name))
                    && reader.peek() != Some(b'.')
                {
                    found.push((name.to_owned(), line));
                }
            }
            Token::Name(b"require") if !matches!(last, Token::Other(b'.' | b':')) => {
                asked = Some(reader.line);
            }
            Token::Other(b'(') if matches!(last, Token::Name(b"require")) => {}
            _ => asked = None,
        }
        last = token;
    }
    found
}

enum Token<'a> {
    Name(&'a [u8]),
    Text(&'a [u8]),
    Other(u8),
}

/// Splits a Lua text, roughly: names, strings, single signs.
struct Reader<'a> {
    text: &'a [u8],
    at: usize,
    line: u32,
}

impl<'a> Reader<'a> {
    fn skip(&mut self, to: usize) -> &'a [u8] {
        let skipped = &self.text[self.at..to];
        self.line += skipped.iter().filter(|&&byte| byte == b'\n').count() as u32;
        self.at = to;
        skipped
    }

    fn blanks(&mut self) {
        while let Some(&byte) = self.text.get(self.at) {
            if byte.is_ascii_whitespace() {
                self.skip(self.at + 1);
            } else if self.text[self.at..].starts_with(b"--") {
                self.at += 2;
                if self.long().is_none() {
                    let rest = &self.text[self.at..];
                    let end = rest.iter().position(|&byte| byte == b'\n');
                    self.skip(self.at + end.unwrap_or(rest.len()));
                }
            } else {
                return;
            }
        }
    }

    /// A text in long brackets, if one begins here.
    fn long(&mut self) -> Option<&'a [u8]> {
        let rest = self.text[self.at..].strip_prefix(b"[")?;
        let level = rest.iter().take_while(|&&byte| byte == b'=').count();
        let rest = rest[level..].strip_prefix(b"[")?;
        let end = [b"]", &b"=".repeat(level)[..], b"]"].concat();
        let length = rest.windows(end.len()).position(|part| part == end);
        let from = self.text.len() - rest.len();
        let to = length.map_or(self.text.len(), |length| from + length);
        self.skip((to + end.len()).min(self.text.len()));
        Some(&self.text[from..to])
    }

    /// The sign that comes next.
    fn peek(&mut self) -> Option<u8> {
        self.blanks();
        self.text.get(self.at).copied()
    }

    fn next(&mut self) -> Option<Token<'a>> {
        let first = self.peek()?;
        if let Some(text) = self.long() {
            return Some(Token::Text(text));
        }
        let word = |byte: &&u8| byte.is_ascii_alphanumeric() || **byte == b'_';
        let length = self.text[self.at..].iter().take_while(word).count();
        if length > 0 {
            return Some(Token::Name(self.skip(self.at + length)));
        }
        if first != b'"' && first != b'\'' {
            self.at += 1;
            return Some(Token::Other(first));
        }
        let from = self.at + 1;
        let mut to = from;
        while let Some(&byte) = self.text.get(to)
            && byte != first
            && byte != b'\n'
        {
            to += if byte == b'\\' { 2 } else { 1 };
        }
        let to = to.min(self.text.len());
        self.skip((to + 1).min(self.text.len()));
        Some(Token::Text(&self.text[from..to]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_required() {
        let text = br#"
            local a = require "a"
            -- require "comment"
            --[==[ require "long"
            ]] ]==] local b = require('b.c')
            local c = require [[d]] .. require
            x.require "e" x:require 'f' pcall(require, "g")
            local s = "require 'h'" .. 'it\'s require "i"'
            require("j" .. name) require(
                "k"
            )
            require"#;
        let found = required(text);
        let names: Vec<_> = found
            .iter()
            .map(|(name, line)| (name.as_str(), *line))
            .collect();
        assert_eq!(names, [("a", 2), ("b.c", 5), ("k", 9)]);
        for end in ["require 'x", "require [[x", "--[[", "\\", "'\\"] {
            required(end.as_bytes());
        }
    }
}
