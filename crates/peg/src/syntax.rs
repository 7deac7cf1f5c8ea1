//! The syntax of `re`: patterns as texts that look like regular expressions.
//!
//! A text becomes a program for a machine with a stack of patterns: what stands for itself is pushed, and operators
//! take their operands, so that parts come in the order of the text and before the whole. The program is what the host
//! language makes patterns by, from values that are only there.

use crate::Set;

/// A step. Texts are parts of the source.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Step<'a> {
    /// Pushes the text itself.
    Literal(&'a [u8]),
    /// Pushes any byte.
    Any,
    /// Pushes a byte of this set.
    Set(Set),
    /// Pushes what is defined under the name, `%name`.
    Named(&'a [u8]),
    /// Pushes the text of the last group of that name, `=name`.
    Back(&'a [u8]),
    /// Pushes a rule of the grammar around it.
    Rule(&'a [u8]),
    /// The same where there is no grammar.
    Stray(&'a [u8]),
    /// Pushes the position, `{}`.
    Position,
    /// The last so many, one after the other.
    Sequence(usize),
    /// The first of the last so many that matches.
    Choice(usize),
    /// Any byte, but the last.
    Complement,
    /// `&`
    Look,
    /// `!`
    Not,
    /// `+`, `*`, `?` and `^` with a sign: the last, with a number as `lpeg` has it.
    Repeat(&'a [u8]),
    /// `^` with a number: exactly so often.
    Times(&'a [u8]),
    /// `-> 'text'`
    Format(&'a [u8]),
    /// `-> number`
    Select(&'a [u8]),
    /// `-> name`
    Apply(&'a [u8]),
    /// `>> name`
    Accumulate(&'a [u8]),
    /// `=> name`
    Decide(&'a [u8]),
    /// `~> name`
    Fold(&'a [u8]),
    /// `{ … }`
    Simple,
    /// `{| … |}` and `-> {}`
    Table,
    /// `{~ … ~}`
    Substitution,
    /// `{: … :}`
    Group,
    /// `{:name: … :}`
    NamedGroup(&'a [u8]),
    /// Begins a grammar, whose first rule has this name.
    Grammar(&'a [u8]),
    /// A rule of that name is to come.
    Define(&'a [u8]),
    /// The last is the rule of that name.
    Enter(&'a [u8]),
    /// The grammar ends, and is pushed.
    End,
}

/// Why a text is no pattern.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SyntaxError {
    /// What begins at this place, from 0, can't be there.
    #[error("a mistake at byte {0}")]
    Mistake(usize),
    /// Brackets lie too deep in each other.
    #[error("pattern is nested too deep")]
    TooDeep,
}

/// How deep brackets may lie in each other.
const DEPTH: usize = 400;

/// The program of a text.
///
/// # Errors
/// The first mistake.
pub fn parse(text: &[u8]) -> Result<Vec<Step<'_>>, SyntaxError> {
    let mut parser = Parser {
        text,
        steps: Vec::with_capacity(16),
        depth: 0,
    };
    let end = parser.expression(0, false)?;
    match end < text.len() {
        true => Err(SyntaxError::Mistake(end)),
        false => Ok(parser.steps),
    }
}

struct Parser<'a> {
    text: &'a [u8],
    steps: Vec<Step<'a>>,
    depth: usize,
}

/// Where something ends; none if it is not there.
type Found = Result<Option<usize>, SyntaxError>;

fn begins_name(byte: u8) -> bool {
    byte.is_ascii_alphabetic() || byte == b'_'
}

fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t'..=b'\r')
}

impl<'a> Parser<'a> {
    fn byte(&self, at: usize) -> Option<u8> {
        self.text.get(at).copied()
    }

    fn is(&self, at: usize, what: &[u8]) -> bool {
        self.text
            .get(at..)
            .is_some_and(|rest| rest.starts_with(what))
    }

    fn push(&mut self, step: Step<'a>) {
        self.steps.push(step);
    }

    /// Where the first byte is from `at` on of which something is not so.
    fn pass(&self, at: usize, mut which: impl FnMut(u8) -> bool) -> usize {
        let rest = self.text.get(at..).unwrap_or_default();
        at + rest.iter().position(|&b| !which(b)).unwrap_or(rest.len())
    }

    /// Where the space and the comments end that begin at a place.
    fn skip(&self, mut at: usize) -> usize {
        loop {
            at = self.pass(at, is_space);
            if !self.is(at, b"--") {
                return at;
            }
            at = self.pass(at, |b| b != b'\n');
        }
    }

    fn name(&self, at: usize) -> Option<(usize, &'a [u8])> {
        begins_name(self.byte(at)?).then(|| {
            let end = self.pass(at, |b| begins_name(b) || b.is_ascii_digit());
            (end, &self.text[at..end])
        })
    }

    fn digits(&self, at: usize) -> Option<usize> {
        let end = self.pass(at, |b| b.is_ascii_digit());
        (end > at).then_some(end)
    }

    /// Where the text in quotes ends that begins here, and what it is.
    fn quoted(&self, at: usize) -> Option<(usize, &'a [u8])> {
        let quote = self.byte(at).filter(|b| matches!(b, b'"' | b'\''))?;
        let end = self.pass(at + 1, |b| b != quote);
        (end < self.text.len()).then(|| (end + 1, &self.text[at + 1..end]))
    }

    /// Where the body of a rule begins, if its name ends at a place.
    fn body(&self, at: usize) -> Option<usize> {
        let at = self.skip(at);
        self.is(at, b"<-").then_some(at + 2)
    }

    /// A rule that is defined here: where its body begins, and its name.
    fn definition(&self, at: usize) -> Option<(usize, &'a [u8])> {
        let (end, name) = self.name(at)?;
        Some((self.body(end)?, name))
    }

    fn expression(&mut self, at: usize, grammar: bool) -> Result<usize, SyntaxError> {
        self.depth += 1;
        if self.depth > DEPTH {
            return Err(SyntaxError::TooDeep);
        }
        let mut at = self.skip(at);
        if let Some((mut start, mut name)) = self.definition(at) {
            self.push(Step::Grammar(name));
            loop {
                self.push(Step::Define(name));
                at = self.expression(start, true)?;
                self.push(Step::Enter(name));
                match self.definition(at) {
                    Some(next) => (start, name) = next,
                    None => break,
                }
            }
            self.push(Step::End);
        } else {
            at = self.sequence(at, grammar)?;
            let mut choices = 1;
            while self.byte(at) == Some(b'/') {
                at = self.skip(at + 1);
                at = self.sequence(at, grammar)?;
                choices += 1;
            }
            if choices > 1 {
                self.push(Step::Choice(choices));
            }
        }
        self.depth -= 1;
        Ok(at)
    }

    /// A sequence ends where something stands that can follow one.
    fn sequence(&mut self, mut at: usize, grammar: bool) -> Result<usize, SyntaxError> {
        let mut parts = 0;
        while !matches!(self.byte(at), Some(b'/' | b')' | b'}' | b':' | b'~' | b'|')) {
            let before = self.steps.len();
            match self.prefix(at, grammar)? {
                Some(next) => at = next,
                None => {
                    self.steps.truncate(before);
                    break;
                }
            }
            parts += 1;
        }
        if parts != 1 {
            self.push(Step::Sequence(parts));
        }
        let ends = match self.byte(at) {
            None | Some(b'/' | b')' | b'}') => true,
            Some(b':' | b'~' | b'|') if self.byte(at + 1) == Some(b'}') => true,
            _ => self.definition(at).is_some(),
        };
        match ends {
            true => Ok(at),
            false => Err(SyntaxError::Mistake(at)),
        }
    }

    fn prefix(&mut self, mut at: usize, grammar: bool) -> Found {
        let mut looks = Vec::new();
        while let Some(sign @ (b'&' | b'!')) = self.byte(at) {
            looks.push(sign);
            at = self.skip(at + 1);
        }
        let Some(next) = self.primary(at, grammar)? else {
            return Ok(None);
        };
        let mut end = self.skip(next);
        while let Some(next) = self.suffix(end) {
            end = self.skip(next);
        }
        // The innermost one is applied first.
        for sign in looks.into_iter().rev() {
            self.push(match sign {
                b'&' => Step::Look,
                _ => Step::Not,
            });
        }
        Ok(Some(end))
    }

    fn primary(&mut self, at: usize, grammar: bool) -> Found {
        let rule = |name| match grammar {
            true => Step::Rule(name),
            false => Step::Stray(name),
        };
        match self.byte(at) {
            Some(b'(') => {
                let next = self.expression(at + 1, grammar)?;
                Ok((self.byte(next) == Some(b')')).then_some(next + 1))
            }
            Some(b'"' | b'\'') => Ok(self.quoted(at).map(|(next, text)| {
                self.push(Step::Literal(text));
                next
            })),
            Some(b'[') => Ok(self.class(at + 1)),
            Some(sign @ (b'%' | b'=')) => Ok(self.name(at + 1).map(|(next, name)| {
                self.push(match sign {
                    b'%' => Step::Named(name),
                    _ => Step::Back(name),
                });
                next
            })),
            Some(b'{') => self.bracket(at, grammar),
            Some(b'.') => {
                self.push(Step::Any);
                Ok(Some(at + 1))
            }
            Some(b'<') => {
                let name = self.name(at + 1);
                let name = name.filter(|(next, _)| self.byte(*next) == Some(b'>'));
                Ok(name.map(|(next, name)| {
                    self.push(rule(name));
                    next + 1
                }))
            }
            _ => {
                let name = self.name(at);
                let name = name.filter(|(next, _)| self.body(*next).is_none());
                Ok(name.map(|(next, name)| {
                    self.push(rule(name));
                    next
                }))
            }
        }
    }

    /// A class, from behind its bracket.
    fn class(&mut self, mut at: usize) -> Option<usize> {
        let complement = self.byte(at) == Some(b'^');
        at += usize::from(complement);
        let mut set = Set::EMPTY;
        let mut names = 0;
        let mut own = false;
        let before = self.steps.len();
        loop {
            let first = self.byte(at)?;
            let name = match first {
                b'%' => self.name(at + 1),
                _ => None,
            };
            let last = self.byte(at + 2).filter(|&b| b != b']');
            if let Some((next, name)) = name {
                self.push(Step::Named(name));
                names += 1;
                at = next;
            } else if self.byte(at + 1) == Some(b'-')
                && let Some(last) = last
            {
                set.add_range(first, last);
                own = true;
                at += 3;
            } else {
                set.add(first);
                own = true;
                at += 1;
            }
            match self.byte(at) {
                Some(b']') => break,
                Some(_) => {}
                None => return None,
            }
        }
        if names == 0 {
            self.push(Step::Set(match complement {
                true => set.complement(),
                false => set,
            }));
            return Some(at + 1);
        }
        if own {
            self.steps.insert(before, Step::Set(set));
            names += 1;
        }
        if names > 1 {
            self.push(Step::Choice(names));
        }
        if complement {
            self.push(Step::Complement);
        }
        Some(at + 1)
    }

    /// Something between braces, and what has to follow.
    fn enclosed(&mut self, at: usize, grammar: bool, close: &[u8], step: Step<'a>) -> Found {
        let next = self.expression(at, grammar)?;
        if !self.is(next, close) {
            return Ok(None);
        }
        self.push(step);
        Ok(Some(next + close.len()))
    }

    fn bracket(&mut self, at: usize, grammar: bool) -> Found {
        let before = self.steps.len();
        let found = match self.byte(at + 1) {
            Some(b':') => {
                let name = self.name(at + 2);
                match name.filter(|(end, _)| self.byte(*end) == Some(b':')) {
                    Some((end, name)) => {
                        self.enclosed(end + 1, grammar, b":}", Step::NamedGroup(name))?
                    }
                    None => self.enclosed(at + 2, grammar, b":}", Step::Group)?,
                }
            }
            Some(b'}') => {
                self.push(Step::Position);
                Some(at + 2)
            }
            Some(b'~') => self.enclosed(at + 2, grammar, b"~}", Step::Substitution)?,
            Some(b'|') => self.enclosed(at + 2, grammar, b"|}", Step::Table)?,
            _ => None,
        };
        if found.is_some() {
            return Ok(found);
        }
        self.steps.truncate(before);
        self.enclosed(at + 1, grammar, b"}", Step::Simple)
    }

    /// One of the things that follow a primary.
    fn suffix(&mut self, at: usize) -> Option<usize> {
        let count: &[u8] = match self.byte(at)? {
            b'+' => b"1",
            b'*' => b"0",
            b'?' => b"-1",
            b'^' => {
                let signed = matches!(self.byte(at + 1), Some(b'+' | b'-'));
                let end = self.digits(at + 1 + usize::from(signed))?;
                let number = &self.text[at + 1..end];
                self.push(match signed {
                    true => Step::Repeat(number),
                    false => Step::Times(number),
                });
                return Some(end);
            }
            b'-' | b'=' | b'>' | b'~' => return self.arrow(at),
            _ => return None,
        };
        self.push(Step::Repeat(count));
        Some(at + 1)
    }

    /// An arrow and what follows it.
    fn arrow(&mut self, at: usize) -> Option<usize> {
        let kind = self.text.get(at..at + 2)?;
        let make: fn(&'a [u8]) -> Step<'a> = match kind {
            b"->" => Step::Apply,
            b"=>" => Step::Decide,
            b">>" => Step::Accumulate,
            b"~>" => Step::Fold,
            _ => return None,
        };
        let start = self.skip(at + 2);
        let (end, step) = if let Some((end, name)) = self.name(start) {
            (end, make(name))
        } else if kind != b"->" {
            return None;
        } else if self.is(start, b"{}") {
            (start + 2, Step::Table)
        } else if let Some((end, text)) = self.quoted(start) {
            (end, Step::Format(text))
        } else {
            let end = self.digits(start)?;
            (end, Step::Select(&self.text[start..end]))
        };
        self.push(step);
        Some(end)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_come_before_the_whole() {
        let steps = parse(b"S <- '(' ([^()] / S)* ')' / {[a-z]+} -> {}").unwrap();
        let set = |bytes: &[u8]| Step::Set(Set::of(bytes));
        let letters: Vec<u8> = (b'a'..=b'z').collect();
        let expected = [
            Step::Grammar(b"S"),
            Step::Define(b"S"),
            Step::Literal(b"("),
            Step::Set(Set::of(b"()").complement()),
            Step::Rule(b"S"),
            Step::Choice(2),
            Step::Repeat(b"0"),
            Step::Literal(b")"),
            Step::Sequence(3),
            set(&letters),
            Step::Repeat(b"1"),
            Step::Simple,
            Step::Table,
            Step::Choice(2),
            Step::Enter(b"S"),
            Step::End,
        ];
        assert_eq!(steps, expected);
    }

    #[test]
    fn prefixes_and_suffixes() {
        let steps = parse(b"!&. ^-3 -- a comment\n >> f").unwrap();
        let expected = [
            Step::Any,
            Step::Repeat(b"-3"),
            Step::Accumulate(b"f"),
            Step::Look,
            Step::Not,
        ];
        assert_eq!(steps, expected);
    }

    #[test]
    fn mistakes_have_a_place() {
        for (text, at) in [
            ("'a' -", 4),
            ("(", 0),
            ("a)", 1),
            ("'a", 0),
            ("[a", 0),
            ("{: a }", 1),
            ("a -> ", 2),
        ] {
            let error = parse(text.as_bytes());
            assert_eq!(error, Err(SyntaxError::Mistake(at)), "{text}");
        }
        let deep = "(".repeat(100_000);
        assert_eq!(parse(deep.as_bytes()), Err(SyntaxError::TooDeep));
    }
}
