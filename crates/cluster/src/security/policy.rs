//! Which node may call what.
//!
//! A rule belongs to the name of a node, to the beginning of names (`room-*`), or to all others (`__others`). Without a
//! rule nothing is allowed. `deny` wins over `allow`; in both, `*` at the end of a name stands for anything. Names are as
//! they are called: `@login` is published, `.gm` local. A handle may be called if this node has given it out, on the same
//! connection, for a name that was allowed; any handle if the rule has `handles`.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, RwLock};

use rustc_hash::FxHashSet;
use skynet_kernel::Handle;
use skynet_kernel::poison::{read, write};
use skynet_wire::cluster::Address;
use skynet_wire::foreign::Foreign;

use super::names::Names;
use crate::PolicyOptions;

/// The rule for all who have none of their own.
const OTHERS: &str = "__others";
/// Handles that one connection may be given, and names of which one line is logged each.
const GRANTED: usize = 4096;
const TOLD: usize = 64;

/// What one node may call.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rule {
    /// Names that it may call.
    pub allow: Vec<String>,
    /// Names that it may not call, whatever `allow` says.
    pub deny: Vec<String>,
    /// It may call services by their handles, too.
    pub handles: bool,
}

/// What is wrong with a policy.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PolicyError {
    /// A name with `*` elsewhere than at its end.
    #[error("`{0}`: a `*` stands at the end of a name only")]
    Star(String),
    /// An empty name.
    #[error("an empty name")]
    Empty,
}

/// The rules of all nodes.
#[derive(Clone, Debug, Default)]
pub struct Policy {
    whole: BTreeMap<String, Arc<Ready>>,
    /// By the length of the beginning, the longest first.
    beginnings: Vec<(String, Arc<Ready>)>,
}

#[derive(Debug)]
struct Ready {
    allow: Names,
    deny: Names,
    handles: bool,
}

impl Policy {
    /// These rules, by the names of nodes.
    ///
    /// # Errors
    /// A name that is none.
    pub fn new(rules: BTreeMap<String, Rule>) -> Result<Policy, PolicyError> {
        let mut policy = Policy::default();
        for (node, rule) in rules {
            Policy::check_name(&node)?;
            for name in rule.allow.iter().chain(&rule.deny) {
                Policy::check_name(name)?;
            }
            let ready = Arc::new(Ready {
                allow: Names::new(rule.allow.iter().map(String::as_str)),
                deny: Names::new(rule.deny.iter().map(String::as_str)),
                handles: rule.handles,
            });
            match node.strip_suffix('*') {
                Some(beginning) => policy.beginnings.push((beginning.to_owned(), ready)),
                None => {
                    policy.whole.insert(node, ready);
                }
            }
        }
        let length = |(beginning, _): &(String, _)| std::cmp::Reverse(beginning.len());
        policy.beginnings.sort_by_key(length);
        Ok(policy)
    }

    /// Is this a name, as rules have them?
    ///
    /// # Errors
    /// It is not.
    pub fn check_name(name: &str) -> Result<(), PolicyError> {
        if name.is_empty() {
            return Err(PolicyError::Empty);
        }
        match name.find('*') {
            Some(at) if at + 1 != name.len() => Err(PolicyError::Star(name.to_owned())),
            _ => Ok(()),
        }
    }

    /// Are there rules for nodes by their names?
    pub fn has_names(&self) -> bool {
        !self.beginnings.is_empty() || self.whole.keys().any(|name| name != OTHERS)
    }

    fn of(&self, node: &str) -> Option<Arc<Ready>> {
        let beginning = || {
            let mut all = self.beginnings.iter();
            all.find(|(beginning, _)| node.starts_with(beginning.as_str()))
                .map(|(_, rule)| rule)
        };
        let own = self
            .whole
            .get(node)
            .filter(|_| !node.is_empty() && node != OTHERS);
        let rule = own.or_else(|| beginning().filter(|_| !node.is_empty()));
        rule.or_else(|| self.whole.get(OTHERS)).cloned()
    }
}

/// The policy of a node, which may be read anew.
pub(crate) struct PolicyHolder {
    options: PolicyOptions,
    now: RwLock<Arc<Policy>>,
    generation: AtomicU64,
}

impl PolicyHolder {
    pub(crate) fn new(options: PolicyOptions) -> PolicyHolder {
        PolicyHolder {
            now: RwLock::new(Arc::new(options.first.clone())),
            generation: AtomicU64::new(1),
            options,
        }
    }

    /// Reads the file again.
    ///
    /// # Errors
    /// The old policy stays: why.
    pub(crate) fn reload(&self) -> Result<(), String> {
        let fresh = (self.options.read)(&self.options.path)?;
        *write(&self.now) = Arc::new(fresh);
        self.generation.fetch_add(1, Relaxed);
        Ok(())
    }
}

/// What a connection may do, and what has been said about it.
#[derive(Default)]
pub(crate) struct Door {
    generation: u64,
    rule: Option<Arc<Ready>>,
    /// The last name that was allowed: the next request often has the same.
    last: Vec<u8>,
    granted: FxHashSet<u32>,
    told: FxHashSet<Vec<u8>>,
}

/// What becomes of a request.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    Allowed,
    /// It is carried out all the same: a line for the log.
    Reported(String),
    /// The peer is told so; perhaps with a line for the log.
    Refused(String, Option<String>),
}

impl Door {
    /// May this node call that?
    pub(crate) fn check(
        &mut self,
        policy: &PolicyHolder,
        node: &str,
        address: &Address<'_>,
    ) -> Verdict {
        let generation = policy.generation.load(Relaxed);
        if self.generation != generation {
            *self = Door {
                generation,
                rule: read(&policy.now).of(node),
                granted: std::mem::take(&mut self.granted),
                ..Door::default()
            };
        }
        let allowed = match address {
            Address::Number(handle) => {
                self.granted.contains(handle) || self.rule.as_ref().is_some_and(|rule| rule.handles)
            }
            Address::Name(name) if self.last[..] == name[..] && !name.is_empty() => true,
            Address::Name(name) => {
                let allowed = self.allows(name);
                if allowed {
                    self.last.clear();
                    self.last.extend_from_slice(name);
                }
                allowed
            }
        };
        match allowed {
            true => Verdict::Allowed,
            false => self.refuse(policy, node, address),
        }
    }

    fn allows(&self, name: &[u8]) -> bool {
        let Some(rule) = &self.rule else {
            return false;
        };
        if name.starts_with(b":") {
            return rule.handles;
        }
        let Ok(name) = std::str::from_utf8(name) else {
            return false;
        };
        rule.allow.has(name) && !rule.deny.has(name)
    }

    #[cold]
    fn refuse(&mut self, policy: &PolicyHolder, node: &str, address: &Address<'_>) -> Verdict {
        let what = match address {
            Address::Number(handle) => Handle(*handle).to_string(),
            Address::Name(name) => Foreign::new(&name[..]).to_string(),
        };
        let news = self.told.len() < TOLD && self.told.insert(what.clone().into_bytes());
        let node = match node {
            "" => "a node without a name".to_owned(),
            node => format!("the node {}", Foreign::new(node)),
        };
        if policy.options.report {
            return match news {
                true => Verdict::Reported(format!(
                    "cluster: {node} calls {what}, which clusterpolicy does not allow \
                     (clusterpolicymode = \"report\": it is carried out)"
                )),
                false => Verdict::Allowed,
            };
        }
        let line = news.then(|| format!("cluster: {node} may not call {what} (clusterpolicy)"));
        Verdict::Refused(format!("not allowed: {what}"), line)
    }

    /// The peer has been told this handle, for a name that it may call.
    pub(crate) fn grant(&mut self, handle: Handle) {
        if self.granted.len() < GRANTED {
            self.granted.insert(handle.0);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(list: &[&str]) -> Vec<String> {
        list.iter().map(|name| (*name).to_owned()).collect()
    }

    fn rule(allow: &[&str], deny: &[&str], handles: bool) -> Rule {
        Rule {
            allow: names(allow),
            deny: names(deny),
            handles,
        }
    }

    fn policy() -> Policy {
        let rules = [
            ("web", rule(&["@login", "@room.*"], &[], false)),
            ("gm", rule(&["@*", ".gm"], &["@bank"], false)),
            ("ops", rule(&["*"], &[], true)),
            ("room-*", rule(&["@web"], &[], false)),
            ("room-1*", rule(&["@first"], &[], false)),
            ("__others", rule(&["@public"], &[], false)),
        ];
        let rules = rules.map(|(name, rule)| (name.to_owned(), rule));
        Policy::new(rules.into()).unwrap()
    }

    fn holder(policy: Policy, report: bool) -> PolicyHolder {
        PolicyHolder::new(PolicyOptions {
            path: "policy.lua".into(),
            first: policy,
            report,
            read: Arc::new(|_| Ok(Policy::default())),
        })
    }

    #[test]
    fn who_may_call_what() {
        let holder = holder(policy(), false);
        for (node, address, allowed) in [
            ("web", "@login", true),
            ("web", "@room.12", true),
            ("web", "@room", false),
            ("web", ".launcher", false),
            ("web", ":0000000a", false),
            ("gm", "@anything", true),
            ("gm", "@bank", false),
            ("gm", ".gm", true),
            ("gm", ".launcher", false),
            ("ops", ".launcher", true),
            ("ops", ":0000000a", true),
            ("ops", "GLOBAL", true),
            ("room-2", "@web", true),
            ("room-2", "@public", false),
            ("room-12", "@web", false),
            ("room-12", "@first", true),
            ("stranger", "@public", true),
            ("stranger", "@login", false),
            ("", "@public", true),
            ("__others", "@public", true),
        ] {
            let mut door = Door::default();
            for _ in 0..2 {
                let verdict = door.check(&holder, node, &address.into());
                assert_eq!(verdict == Verdict::Allowed, allowed, "{node} {address}");
            }
        }
    }

    #[test]
    fn handles() {
        let holder = holder(policy(), false);
        let number = Address::Number(10);
        let mut door = Door::default();
        let refused = door.check(&holder, "web", &number);
        assert!(
            matches!(&refused, Verdict::Refused(text, Some(line))
            if text == "not allowed: :0000000a" && line.contains("the node web")),
            "{refused:?}"
        );
        door.grant(Handle(10));
        assert_eq!(door.check(&holder, "web", &number), Verdict::Allowed);
        let mut another = Door::default();
        assert_ne!(another.check(&holder, "web", &number), Verdict::Allowed);
        assert_eq!(
            Door::default().check(&holder, "ops", &number),
            Verdict::Allowed
        );
    }

    #[test]
    fn one_line_for_each_name() {
        let holder = holder(policy(), false);
        let mut door = Door::default();
        let mut lines = 0;
        for n in 0..1000 {
            let name = format!("@{}", n % 200);
            let verdict = door.check(&holder, "web", &name.as_str().into());
            let Verdict::Refused(text, line) = verdict else {
                panic!("{verdict:?}");
            };
            assert_eq!(text, format!("not allowed: {name}"));
            lines += usize::from(line.is_some());
        }
        assert_eq!(lines, TOLD);
    }

    #[test]
    fn a_report() {
        let holder = holder(policy(), true);
        let mut door = Door::default();
        let verdict = door.check(&holder, "web", &"@bank".into());
        assert!(matches!(verdict, Verdict::Reported(line) if line.contains("@bank")));
        assert_eq!(
            door.check(&holder, "web", &"@bank".into()),
            Verdict::Allowed
        );
    }

    #[test]
    fn another_policy_counts_at_once() {
        let holder = holder(policy(), false);
        let mut door = Door::default();
        assert_eq!(
            door.check(&holder, "web", &"@login".into()),
            Verdict::Allowed
        );
        holder.reload().unwrap();
        assert_ne!(
            door.check(&holder, "web", &"@login".into()),
            Verdict::Allowed
        );
    }

    #[test]
    fn names_that_are_none() {
        for bad in ["a*b", "", "**"] {
            let rules = [("web".to_owned(), rule(&[bad], &[], false))];
            assert!(Policy::new(rules.into()).is_err(), "{bad}");
        }
    }
}
