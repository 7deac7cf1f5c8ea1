//! Grammars: rules put together, their references resolved, and what would never end refused.

use crate::facts::{self, Length, called, children};
use crate::tree::{Builder, Facts, Node, Op, Tree, View};

/// Grammars have at most so many rules.
pub const MAX_RULES: usize = 1000;

/// Why rules make no grammar. Rules and names are keys.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum GrammarError {
    /// A reference to a rule that is not there, by its key after the shift.
    #[error("rule undefined in given grammar")]
    Undefined(u16),
    /// A rule, by its number, that may call itself before anything is matched.
    #[error("rule may be left recursive")]
    LeftRecursive(usize),
    /// A rule, by its number, with a repetition of what may match the empty text.
    #[error("empty loop in rule")]
    EmptyLoop(usize),
    /// More than [`MAX_RULES`].
    #[error("grammar has too many rules")]
    TooManyRules,
}

/// A rule to be.
#[derive(Clone, Copy, Debug)]
pub struct RuleDef<'a> {
    /// What it matches.
    pub body: View<'a>,
    /// How the keys of `body` are shifted.
    pub shift: u16,
}

impl Tree {
    /// The grammar of `rules`, of which the first one is where it begins. `find` gets the key of a reference, after the
    /// shift, and returns the number of the rule.
    pub fn grammar(
        rules: &[RuleDef<'_>],
        mut find: impl FnMut(u16) -> Option<usize>,
    ) -> Result<Tree, GrammarError> {
        if rules.len() > MAX_RULES {
            return Err(GrammarError::TooManyRules);
        }
        let mut out = Builder::new();
        let root = out.open(Op::Grammar);
        let mut starts = Vec::with_capacity(rules.len());
        for rule in rules {
            let start = out.open(Op::Rule);
            starts.push(start);
            out.copy(rule.body.nodes, rule.body.sets, rule.shift);
            out.close(start);
        }
        out.close(root);
        let mut used = vec![false; rules.len()];
        used[0] = true;
        for at in 0..out.nodes.len() {
            if let Op::Open(key) = out.nodes[at].op {
                let rule = find(key).ok_or(GrammarError::Undefined(key))?;
                out.nodes[at].op = Op::Call((at as i64 - starts[rule] as i64) as i32);
                used[rule] = true;
            }
        }
        let infos = facts::of_nodes(&out.nodes, &out.sets);
        let nullable: Vec<bool> = infos.iter().map(|info| info.nullable).collect();
        left_recursion(&out.nodes, &starts, &used, &nullable)?;
        for (rule, &start) in starts.iter().enumerate() {
            if used[rule] && empty_loop(&out.nodes, start, &nullable) {
                return Err(GrammarError::EmptyLoop(rule));
            }
        }
        let info = infos[root];
        let facts = Facts {
            nullable: info.nullable,
            certain: info.certain,
            captures: info.captures,
            open: false,
            length: match info.length {
                Length::Always(n) => u32::try_from(n).ok().filter(|&n| n <= i32::MAX as u32),
                _ => None,
            },
        };
        Ok(Tree {
            nodes: out.nodes,
            sets: out.sets,
            facts,
        })
    }
}

/// Calls `seen` with the place of each rule that may be called before a byte is matched, in the order in which they
/// would be called.
fn left_calls(nodes: &[Node], from: usize, nullable: &[bool], mut seen: impl FnMut(usize)) {
    let mut todo = vec![from];
    while let Some(at) = todo.pop() {
        match nodes[at].op {
            Op::Call(distance) => seen(called(at, distance)),
            Op::Seq => {
                let mut some = Vec::new();
                for child in children(nodes, at) {
                    some.push(child);
                    if !nullable[child] {
                        break;
                    }
                }
                todo.extend(some.into_iter().rev());
            }
            Op::Choice => {
                let all: Vec<usize> = children(nodes, at).collect();
                todo.extend(all.into_iter().rev());
            }
            Op::Star(_) | Op::AtMost(_) | Op::Not | Op::And => todo.push(at + 1),
            Op::Capture(..) | Op::MatchTime(_) | Op::Rule => todo.push(at + 1),
            // What follows has no calls, and a grammar inside it calls no rule of this one.
            _ => {}
        }
    }
}

fn left_recursion(
    nodes: &[Node],
    starts: &[usize],
    used: &[bool],
    nullable: &[bool],
) -> Result<(), GrammarError> {
    let number = |start: usize| starts.binary_search(&start).unwrap_or(0);
    let calls: Vec<Vec<usize>> = starts
        .iter()
        .map(|&start| {
            let mut calls = Vec::new();
            left_calls(nodes, start, nullable, |rule| {
                let rule = number(rule);
                if !calls.contains(&rule) {
                    calls.push(rule);
                }
            });
            calls
        })
        .collect();
    let endless = endless(&calls);
    let Some(start) = (0..starts.len()).find(|&rule| used[rule] && endless[rule]) else {
        return Ok(());
    };
    // The rule that is named is the one that LPeg names: it follows the calls until its list of rules is full.
    let mut at = start;
    for _ in 0..MAX_RULES {
        if let Some(&next) = calls[at].iter().find(|&&rule| endless[rule]) {
            at = next;
        }
    }
    Err(GrammarError::LeftRecursive(at))
}

/// Which rules come, by `calls`, to a rule that comes to itself: those that remain when again and again all are taken
/// away that call none of the others.
fn endless(calls: &[Vec<usize>]) -> Vec<bool> {
    let mut endless = vec![true; calls.len()];
    let mut left: Vec<usize> = calls.iter().map(Vec::len).collect();
    let mut callers = vec![Vec::new(); calls.len()];
    for (rule, called) in calls.iter().enumerate() {
        for &called in called {
            callers[called].push(rule);
        }
    }
    let mut ends: Vec<usize> = (0..calls.len()).filter(|&rule| left[rule] == 0).collect();
    while let Some(rule) = ends.pop() {
        endless[rule] = false;
        for &caller in &callers[rule] {
            left[caller] -= 1;
            if left[caller] == 0 {
                ends.push(caller);
            }
        }
    }
    endless
}

/// Is there a repetition in this rule, outside of grammars in it, of what may match the empty text?
fn empty_loop(nodes: &[Node], start: usize, nullable: &[bool]) -> bool {
    let end = start + nodes[start].size as usize;
    let mut at = start;
    while at < end {
        match nodes[at].op {
            Op::Grammar => at += nodes[at].size as usize,
            Op::Star(_) if nullable[at + 1] => return true,
            _ => at += 1,
        }
    }
    false
}
