//! From trees to programs.
//!
//! The compiler keeps a list of what is still to be done, the next thing at its end; a node replaces itself by its
//! children and what comes between them. So it needs no stack for deep trees. Targets are numbers of labels until all
//! is emitted.
//!
//! What makes programs fast is known from `facts.rs`: where the next byte tells whether a pattern can match at all, it
//! is tested instead of making a choice that fails; where it also tells that what comes after can't match, no choice
//! is needed. Searches (`(1 - p)^0`, and rules that match `p` or else a byte and themselves) pass at once over what
//! `p` can't begin with.

use std::collections::HashMap;

use crate::Set;
use crate::facts::{self, Info, Length, called, children};
use crate::program::{Class, Inst, Program, Switch};
use crate::tree::{Node, Op, View, set_of};

/// Programs have at most so many instructions.
pub const MAX_CODE: usize = 1 << 22;
/// A body is repeated in the code if that makes at most so many instructions; else there is a loop that counts.
const UNROLLED: u64 = 512;
/// A choice of at least so many alternatives goes by a table.
const ALTERNATIVES: usize = 3;
/// How many tables there may be.
const SWITCHES: usize = 64;

/// Why there is no program.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CompileError {
    /// The pattern refers to a rule, by its key, and is in no grammar.
    #[error("rule used outside a grammar")]
    OpenRule(u16),
    /// More than [`MAX_CODE`] instructions.
    #[error("pattern too large")]
    TooLarge,
}

#[derive(Clone, Copy)]
enum Task {
    /// The node at a place. If the next byte after it is none of `follow`, it may as well fail: there is no choice
    /// between it and what fails then. The next byte is known to be one of `known`.
    Node {
        at: usize,
        follow: Set,
        known: Option<Set>,
    },
    Emit(Inst),
    Place(u32),
    /// So many nodes of single bytes.
    Text {
        at: usize,
        len: u32,
    },
}

struct Compiler<'a> {
    nodes: &'a [Node],
    sets: &'a [Set],
    infos: Vec<Info>,
    /// How many instructions each node makes, about.
    weights: Vec<u64>,
    /// The label of each rule that has one, by the place of its node.
    rules: HashMap<usize, u32>,
    /// Where the labels are.
    labels: Vec<u32>,
    /// Where the last label is.
    placed: usize,
    tasks: Vec<Task>,
    known_classes: HashMap<Set, Class>,
    out: Program,
}

/// The program of a pattern.
pub fn compile(pattern: View<'_>) -> Result<Program, CompileError> {
    if let Some(key) = pattern.open_rule() {
        return Err(CompileError::OpenRule(key));
    }
    let infos = facts::of_nodes(pattern.nodes, pattern.sets);
    let mut compiler = Compiler {
        nodes: pattern.nodes,
        sets: pattern.sets,
        weights: weights(pattern.nodes),
        infos,
        rules: HashMap::new(),
        labels: Vec::new(),
        placed: usize::MAX,
        tasks: Vec::new(),
        known_classes: HashMap::new(),
        out: Program::default(),
    };
    compiler.tasks.push(Task::Emit(Inst::End));
    compiler.node(0, Set::FULL, None);
    while let Some(task) = compiler.tasks.pop() {
        match task {
            Task::Node { at, follow, known } => compiler.expand(at, follow, known),
            Task::Emit(inst) => compiler.out.code.push(inst),
            Task::Place(label) => {
                compiler.placed = compiler.out.code.len();
                compiler.labels[label as usize] = compiler.placed as u32;
            }
            Task::Text { at, len } => compiler.literal(at, len),
        }
        if compiler.out.code.len() > MAX_CODE || compiler.out.classes.len() > usize::from(u16::MAX)
        {
            return Err(CompileError::TooLarge);
        }
    }
    Ok(compiler.finish())
}

fn weights(nodes: &[Node]) -> Vec<u64> {
    let mut weights = vec![1; nodes.len()];
    for at in (0..nodes.len()).rev() {
        let inner: u64 = children(nodes, at).map(|child| weights[child]).sum();
        weights[at] = match nodes[at].op {
            Op::Star(n) | Op::AtMost(n) => match u64::from(n).saturating_mul(inner) {
                all if all <= UNROLLED => all + inner + 3,
                _ => 2 * inner + 6,
            },
            // Its rules are there once.
            Op::Grammar => 2,
            Op::Choice => inner + 3 * children(nodes, at).count() as u64,
            _ => inner + 2,
        };
    }
    weights
}

impl Compiler<'_> {
    /// Everything that `at` is to be replaced by is pushed in the reverse order of the code.
    fn node(&mut self, at: usize, follow: Set, known: Option<Set>) {
        self.tasks.push(Task::Node { at, follow, known });
    }

    fn emit_later(&mut self, inst: Inst) {
        self.tasks.push(Task::Emit(inst));
    }

    fn label(&mut self) -> u32 {
        self.labels.push(u32::MAX);
        self.labels.len() as u32 - 1
    }

    fn place_later(&mut self, label: u32) {
        self.tasks.push(Task::Place(label));
    }

    fn class(&mut self, set: Set) -> Class {
        if let Some(class) = self.known_classes.get(&set) {
            return *class;
        }
        let number = self.known_classes.len();
        if number.is_multiple_of(8) {
            self.out.classes.push([0; 256]);
        }
        let class = Class {
            table: (number / 8).min(usize::from(u16::MAX)) as u16,
            mask: 1 << (number % 8),
        };
        let table = &mut self.out.classes[usize::from(class.table)];
        set.bytes()
            .for_each(|b| table[usize::from(b)] |= class.mask);
        self.known_classes.insert(set, class);
        class
    }

    /// An instruction that fails unless a byte of the set is there.
    fn one_of(&mut self, set: Set) -> Inst {
        match set.len() {
            0 => Inst::Fail,
            1 => Inst::Byte(set.bytes().next().unwrap_or(0)),
            256 => Inst::Any(1),
            _ => Inst::Set(self.class(set)),
        }
    }

    fn none_of(&mut self, set: Set) -> Option<Inst> {
        Some(match set.len() {
            0 => return None,
            1 => Inst::NotByte(set.bytes().next().unwrap_or(0)),
            256 => Inst::NotAny(1),
            _ => Inst::NotSet(self.class(set)),
        })
    }

    /// A test that goes to `other` unless a byte of the set is there.
    fn test(&mut self, set: Set, other: u32) -> Inst {
        match set.len() {
            0 => Inst::Jump(other),
            1 => Inst::IfByte(set.bytes().next().unwrap_or(0), other),
            256 => Inst::IfAny(other),
            _ => Inst::IfSet(self.class(set), other),
        }
    }

    /// An instruction that passes all bytes of the set.
    fn span(&mut self, set: Set) -> Option<Inst> {
        let mut others = set.complement().bytes();
        let mut other = || others.next().unwrap_or(0);
        Some(match 256 - set.len() {
            0 => Inst::SpanAll,
            1 => Inst::SpanTo1(other()),
            2 => Inst::SpanTo2(other(), other()),
            3 => Inst::SpanTo3(other(), other(), other()),
            256 => return None,
            _ => Inst::Span(self.class(set)),
        })
    }

    fn as_set(&self, at: usize) -> Option<Set> {
        set_of(self.nodes[at].op, self.sets)
    }

    /// The single byte of the set, of which it is known whether the next byte is one of them.
    fn single(&mut self, set: Set, known: Option<Set>) {
        if known.is_none_or(|known| !known.minus(set).is_empty()) {
            let inst = self.one_of(set);
            return self.out.code.push(inst);
        }
        // The test that was made can pass the byte as well, if nobody comes here but from it.
        let alone = self.placed != self.out.code.len();
        let (pops, inst) = match self.out.code.last() {
            Some(&Inst::IfByte(b, other)) if alone => (true, Inst::TakeByte(b, other)),
            Some(&Inst::IfSet(class, other)) if alone => (true, Inst::TakeSet(class, other)),
            _ => (false, Inst::Any(1)),
        };
        if pops {
            self.out.code.pop();
        }
        self.out.code.push(inst);
    }

    fn literal(&mut self, at: usize, len: u32) {
        let start = self.out.text.len() as u32;
        let bytes = self.nodes[at..at + len as usize].iter();
        self.out.text.extend(bytes.filter_map(|node| match node.op {
            Op::Byte(b) => Some(b),
            _ => None,
        }));
        self.out.code.push(Inst::Literal(start, len));
    }

    fn expand(&mut self, at: usize, follow: Set, known: Option<Set>) {
        let body = at + 1;
        match self.nodes[at].op {
            Op::True => {}
            Op::Byte(_) | Op::Set(_) | Op::Any(1) | Op::False => {
                let set = self.as_set(at).unwrap_or(Set::FULL);
                self.single(set, known);
            }
            Op::Any(n) => self.out.code.push(Inst::Any(n)),
            Op::Utf8(first, last) => self.out.code.push(Inst::Utf8(first, last)),
            Op::Seq => self.seq(at, follow, known),
            Op::Choice => self.choice(at, follow),
            Op::Star(n) => self.at_least(body, n, follow),
            Op::AtMost(n) => self.at_most(body, n, follow),
            Op::Not => self.not(body),
            Op::And => self.and(body),
            Op::Behind(n) => {
                self.node(body, Set::FULL, None);
                self.emit_later(Inst::Behind(n.into()));
            }
            Op::Capture(kind, key) => {
                let length = match self.infos[body].length {
                    Length::Always(n) if n < 255 && !self.infos[body].captures => Some(n as u8),
                    _ => None,
                };
                match length {
                    Some(length) => {
                        self.emit_later(Inst::FullCapture(kind, length, key));
                        self.node(body, follow, known);
                    }
                    None => {
                        self.emit_later(Inst::CloseCapture);
                        self.node(body, follow, known);
                        self.out.code.push(Inst::OpenCapture(kind, key));
                    }
                }
            }
            Op::MatchTime(key) => {
                self.emit_later(Inst::MatchTime);
                self.node(body, Set::FULL, known);
                self.out
                    .code
                    .push(Inst::OpenCapture(crate::Kind::MatchTime, key));
            }
            Op::Call(distance) => {
                let rule = self.rule(called(at, distance));
                self.out.code.push(Inst::Call(rule));
            }
            // Refused before.
            Op::Open(_) => self.out.code.push(Inst::Fail),
            Op::Grammar => self.grammar(at),
            Op::Rule => self.rule_body(at),
        }
    }

    fn seq(&mut self, at: usize, follow: Set, known: Option<Set>) {
        let parts: Vec<usize> = children(self.nodes, at).collect();
        let mut follow = follow;
        let mut end = parts.len();
        while end > 0 {
            // A run of bytes is one instruction.
            let bytes = parts[..end]
                .iter()
                .rev()
                .take_while(|&&part| matches!(self.nodes[part].op, Op::Byte(_)))
                .count();
            if bytes >= 2 {
                let start = parts[end - bytes];
                match (self.nodes[start].op, self.nodes[start + 1].op) {
                    (Op::Byte(a), Op::Byte(b)) if bytes == 2 => self.emit_later(Inst::Pair(a, b)),
                    _ => self.tasks.push(Task::Text {
                        at: start,
                        len: bytes as u32,
                    }),
                }
                follow = self.infos[start].first.set;
                end -= bytes;
                continue;
            }
            let part = parts[end - 1];
            self.node(part, follow, known.filter(|_| end == 1));
            let first = self.infos[part].first;
            follow = match first.calls {
                true => Set::FULL,
                false => first.with(follow),
            };
            end -= 1;
        }
    }

    fn choice(&mut self, at: usize, follow: Set) {
        struct Alternative {
            at: usize,
            /// Its code, with its test.
            start: u32,
            /// Its code, when its test has been made.
            tested: u32,
            testable: bool,
            needs_choice: bool,
        }
        let end = self.label();
        let mut alternatives = Vec::new();
        for part in children(self.nodes, at) {
            alternatives.push(Alternative {
                at: part,
                start: self.label(),
                tested: self.label(),
                testable: self.infos[part].first.testable(),
                needs_choice: true,
            });
            if self.infos[part].certain {
                break;
            }
        }
        let count = alternatives.len();
        let mut rest = Set::EMPTY;
        for (i, alternative) in alternatives.iter_mut().enumerate().rev() {
            let info = self.infos[alternative.at];
            let own = info.first;
            alternative.needs_choice = i + 1 < count
                && !(alternative.testable && (info.by_head || own.set.disjoint(rest)));
            rest = rest.or(match own.calls {
                true => Set::FULL,
                false => own.with(follow),
            });
        }
        let tests = alternatives[..count - 1]
            .iter()
            .filter(|alternative| alternative.testable)
            .count();
        let switched =
            count >= ALTERNATIVES && tests + 1 == count && self.out.switches.len() < SWITCHES;
        if switched {
            let last = alternatives[count - 1].start;
            let mut switch: Switch = [last; 257];
            for (b, target) in (0..=u8::MAX).zip(&mut switch) {
                let takes =
                    |alternative: &&Alternative| self.infos[alternative.at].first.set.has(b);
                if let Some(first) = alternatives[..count - 1].iter().find(takes) {
                    *target = first.tested;
                }
            }
            let number = self.out.switches.len() as u32;
            self.out.switches.push(switch);
            self.out.code.push(Inst::Switch(number));
        }
        self.place_later(end);
        for (i, alternative) in alternatives.iter().enumerate().rev() {
            let next = alternatives.get(i + 1).map(|next| next.start);
            if next.is_some() {
                self.emit_later(match alternative.needs_choice {
                    true => Inst::Commit(end),
                    false => Inst::Jump(end),
                });
            }
            let set = self.infos[alternative.at].first.set;
            let tested = alternative.testable && next.is_some();
            // Inside a choice, a failure continues with the next alternative.
            let follow = match alternative.needs_choice {
                true => Set::FULL,
                false => follow,
            };
            self.node(alternative.at, follow, tested.then_some(set));
            if let (Some(next), true) = (next, alternative.needs_choice) {
                self.emit_later(Inst::Choice(next));
            }
            if let (Some(next), true) = (next, tested) {
                if switched {
                    self.place_later(alternative.tested);
                }
                let test = self.test(set, next);
                self.emit_later(test);
            }
            self.place_later(alternative.start);
        }
    }

    /// Does a repetition of the body before `follow` need no choice, since the next byte says what to do?
    fn decided(&self, body: usize, follow: Set) -> bool {
        let info = self.infos[body];
        info.first.testable() && (info.by_head || info.first.set.disjoint(follow))
    }

    fn at_least(&mut self, body: usize, n: u32, follow: Set) {
        self.star(body, follow);
        if n == 0 {
            return;
        }
        let set = self.infos[body].first.with(follow);
        if self.as_set(body) == Some(Set::FULL) {
            return self.emit_later(Inst::Any(n));
        }
        if u64::from(n).saturating_mul(self.weights[body]) <= UNROLLED {
            for _ in 0..n {
                self.node(body, set, None);
            }
        } else {
            let again = self.label();
            self.emit_later(Inst::Again(again));
            self.node(body, set, None);
            self.place_later(again);
            self.emit_later(Inst::Repeat(n));
        }
    }

    fn star(&mut self, body: usize, follow: Set) {
        if let Some(set) = self.as_set(body) {
            if let Some(span) = self.span(set) {
                self.emit_later(span);
            }
            return;
        }
        let info = self.infos[body];
        let (again, done) = (self.label(), self.label());
        let set = info.first.set;
        if let Some(passed) = self.passed_by_search(body) {
            self.place_later(done);
            self.emit_later(Inst::Commit(again));
            self.node(body, Set::FULL, None);
            self.emit_later(Inst::Choice(done));
            if let Some(span) = self.span(passed) {
                self.emit_later(span);
            }
            return self.place_later(again);
        }
        let inner = info.first.with(follow).or(follow);
        self.place_later(done);
        if self.decided(body, follow) {
            self.emit_later(Inst::Jump(again));
            self.node(body, inner, Some(set));
            let test = self.test(set, done);
            self.emit_later(test);
            return self.place_later(again);
        }
        self.emit_later(Inst::PartialCommit(again));
        self.node(body, Set::FULL, None);
        self.place_later(again);
        self.emit_later(Inst::Choice(done));
        if info.first.testable() {
            let test = self.test(set, done);
            self.emit_later(test);
        }
    }

    /// If the body is "not this, and any byte": the bytes that this can't begin with.
    fn passed_by_search(&self, body: usize) -> Option<Set> {
        let mut parts = children(self.nodes, body);
        let (not, any) = (parts.next()?, parts.next()?);
        if self.nodes[body].op != Op::Seq
            || parts.next().is_some()
            || self.nodes[not].op != Op::Not
            || self.nodes[any].op != Op::Any(1)
        {
            return None;
        }
        let first = self.infos[not + 1].first;
        (first.testable() && !first.set.is_empty()).then(|| first.set.complement())
    }

    fn at_most(&mut self, body: usize, n: u32, follow: Set) {
        let info = self.infos[body];
        let set = info.first.set;
        let inner = info.first.with(follow).or(follow);
        let done = self.label();
        let unrolled = u64::from(n).saturating_mul(self.weights[body]) <= UNROLLED;
        self.place_later(done);
        if unrolled && self.decided(body, follow) {
            for _ in 0..n {
                self.node(body, inner, Some(set));
                let test = self.test(set, done);
                self.emit_later(test);
            }
            return;
        }
        if unrolled {
            self.emit_later(Inst::Commit(done));
            for left in 0..n {
                if left > 0 {
                    let next = self.label();
                    self.place_later(next);
                    self.emit_later(Inst::PartialCommit(next));
                }
                self.node(body, Set::FULL, None);
            }
            self.emit_later(Inst::Choice(done));
        } else {
            let (again, left) = (self.label(), self.label());
            self.emit_later(Inst::Leave);
            self.place_later(left);
            self.emit_later(Inst::AgainOrDone(again, done));
            self.node(body, Set::FULL, None);
            self.place_later(again);
            self.emit_later(Inst::Choice(left));
            self.emit_later(Inst::Repeat(n));
        }
        if info.first.testable() {
            let test = self.test(set, done);
            self.emit_later(test);
        }
    }

    fn not(&mut self, body: usize) {
        if let Some(set) = self.as_set(body) {
            if let Some(inst) = self.none_of(set) {
                self.out.code.push(inst);
            }
            return;
        }
        if let Op::Any(n) = self.nodes[body].op {
            return self.out.code.push(Inst::NotAny(n));
        }
        let info = self.infos[body];
        let done = self.label();
        self.place_later(done);
        // A match-time function may be in there.
        if info.by_head && info.first.testable() && !info.captures {
            self.emit_later(Inst::Fail);
        } else {
            self.emit_later(Inst::FailTwice);
            self.node(body, Set::FULL, None);
            self.emit_later(Inst::Choice(done));
        }
        if info.first.testable() {
            let test = self.test(info.first.set, done);
            self.emit_later(test);
        }
    }

    fn and(&mut self, body: usize) {
        let info = self.infos[body];
        match info.length {
            Length::Always(n) if n <= 255 && !info.captures => {
                if n > 0 {
                    self.emit_later(Inst::Behind(n as u32));
                }
                self.node(body, Set::FULL, None);
            }
            _ => {
                let (fail, done) = (self.label(), self.label());
                self.place_later(done);
                self.emit_later(Inst::Fail);
                self.place_later(fail);
                self.emit_later(Inst::BackCommit(done));
                self.node(body, Set::FULL, None);
                self.emit_later(Inst::Choice(fail));
            }
        }
    }

    fn rule(&mut self, start: usize) -> u32 {
        if let Some(&label) = self.rules.get(&start) {
            return label;
        }
        let label = self.label();
        self.rules.insert(start, label);
        label
    }

    /// A call of the first rule; the rules, if they are not there yet.
    fn grammar(&mut self, at: usize) {
        let rules: Vec<usize> = children(self.nodes, at).collect();
        let there = self.rules.contains_key(&rules[0]);
        let first = self.rule(rules[0]);
        if there {
            return self.out.code.push(Inst::Call(first));
        }
        let end = self.label();
        self.place_later(end);
        for &rule in rules.iter().rev() {
            self.node(rule, Set::FULL, None);
        }
        self.out.code.push(Inst::Call(first));
        self.out.code.push(Inst::Jump(end));
    }

    fn rule_body(&mut self, at: usize) {
        let label = self.rule(at);
        self.emit_later(Inst::Return);
        self.node(at + 1, Set::FULL, None);
        if let Some(span) = self.searched(at).and_then(|passed| self.span(passed)) {
            self.emit_later(span);
        }
        self.place_later(label);
    }

    /// If a rule is "this, or any byte and the rule again": the bytes that this can't begin with.
    fn searched(&self, rule: usize) -> Option<Set> {
        let choice = rule + 1;
        if self.nodes[choice].op != Op::Choice {
            return None;
        }
        let parts: Vec<usize> = children(self.nodes, choice).collect();
        let (&last, others) = parts.split_last()?;
        let mut steps = children(self.nodes, last);
        let (any, again) = (steps.next()?, steps.next()?);
        let again = match self.nodes[again].op {
            Op::Call(distance) => called(again, distance) == rule,
            _ => false,
        };
        if self.nodes[last].op != Op::Seq
            || steps.next().is_some()
            || self.nodes[any].op != Op::Any(1)
            || !again
        {
            return None;
        }
        let mut set = Set::EMPTY;
        for &other in others {
            let first = self.infos[other].first;
            if !first.testable() {
                return None;
            }
            set = set.or(first.set);
        }
        (!set.is_empty()).then(|| set.complement())
    }

    /// Labels become places; what leads to a jump leads to where that goes; a call before a return is a jump.
    fn finish(mut self) -> Program {
        let labels = &self.labels;
        let place = |label: u32| labels[label as usize];
        for inst in &mut self.out.code {
            *inst = inst.aimed(place);
        }
        for switch in &mut self.out.switches {
            for target in switch {
                *target = place(*target);
            }
        }
        let code = self.out.code.clone();
        let last = |from: u32| {
            let mut at = from;
            // Jumps in a circle do not happen; if they did, this would end.
            for _ in 0..64 {
                match code[at as usize] {
                    Inst::Jump(next) => at = next,
                    _ => break,
                }
            }
            at
        };
        for (i, inst) in self.out.code.iter_mut().enumerate() {
            *inst = match inst.aimed(last) {
                Inst::Call(target) if code[last(i as u32 + 1) as usize] == Inst::Return => {
                    Inst::Jump(target)
                }
                Inst::Jump(target) if matches!(code[target as usize], Inst::Return | Inst::End) => {
                    code[target as usize]
                }
                inst => inst,
            };
        }
        for switch in &mut self.out.switches {
            for target in switch {
                *target = last(*target);
            }
        }
        self.out
    }
}

impl Inst {
    fn aimed(self, place: impl Fn(u32) -> u32) -> Inst {
        match self {
            Inst::IfAny(to) => Inst::IfAny(place(to)),
            Inst::IfByte(b, to) => Inst::IfByte(b, place(to)),
            Inst::IfSet(class, to) => Inst::IfSet(class, place(to)),
            Inst::TakeByte(b, to) => Inst::TakeByte(b, place(to)),
            Inst::TakeSet(class, to) => Inst::TakeSet(class, place(to)),
            Inst::Jump(to) => Inst::Jump(place(to)),
            Inst::Call(to) => Inst::Call(place(to)),
            Inst::Choice(to) => Inst::Choice(place(to)),
            Inst::Commit(to) => Inst::Commit(place(to)),
            Inst::PartialCommit(to) => Inst::PartialCommit(place(to)),
            Inst::BackCommit(to) => Inst::BackCommit(place(to)),
            Inst::Again(to) => Inst::Again(place(to)),
            Inst::AgainOrDone(again, done) => Inst::AgainOrDone(place(again), place(done)),
            other => other,
        }
    }
}
