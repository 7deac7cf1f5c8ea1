//! Pattern trees.
//!
//! A tree is an array of nodes in preorder: a node, then its children one after the other. Every node knows how many
//! nodes its subtree has. So a composed pattern is made by copying the arrays of its parts, nothing in here is
//! recursive, and a tree can lie in any block of memory. Sets of bytes lie in an array beside the nodes.
//!
//! Values of the host language (names of groups and rules, functions, constants) are numbers from 1 in here, *keys*.
//! When patterns with different tables of values are composed, the keys of one are shifted.

use crate::Set;

/// What a capture makes of what it encloses.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum Kind {
    /// The matched text, and then the values inside.
    Simple,
    /// The position; encloses nothing.
    Position,
    /// The value of the key; encloses nothing.
    Constant,
    /// The extra argument whose number is the key; encloses nothing.
    Argument,
    /// The values inside as one capture; with a name if the key is not 0.
    Group,
    /// The values of the last group of that name; encloses nothing.
    Back,
    /// A table.
    Table,
    /// A text with marks for the captures inside.
    String,
    /// The value inside whose number is the key.
    Numbered,
    /// The text with captures inside replaced by their values.
    Substitution,
    /// The results of a function.
    Function,
    /// A field of a table.
    Query,
    /// A function applied to the first capture inside and each other one.
    Fold,
    /// A function that replaces the value before it.
    Accumulator,
    /// While matching: the captures inside are for a match-time function.
    MatchTime,
    /// While matching: a value that a match-time function returned.
    Value,
    /// While matching: the end of the last open capture.
    Close,
}

/// What a node matches. Numbers are counts, places in the array of sets, or keys.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Op {
    /// The empty text.
    True,
    /// Nothing.
    False,
    /// So many bytes, whatever they are; at least one.
    Any(u32),
    /// This byte.
    Byte(u8),
    /// A byte of a set.
    Set(u32),
    /// A code point of this range, as UTF-8.
    Utf8(u32, u32),
    /// All children, one after the other.
    Seq,
    /// The first child that matches.
    Choice,
    /// The child as often as possible, at least so many times.
    Star(u32),
    /// The child as often as possible, at most so many times.
    AtMost(u32),
    /// The empty text where the child does not match.
    Not,
    /// The empty text where the child matches.
    And,
    /// The empty text where the child, which is so long, matches the text before.
    Behind(u8),
    /// The child, with a capture.
    Capture(Kind, u16),
    /// The child, and then the function of that key decides.
    MatchTime(u16),
    /// The rule of that key, outside of a grammar.
    Open(u16),
    /// The rule that lies so many nodes before this one, or after it if negative.
    Call(i32),
    /// The first of its children, which are rules.
    Grammar,
    /// The child.
    Rule,
}

/// A node of a tree.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Node {
    /// What it matches.
    pub op: Op,
    /// Nodes of its subtree, with itself.
    pub size: u32,
}

/// What is known of a whole pattern.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Facts {
    /// It may match the empty text.
    pub nullable: bool,
    /// It never fails.
    pub certain: bool,
    /// There is a capture in it.
    pub captures: bool,
    /// It refers to rules of a grammar that it is not in.
    pub open: bool,
    /// The length of everything that it matches, if that is one length.
    pub length: Option<u32>,
}

/// A pattern, borrowed.
#[derive(Clone, Copy, Debug)]
pub struct View<'a> {
    /// The tree.
    pub nodes: &'a [Node],
    /// The sets that it refers to.
    pub sets: &'a [Set],
    /// What is known of it.
    pub facts: Facts,
}

/// A pattern.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Tree {
    /// The tree.
    pub nodes: Vec<Node>,
    /// The sets that it refers to.
    pub sets: Vec<Set>,
    /// What is known of it.
    pub facts: Facts,
}

/// Why a repetition can't be made: its body matches the empty text, and would do so for ever.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("loop body may accept empty string")]
pub struct EmptyLoop;

/// Why a pattern can't be looked for behind.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BehindError {
    /// Its matches have several lengths.
    #[error("pattern may not have fixed length")]
    Length,
    /// It has captures.
    #[error("pattern have captures")]
    Captures,
    /// More than 255 bytes.
    #[error("pattern too long to look behind")]
    TooLong,
}

/// Lengths above this one count as none.
const LONGEST: u32 = i32::MAX as u32;

/// Nodes that follow each other, and how they are shifted.
pub(crate) struct Builder {
    pub(crate) nodes: Vec<Node>,
    pub(crate) sets: Vec<Set>,
}

impl Builder {
    pub(crate) fn new() -> Builder {
        Builder {
            nodes: Vec::new(),
            sets: Vec::new(),
        }
    }

    /// A node whose size is set by `close`.
    pub(crate) fn open(&mut self, op: Op) -> usize {
        self.nodes.push(Node { op, size: 0 });
        self.nodes.len() - 1
    }

    pub(crate) fn close(&mut self, at: usize) {
        self.nodes[at].size = (self.nodes.len() - at) as u32;
    }

    /// Copies nodes that refer to `sets`, with their keys shifted.
    pub(crate) fn copy(&mut self, nodes: &[Node], sets: &[Set], shift: u16) {
        let base = self.sets.len() as u32;
        self.sets.extend_from_slice(sets);
        self.nodes.extend(nodes.iter().map(|node| Node {
            op: match node.op {
                Op::Set(at) => Op::Set(at + base),
                op => shifted(op, shift),
            },
            size: node.size,
        }));
    }

    fn done(self, facts: Facts) -> Tree {
        Tree {
            nodes: self.nodes,
            sets: self.sets,
            facts,
        }
    }
}

fn shifted(op: Op, shift: u16) -> Op {
    match op {
        Op::Capture(kind, key) => Op::Capture(kind, kind.shifted(key, shift)),
        Op::MatchTime(key) => Op::MatchTime(key + shift),
        Op::Open(key) => Op::Open(key + shift),
        op => op,
    }
}

impl Kind {
    /// The key of a capture of this kind after a shift: not all keys stand for values.
    fn shifted(self, key: u16, shift: u16) -> u16 {
        match self {
            Kind::Argument | Kind::Numbered => key,
            _ if key == 0 => 0,
            _ => key + shift,
        }
    }
}

impl<'a> View<'a> {
    /// The pattern as a set, if it matches any one byte of a set and nothing else.
    pub fn as_set(self) -> Option<Set> {
        set_of(self.nodes.first()?.op, self.sets)
    }

    /// Does the pattern match the empty text, everywhere, and nothing else?
    pub fn is_true(self) -> bool {
        self.root() == Op::True
    }

    /// Does it match nothing, as `P(false)`?
    pub fn is_false(self) -> bool {
        self.root() == Op::False
    }

    fn root(self) -> Op {
        self.nodes.first().map_or(Op::True, |node| node.op)
    }

    /// What the pattern consists of, if its root is `op`; else itself.
    fn parts(self, op: Op) -> &'a [Node] {
        &self.nodes[usize::from(self.root() == op)..]
    }

    /// The first reference to a rule that is not in a grammar: its key.
    pub fn open_rule(self) -> Option<u16> {
        self.nodes.iter().find_map(|node| match node.op {
            Op::Open(key) => Some(key),
            _ => None,
        })
    }
}

/// The bytes that `op` matches, if it matches single bytes.
pub(crate) fn set_of(op: Op, sets: &[Set]) -> Option<Set> {
    match op {
        Op::Byte(b) => Some(Set::one(b)),
        Op::Set(at) => Some(sets[at as usize]),
        Op::Any(1) => Some(Set::FULL),
        Op::False => Some(Set::EMPTY),
        _ => None,
    }
}

/// The number of bytes that a code point takes.
pub(crate) fn utf8_length(code: u32) -> u32 {
    match code {
        0..0x80 => 1,
        0x80..0x800 => 2,
        0x800..0x1_0000 => 3,
        _ => 4,
    }
}

fn leaf(op: Op, facts: Facts) -> Tree {
    Tree {
        nodes: vec![Node { op, size: 1 }],
        sets: Vec::new(),
        facts,
    }
}

const EMPTY: Facts = Facts {
    nullable: true,
    certain: true,
    captures: false,
    open: false,
    length: Some(0),
};

impl Tree {
    /// The pattern, borrowed.
    pub fn view(&self) -> View<'_> {
        View {
            nodes: &self.nodes,
            sets: &self.sets,
            facts: self.facts,
        }
    }

    /// Always matches, or never.
    pub fn always(matches: bool) -> Tree {
        match matches {
            true => leaf(Op::True, EMPTY),
            false => leaf(
                Op::False,
                Facts {
                    nullable: false,
                    certain: false,
                    ..EMPTY
                },
            ),
        }
    }

    fn of_length(op: Op, length: Option<u32>) -> Tree {
        leaf(
            op,
            Facts {
                nullable: false,
                certain: false,
                length: length.filter(|&n| n <= LONGEST),
                ..EMPTY
            },
        )
    }

    /// `n` bytes, whatever they are.
    pub fn any(n: u32) -> Tree {
        match n {
            0 => Tree::always(true),
            n => Tree::of_length(Op::Any(n), Some(n)),
        }
    }

    /// A text.
    pub fn text(bytes: &[u8]) -> Tree {
        match bytes {
            [] => Tree::always(true),
            [b] => Tree::of_length(Op::Byte(*b), Some(1)),
            _ => {
                let mut out = Builder::new();
                let root = out.open(Op::Seq);
                out.nodes.extend(bytes.iter().map(|&b| Node {
                    op: Op::Byte(b),
                    size: 1,
                }));
                out.close(root);
                let length = u32::try_from(bytes.len()).ok().filter(|&n| n <= LONGEST);
                out.done(Facts {
                    nullable: false,
                    certain: false,
                    length,
                    ..EMPTY
                })
            }
        }
    }

    /// A byte of a set.
    pub fn set(set: Set) -> Tree {
        let mut bytes = set.bytes();
        match (bytes.next(), bytes.next()) {
            (None, _) => return Tree::always(false),
            (Some(b), None) => return Tree::of_length(Op::Byte(b), Some(1)),
            _ => {}
        }
        Tree {
            sets: vec![set],
            ..Tree::of_length(Op::Set(0), Some(1))
        }
    }

    /// A code point from `first` to `last`, as UTF-8.
    pub fn utf8(first: u32, last: u32) -> Tree {
        let length = utf8_length(first);
        Tree::of_length(
            Op::Utf8(first, last),
            (length == utf8_length(last)).then_some(length),
        )
    }

    /// The rule of a key, in the grammar that this comes to be in.
    pub fn rule(key: u16) -> Tree {
        let facts = Facts {
            nullable: false,
            certain: false,
            captures: false,
            open: true,
            length: None,
        };
        leaf(Op::Open(key), facts)
    }

    /// `a` and then `b`, whose keys are shifted.
    pub fn seq(a: View<'_>, b: View<'_>, shift: u16) -> Tree {
        let sum = a.facts.length.zip(b.facts.length).map(|(a, b)| a + b);
        let facts = Facts {
            nullable: a.facts.nullable && b.facts.nullable,
            certain: a.facts.certain && b.facts.certain,
            captures: a.facts.captures || b.facts.captures,
            open: a.facts.open || b.facts.open,
            length: sum.filter(|&n| n <= LONGEST),
        };
        let mut out = Builder::new();
        let root = out.open(Op::Seq);
        out.copy(a.parts(Op::Seq), a.sets, 0);
        out.copy(b.parts(Op::Seq), b.sets, shift);
        out.close(root);
        out.done(facts)
    }

    /// `a`, or else `b`, whose keys are shifted.
    pub fn choice(a: View<'_>, b: View<'_>, shift: u16) -> Tree {
        if let (Some(a), Some(b)) = (a.as_set(), b.as_set()) {
            return Tree::set(a.or(b));
        }
        let facts = Facts {
            nullable: a.facts.nullable || b.facts.nullable,
            certain: a.facts.certain || b.facts.certain,
            captures: a.facts.captures || b.facts.captures,
            open: a.facts.open || b.facts.open,
            length: a.facts.length.filter(|n| b.facts.length == Some(*n)),
        };
        let mut out = Builder::new();
        let root = out.open(Op::Choice);
        out.copy(a.parts(Op::Choice), a.sets, 0);
        out.copy(b.parts(Op::Choice), b.sets, shift);
        out.close(root);
        out.done(facts)
    }

    /// `a` where `b`, whose keys are shifted, does not match.
    pub fn minus(a: View<'_>, b: View<'_>, shift: u16) -> Tree {
        if let (Some(a), Some(b)) = (a.as_set(), b.as_set()) {
            return Tree::set(a.minus(b));
        }
        let mut out = Builder::new();
        let root = out.open(Op::Seq);
        let not = out.open(Op::Not);
        out.copy(b.nodes, b.sets, shift);
        out.close(not);
        out.copy(a.parts(Op::Seq), a.sets, 0);
        out.close(root);
        out.done(Facts {
            certain: false,
            captures: a.facts.captures || b.facts.captures,
            open: a.facts.open || b.facts.open,
            ..a.facts
        })
    }

    fn around(op: Op, body: View<'_>, facts: Facts) -> Tree {
        let mut out = Builder::new();
        let root = out.open(op);
        out.copy(body.nodes, body.sets, 0);
        out.close(root);
        out.done(facts)
    }

    /// `body` at least `n` times.
    pub fn at_least(body: View<'_>, n: u32) -> Result<Tree, EmptyLoop> {
        if body.facts.nullable {
            return Err(EmptyLoop);
        }
        let facts = Facts {
            nullable: n == 0,
            certain: n == 0,
            length: None,
            ..body.facts
        };
        Ok(Tree::around(Op::Star(n), body, facts))
    }

    /// `body` at most `n` times.
    pub fn at_most(body: View<'_>, n: u32) -> Tree {
        if n == 0 {
            return Tree::always(true);
        }
        let facts = Facts {
            nullable: true,
            certain: true,
            length: body.facts.length.filter(|&n| n == 0),
            ..body.facts
        };
        Tree::around(Op::AtMost(n), body, facts)
    }

    /// Nothing, where `body` does not match.
    pub fn not(body: View<'_>) -> Tree {
        let facts = Facts {
            nullable: true,
            certain: false,
            length: Some(0),
            ..body.facts
        };
        Tree::around(Op::Not, body, facts)
    }

    /// Nothing, where `body` matches.
    pub fn and(body: View<'_>) -> Tree {
        let facts = Facts {
            nullable: true,
            length: Some(0),
            ..body.facts
        };
        Tree::around(Op::And, body, facts)
    }

    /// Nothing, where `body` matches the text before.
    pub fn behind(body: View<'_>) -> Result<Tree, BehindError> {
        let length = body.facts.length.ok_or(BehindError::Length)?;
        if body.facts.captures {
            return Err(BehindError::Captures);
        }
        let length = u8::try_from(length).map_err(|_| BehindError::TooLong)?;
        let facts = Facts {
            nullable: true,
            certain: false,
            length: Some(0),
            ..body.facts
        };
        Ok(Tree::around(Op::Behind(length), body, facts))
    }

    /// `body` with a capture. A key that stands for a value is one of the body's.
    pub fn capture(kind: Kind, key: u16, body: View<'_>) -> Tree {
        let facts = Facts {
            captures: true,
            ..body.facts
        };
        Tree::around(Op::Capture(kind, key), body, facts)
    }

    /// `body`, and then a function that decides.
    pub fn match_time(key: u16, body: View<'_>) -> Tree {
        let facts = Facts {
            certain: false,
            captures: true,
            length: None,
            ..body.facts
        };
        Tree::around(Op::MatchTime(key), body, facts)
    }
}
