//! What is known of each node of a tree: whether it matches the empty text, how long its matches are, which bytes it
//! can begin with.
//!
//! Children lie behind their parents, so one pass from the end to the beginning sees children first. A reference to a
//! rule takes what the last pass has found for it; passes are repeated until nothing changes. Every fact only grows
//! from one pass to the next, so that is the case at some time.

use crate::Set;
use crate::tree::{Node, Op, set_of, utf8_length};

/// The length of what a node matches.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Length {
    /// Not known yet: a rule that has not been looked at, or is recursive.
    Unknown,
    Always(u64),
    Varies,
}

/// How a match of a node begins.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct First {
    /// The bytes that it can begin with, as far as the node itself asks for a byte.
    pub set: Set,
    /// It can match without a byte of `set` being there. What comes next then begins with a byte of `guard`.
    pub open: bool,
    pub guard: Set,
    /// A match-time function may be called before any byte is looked at.
    pub calls: bool,
}

impl First {
    const NOTHING: First = First {
        set: Set::EMPTY,
        open: false,
        guard: Set::EMPTY,
        calls: false,
    };
    const OPEN: First = First {
        set: Set::EMPTY,
        open: true,
        guard: Set::FULL,
        calls: false,
    };

    fn of(set: Set) -> First {
        First {
            set,
            ..First::NOTHING
        }
    }

    /// The bytes that this and then something that begins with `follow` can begin with.
    pub fn with(self, follow: Set) -> Set {
        match self.open {
            true => self.set.or(self.guard.and(follow)),
            false => self.set,
        }
    }

    /// Can a look at the next byte tell that this fails, without a difference that anybody sees?
    pub fn testable(self) -> bool {
        !self.open && !self.calls
    }

    fn then(self, next: First) -> First {
        if !self.open {
            return self;
        }
        First {
            set: self.with(next.set),
            open: next.open,
            guard: self.guard.and(next.guard),
            calls: self.calls || next.calls,
        }
    }

    fn or(self, other: First) -> First {
        First {
            set: self.set.or(other.set),
            open: self.open || other.open,
            guard: self.guard.or(other.guard),
            calls: self.calls || other.calls,
        }
    }
}

/// What is known of a node.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Info {
    /// It may match the empty text.
    pub nullable: bool,
    /// It never fails.
    pub certain: bool,
    /// Whether it fails is known from the next byte.
    pub by_head: bool,
    pub captures: bool,
    pub length: Length,
    pub first: First,
}

impl Info {
    const START: Info = Info {
        nullable: false,
        certain: false,
        by_head: false,
        captures: false,
        length: Length::Unknown,
        first: First::NOTHING,
    };
    const TRUE: Info = Info {
        nullable: true,
        certain: true,
        by_head: false,
        captures: false,
        length: Length::Always(0),
        first: First::OPEN,
    };
}

/// The places of the children of the node at `at`.
pub(crate) fn children(nodes: &[Node], at: usize) -> impl Iterator<Item = usize> {
    let end = at + nodes[at].size as usize;
    let mut next = at + 1;
    std::iter::from_fn(move || {
        let child = next;
        (child < end).then(|| {
            next += nodes[child].size as usize;
            child
        })
    })
}

/// The place of the rule that a reference at `at` means.
pub(crate) fn called(at: usize, distance: i32) -> usize {
    (at as i64 - i64::from(distance)) as usize
}

/// What is known of each node.
pub(crate) fn of_nodes(nodes: &[Node], sets: &[Set]) -> Vec<Info> {
    let mut infos = vec![Info::START; nodes.len()];
    let calls = nodes.iter().any(|node| matches!(node.op, Op::Call(_)));
    loop {
        let mut changed = false;
        for at in (0..nodes.len()).rev() {
            let info = of_node(nodes, sets, &infos, at);
            changed |= infos[at] != info;
            infos[at] = info;
        }
        if !calls || !changed {
            return infos;
        }
    }
}

fn of_node(nodes: &[Node], sets: &[Set], infos: &[Info], at: usize) -> Info {
    let child = || infos[at + 1];
    let one = |length: u64, set: Set, by_head: bool| Info {
        by_head,
        length: Length::Always(length),
        first: First::of(set),
        ..Info::START
    };
    match nodes[at].op {
        Op::True => Info::TRUE,
        Op::False => one(0, Set::EMPTY, true),
        Op::Any(n) => one(n.into(), Set::FULL, n == 1),
        op @ (Op::Byte(_) | Op::Set(_)) => one(1, set_of(op, sets).unwrap_or(Set::FULL), true),
        Op::Utf8(first, last) => {
            let mut set = Set::EMPTY;
            set.add_range(utf8_start(first), utf8_start(last));
            let length = utf8_length(first);
            match length == utf8_length(last) {
                true => one(length.into(), set, false),
                false => Info {
                    length: Length::Varies,
                    ..one(0, set, false)
                },
            }
        }
        Op::Seq => {
            let mut all = Info {
                by_head: true,
                ..Info::TRUE
            };
            for (i, child) in children(nodes, at).enumerate() {
                let next = infos[child];
                all = Info {
                    nullable: all.nullable && next.nullable,
                    certain: all.certain && next.certain,
                    by_head: if i == 0 {
                        next.by_head
                    } else {
                        all.by_head && next.certain
                    },
                    captures: all.captures || next.captures,
                    length: match (all.length, next.length) {
                        (Length::Varies, _) | (_, Length::Varies) => Length::Varies,
                        (Length::Always(a), Length::Always(b)) => {
                            Length::Always(a.saturating_add(b))
                        }
                        _ => Length::Unknown,
                    },
                    first: all.first.then(next.first),
                };
            }
            all
        }
        Op::Choice => {
            let mut any: Option<Info> = None;
            for child in children(nodes, at) {
                let next = infos[child];
                any = Some(match any {
                    None => next,
                    Some(any) => Info {
                        nullable: any.nullable || next.nullable,
                        certain: any.certain || next.certain,
                        by_head: any.by_head && next.by_head,
                        captures: any.captures || next.captures,
                        length: match (any.length, next.length) {
                            (Length::Varies, _) | (_, Length::Varies) => Length::Varies,
                            (Length::Always(a), Length::Always(b)) if a != b => Length::Varies,
                            (Length::Always(a), Length::Always(_)) => Length::Always(a),
                            _ => Length::Unknown,
                        },
                        first: any.first.or(next.first),
                    },
                });
            }
            any.unwrap_or(Info::START)
        }
        Op::Star(0) | Op::AtMost(_) => {
            let body = child();
            Info {
                nullable: true,
                certain: true,
                by_head: false,
                captures: body.captures,
                length: match body.length {
                    Length::Always(0) => Length::Always(0),
                    _ => Length::Varies,
                },
                first: body.first.or(First::OPEN),
            }
        }
        Op::Star(_) => Info {
            certain: false,
            by_head: child().by_head && nodes[at].op == Op::Star(1),
            length: Length::Varies,
            ..child()
        },
        Op::Not => {
            // After a single byte that must not be there, the next one is another or none.
            let guard = set_of(nodes[at + 1].op, sets).map_or(Set::FULL, Set::complement);
            // A match-time function may be in there, which is to be called although what comes next can't match.
            let set = match child().captures {
                true => child().first.set,
                false => Set::EMPTY,
            };
            Info {
                captures: child().captures,
                certain: false,
                first: First {
                    set,
                    guard,
                    calls: child().first.calls,
                    ..First::OPEN
                },
                ..Info::TRUE
            }
        }
        Op::And => Info {
            nullable: true,
            length: Length::Always(0),
            ..child()
        },
        Op::Behind(_) => Info {
            certain: false,
            captures: child().captures,
            // A match-time function may be in there, and what is behind says nothing of the next byte.
            first: match child().captures {
                true => First {
                    set: Set::FULL,
                    calls: true,
                    ..First::OPEN
                },
                false => First::OPEN,
            },
            ..Info::TRUE
        },
        Op::Capture(..) => Info {
            captures: true,
            ..child()
        },
        Op::MatchTime(_) => Info {
            certain: false,
            by_head: false,
            captures: true,
            length: Length::Varies,
            first: match child().first {
                first if first.testable() => first,
                _ => First {
                    set: Set::FULL,
                    calls: true,
                    ..First::OPEN
                },
            },
            ..child()
        },
        Op::Open(_) => Info {
            length: Length::Varies,
            first: First {
                set: Set::FULL,
                calls: true,
                ..First::OPEN
            },
            ..Info::START
        },
        Op::Call(distance) => infos[called(at, distance)],
        // Only rules that are called count.
        Op::Grammar => child(),
        Op::Rule => child(),
    }
}

/// The first byte of a code point as UTF-8.
fn utf8_start(code: u32) -> u8 {
    match utf8_length(code) {
        1 => code as u8,
        2 => 0xC0 | (code >> 6) as u8,
        3 => 0xE0 | (code >> 12) as u8,
        _ => 0xF0 | (code >> 18) as u8,
    }
}
