//! Fuzz target `peg`: random patterns on random subjects, against a matcher that does what the manual says and nothing
//! else.
//!
//! The first bytes of an input say which pattern, the others are the subject.

use skynet_peg::{Capture, Entry, Event, Kind, Machine, RuleDef, Set, Tree, View, compile};

/// A pattern as the plain matcher has it.
enum Plain {
    True,
    False,
    Any(u32),
    Set(Set),
    Utf8(u32, u32),
    Seq(Vec<Plain>),
    Choice(Vec<Plain>),
    Star(u32, Box<Plain>),
    AtMost(u32, Box<Plain>),
    Not(Box<Plain>),
    And(Box<Plain>),
    Behind(u32, Box<Plain>),
    Capture(u16, Box<Plain>),
    Time(u16, Box<Plain>),
    Rule(usize),
}

/// A capture: its key, where it begins and ends, and those inside; or a value of a match-time function, by where that
/// went on.
#[derive(Clone, PartialEq, Debug)]
enum Found {
    Capture(u16, usize, usize, Vec<Found>),
    Value(usize),
}

/// What the match-time functions do: how far they go on and with how many values, or nothing if they do not match.
fn decide(key: u16, at: usize, length: usize, inside: usize) -> Option<(usize, u32)> {
    match (at + usize::from(key) + inside) % 5 {
        0 => None,
        1 if at < length => Some((at + 1, 1)),
        n => Some((at, n as u32 - 1)),
    }
}

/// Runs both and compares: where the match ends, the captures, and the calls of match-time functions.
pub fn check(bytes: &[u8]) {
    let mut input = Input { bytes, nodes: 60 };
    let rules = usize::from(input.byte() % 4);
    let (tree, plain) = match rules {
        0 => {
            let (tree, plain) = input.pattern(0, 0);
            (tree, vec![plain])
        }
        _ => {
            let (trees, plain): (Vec<_>, Vec<_>) =
                (0..rules).map(|_| input.pattern(rules, 0)).unzip();
            let rules: Vec<_> = trees
                .iter()
                .map(|tree| RuleDef {
                    body: tree.view(),
                    shift: 0,
                })
                .collect();
            match Tree::grammar(&rules, |key| Some(usize::from(key) - 1)) {
                Ok(tree) => (tree, plain),
                Err(_) => return,
            }
        }
    };
    let subject = input.bytes;
    let mut matcher = Matcher {
        rules: &plain,
        subject,
        calls: Vec::new(),
        left: 20_000,
    };
    let mut found = Vec::new();
    let Some(end) = matcher.run(&plain[0], 0, &mut found, 0) else {
        return;
    };
    let (end_here, found_here, calls_here) = run(tree.view(), subject);
    let nodes = &tree.nodes;
    assert_eq!(end_here, end, "{nodes:?} on {subject:?}");
    assert_eq!(calls_here, matcher.calls, "{nodes:?} on {subject:?}");
    if end.is_some() {
        assert_eq!(found_here, found, "{nodes:?} on {subject:?}");
    }
}

/// The machine: where the match ends, the captures, the calls.
fn run(tree: View<'_>, subject: &[u8]) -> (Option<usize>, Vec<Found>, Vec<(u16, usize)>) {
    let program = compile(tree).expect("small and without open rules");
    let mut stack = vec![Entry::default(); 1];
    let mut captures = vec![Capture::BLANK; 1];
    let mut machine = Machine::new(0);
    let mut calls = Vec::new();
    let mut counts = Vec::new();
    loop {
        match machine.run(program.view(), subject, &mut stack, &mut captures) {
            Event::Matched => break,
            Event::Failed => return (None, Vec::new(), calls),
            Event::Pause => {}
            Event::StackFull => stack.resize(stack.len() * 2, Entry::default()),
            Event::CapturesFull { room } => {
                captures.resize(captures.len() + room, Capture::BLANK);
            }
            Event::MatchTime { open, key } => {
                calls.push((key, machine.position()));
                counts.truncate(machine.values() as usize);
                let mut place = open + 1;
                let inside = read(&captures[..machine.captures()], &mut place, &counts).len();
                match decide(key, machine.position(), subject.len(), inside) {
                    None => machine.refused(),
                    Some((at, values)) => loop {
                        match machine.matched(open, at, values, &mut captures) {
                            Some(Event::CapturesFull { room }) => {
                                captures.resize(machine.captures() + room, Capture::BLANK);
                            }
                            Some(other) => panic!("{other:?}"),
                            None => {
                                counts.truncate(machine.values() as usize - values as usize);
                                counts.extend((0..values).map(|_| at));
                                break;
                            }
                        }
                    },
                }
            }
        }
    }
    counts.truncate(machine.values() as usize);
    let mut place = 0;
    let found = read(&captures[..machine.captures()], &mut place, &counts);
    (Some(machine.position()), found, calls)
}

/// The captures from a place to the one that closes them, which is passed.
fn read(captures: &[Capture], place: &mut usize, values: &[usize]) -> Vec<Found> {
    let mut found = Vec::new();
    while let Some(capture) = captures.get(*place) {
        *place += 1;
        let at = capture.at as usize;
        match capture.kind {
            Kind::Close => break,
            Kind::Value => {
                found.push(Found::Value(values[capture.value() as usize]));
            }
            _ if capture.is_full() => {
                let end = at + usize::from(capture.length) - 1;
                found.push(Found::Capture(capture.key, at, end, Vec::new()));
            }
            kind => {
                let inside = read(captures, place, values);
                let end = captures[*place - 1].at as usize;
                match kind {
                    Kind::Group => found.extend(inside),
                    _ => found.push(Found::Capture(capture.key, at, end, inside)),
                }
            }
        }
    }
    found
}

struct Matcher<'a> {
    rules: &'a [Plain],
    subject: &'a [u8],
    calls: Vec<(u16, usize)>,
    /// Steps that it may still make.
    left: usize,
}

impl Matcher<'_> {
    /// `None` if it takes too long; else where the match ends, if it does.
    fn run(
        &mut self,
        plain: &Plain,
        at: usize,
        out: &mut Vec<Found>,
        depth: usize,
    ) -> Option<Option<usize>> {
        self.left = self.left.checked_sub(1)?;
        if depth > 300 {
            return None;
        }
        let rest = &self.subject[at..];
        let kept = out.len();
        let result = match plain {
            Plain::True => Some(at),
            Plain::False => None,
            Plain::Any(n) => (rest.len() >= *n as usize).then_some(at + *n as usize),
            Plain::Set(set) => rest.first().filter(|b| set.has(**b)).map(|_| at + 1),
            Plain::Utf8(first, last) => {
                let found = (1..=rest.len().min(4)).find_map(|n| {
                    let text = std::str::from_utf8(&rest[..n]).ok()?;
                    Some((u32::from(text.chars().next()?), n))
                });
                found
                    .filter(|(code, _)| (first..=last).contains(&code))
                    .map(|(_, n)| at + n)
            }
            Plain::Seq(parts) => {
                let mut now = Some(at);
                for part in parts {
                    let Some(from) = now else { break };
                    now = self.run(part, from, out, depth + 1)?;
                }
                now
            }
            Plain::Choice(parts) => {
                let mut now = None;
                for part in parts {
                    now = self.run(part, at, out, depth + 1)?;
                    if now.is_some() {
                        break;
                    }
                }
                now
            }
            Plain::Star(least, body) => {
                let (mut now, mut times) = (at, 0);
                while let Some(next) = self.run(body, now, out, depth + 1)? {
                    now = next;
                    times += 1;
                }
                (times >= *least).then_some(now)
            }
            Plain::AtMost(most, body) => {
                let mut now = at;
                for _ in 0..*most {
                    match self.run(body, now, out, depth + 1)? {
                        Some(next) => now = next,
                        None => break,
                    }
                }
                Some(now)
            }
            Plain::Not(body) => match self.run(body, at, out, depth + 1)? {
                Some(_) => None,
                None => Some(at),
            },
            Plain::And(body) => {
                let found = self.run(body, at, out, depth + 1)?;
                out.truncate(kept);
                found.map(|_| at)
            }
            Plain::Behind(n, body) => match at.checked_sub(*n as usize) {
                Some(from) => self.run(body, from, out, depth + 1)?.map(|_| at),
                None => None,
            },
            Plain::Capture(key, body) => {
                let mut inside = Vec::new();
                let end = self.run(body, at, &mut inside, depth + 1)?;
                if let Some(end) = end {
                    out.push(Found::Capture(*key, at, end, inside));
                }
                end
            }
            Plain::Time(key, body) => {
                let mut inside = Vec::new();
                match self.run(body, at, &mut inside, depth + 1)? {
                    None => None,
                    Some(end) => {
                        self.calls.push((*key, end));
                        let decided = decide(*key, end, self.subject.len(), inside.len());
                        decided.map(|(end, values)| {
                            out.extend((0..values).map(|_| Found::Value(end)));
                            end
                        })
                    }
                }
            }
            Plain::Rule(rule) => {
                let rules = self.rules;
                self.run(&rules[*rule], at, out, depth + 1)?
            }
        };
        if result.is_none() {
            out.truncate(kept);
        }
        Some(result)
    }
}

struct Input<'a> {
    bytes: &'a [u8],
    /// Nodes that may still be made.
    nodes: usize,
}

impl Input<'_> {
    fn byte(&mut self) -> u8 {
        let (&first, rest) = self.bytes.split_first().unwrap_or((&0, &[]));
        self.bytes = rest;
        first
    }

    /// A pattern for both.
    fn pattern(&mut self, rules: usize, depth: usize) -> (Tree, Plain) {
        let choice = self.byte();
        if self.nodes == 0 || depth > 12 {
            return (Tree::any(1), Plain::Any(1));
        }
        self.nodes -= 1;
        let more = depth + 1;
        let boxed = |(tree, plain): (Tree, Plain)| (tree, Box::new(plain));
        match choice % 20 {
            0 => (Tree::always(true), Plain::True),
            1 => (Tree::always(false), Plain::False),
            2 => {
                let n = u32::from(self.byte() % 3);
                (Tree::any(n), Plain::Any(n))
            }
            3 | 4 => {
                let b = b'a' + self.byte() % 4;
                (Tree::text(&[b]), Plain::Set(Set::one(b)))
            }
            5 => {
                let n = usize::from(self.byte() % 4);
                let text: Vec<u8> = (0..n).map(|_| b'a' + self.byte() % 4).collect();
                let plain = text.iter().map(|&b| Plain::Set(Set::one(b))).collect();
                (Tree::text(&text), Plain::Seq(plain))
            }
            6 => {
                let bits = self.byte();
                let mut set = Set::EMPTY;
                (0..8)
                    .filter(|i| bits >> i & 1 != 0)
                    .for_each(|i| set.add(b'a' + i));
                let set = if bits > 200 { set.complement() } else { set };
                (Tree::set(set), Plain::Set(set))
            }
            7 => {
                let first = u32::from(self.byte()) * 0x20;
                let last = first + u32::from(self.byte()) * 0x80;
                (Tree::utf8(first, last), Plain::Utf8(first, last))
            }
            8 | 9 => {
                let (mut tree, first) = self.pattern(rules, more);
                let mut parts = vec![first];
                for _ in 0..1 + self.byte() % 3 {
                    let (next, plain) = self.pattern(rules, more);
                    tree = Tree::seq(tree.view(), next.view(), 0);
                    parts.push(plain);
                }
                (tree, Plain::Seq(parts))
            }
            10 | 11 => {
                let (mut tree, first) = self.pattern(rules, more);
                let mut parts = vec![first];
                for _ in 0..1 + self.byte() % 4 {
                    let (next, plain) = self.pattern(rules, more);
                    tree = Tree::choice(tree.view(), next.view(), 0);
                    parts.push(plain);
                }
                (tree, Plain::Choice(parts))
            }
            12 => {
                let n = self.byte();
                let n = u32::from(if n > 250 { n } else { n % 3 });
                let (tree, plain) = boxed(self.pattern(rules, more));
                match Tree::at_least(tree.view(), n) {
                    Ok(tree) => (tree, Plain::Star(n, plain)),
                    Err(_) => (Tree::at_most(tree.view(), n), Plain::AtMost(n, plain)),
                }
            }
            13 => {
                let n = self.byte();
                let n = u32::from(if n > 250 { n } else { n % 4 });
                let (tree, plain) = boxed(self.pattern(rules, more));
                (Tree::at_most(tree.view(), n), Plain::AtMost(n, plain))
            }
            14 => {
                let (tree, plain) = boxed(self.pattern(rules, more));
                (Tree::not(tree.view()), Plain::Not(plain))
            }
            15 => {
                let (tree, plain) = boxed(self.pattern(rules, more));
                match (choice / 20 % 2, Tree::behind(tree.view())) {
                    (0, Ok(behind)) => {
                        let n = tree.facts.length.unwrap_or(0);
                        (behind, Plain::Behind(n, plain))
                    }
                    _ => (Tree::and(tree.view()), Plain::And(plain)),
                }
            }
            16 => {
                let ((a, plain_a), (b, plain_b)) =
                    (self.pattern(rules, more), self.pattern(rules, more));
                let plain = Plain::Seq(vec![Plain::Not(Box::new(plain_b)), plain_a]);
                (Tree::minus(a.view(), b.view(), 0), plain)
            }
            17 => {
                let key = u16::from(self.byte()) + 1;
                let (tree, plain) = boxed(self.pattern(rules, more));
                (
                    Tree::capture(Kind::Simple, key, tree.view()),
                    Plain::Capture(key, plain),
                )
            }
            18 => {
                let key = u16::from(self.byte() % 7) + 1;
                let (tree, plain) = boxed(self.pattern(rules, more));
                (Tree::match_time(key, tree.view()), Plain::Time(key, plain))
            }
            _ if rules > 0 => {
                let rule = usize::from(self.byte()) % rules;
                (Tree::rule(rule as u16 + 1), Plain::Rule(rule))
            }
            _ => (Tree::any(1), Plain::Any(1)),
        }
    }
}
