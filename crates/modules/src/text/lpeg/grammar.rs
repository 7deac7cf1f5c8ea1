//! Grammars: tables of rules.

use std::ffi::c_int;

use skynet_kernel::text;
use skynet_peg::{GrammarError, MAX_RULES, RuleDef, Tree};
use skynet_vm::lua::{Lua, Type};
use skynet_vm::native::Fault;

use super::pattern::{self, copy_values, too_many_values};

/// How messages write the name of a rule at `i`. *raises*
pub(super) fn rule_name(l: Lua, i: c_int) -> String {
    match l.kind(i) {
        Type::String | Type::Number => {
            l.push_value(i);
            let name = l.coerce_bytes(-1).unwrap_or(b"");
            let name = text::from_bytes(name).into_owned();
            l.pop(1);
            name
        }
        _ => format!("(a {})", l.type_name(i)),
    }
}

/// Pushes the pattern of the table of rules at `i`. *raises*
pub(super) fn push(l: Lua, i: c_int) -> Result<(), Fault> {
    if !l.check_stack(8) {
        return Err("stack overflow (too many nested grammars)".into());
    }
    let base = l.top();
    // Numbers of the rules by their names; the names; the patterns.
    let (numbers, names, bodies) = (base + 1, base + 2, base + 3);
    l.new_table(0, 8);
    l.new_table(8, 0);
    l.new_table(8, 0);
    let count = collect(l, i, [numbers, names, bodies])?;
    l.set_top(bodies);
    // The patterns' values, one behind the other.
    let values = base + 4;
    l.new_table(0, 0);
    let mut all = 0;
    for n in 1..=count as i64 {
        l.raw_geti(bodies, n);
        let own = pattern::count(l, -1);
        if all + own > pattern::MAX_VALUES {
            return Err(too_many_values());
        }
        pattern::push_values(l, -1);
        l.push_value(values);
        copy_values(l, -2, own, all);
        l.set_top(values);
        all += own;
    }
    let made = tree(l, [numbers, bodies, values], count);
    let error = match made {
        Ok(tree) => {
            l.push_value(values);
            pattern::push(l, &tree, all)?;
            l.insert(base + 1);
            l.set_top(base + 1);
            return Ok(());
        }
        Err(error) => error,
    };
    match error {
        GrammarError::Undefined(key) => l.raw_geti(values, key.into()),
        GrammarError::LeftRecursive(rule) | GrammarError::EmptyLoop(rule) => {
            l.raw_geti(names, rule as i64 + 1)
        }
        _ => return Err(too_many(i)),
    };
    let name = rule_name(l, -1);
    Err(Fault::from(match error {
        GrammarError::Undefined(_) => format!("rule '{name}' undefined in given grammar"),
        GrammarError::LeftRecursive(_) => format!("rule '{name}' may be left recursive"),
        _ => format!("empty loop in rule '{name}'"),
    }))
}

fn too_many(i: c_int) -> Fault {
    Fault::Argument(i, "grammar has too many rules".into())
}

/// Fills the tables with the rules of the table at `i`, the initial one first, and returns how many there are. *raises*
fn collect(l: Lua, i: c_int, [numbers, names, bodies]: [c_int; 3]) -> Result<usize, Fault> {
    let keep = |number: i64| {
        // The name and the pattern are on top.
        l.raw_seti(bodies, number);
        l.push_value(-1);
        l.raw_seti(names, number);
        l.push_int(number);
        l.raw_set(numbers);
    };
    l.raw_geti(i, 1);
    if l.kind(-1) == Type::String {
        l.push_value(-1);
        l.get(i);
    } else {
        l.push_int(1);
        l.insert(-2);
    }
    if !pattern::is(l, -1) {
        if l.is_none_or_nil(-1) {
            return Err("grammar has no initial rule".into());
        }
        let name = rule_name(l, -2);
        return Err(format!("initial rule '{name}' is not a pattern").into());
    }
    l.push_value(-2);
    l.insert(-2);
    // The stack: the initial rule's name, and that again with the pattern.
    let initial = l.top() - 2;
    keep(1);
    let mut count = 1;
    l.push_nil();
    while l.next(i) {
        let first = l.int(-2) == Some(1) && l.kind(-2) == Type::Number;
        if first || same(l, -2, initial) {
            l.pop(1);
            continue;
        }
        if !pattern::is(l, -1) {
            let name = rule_name(l, -2);
            return Err(format!("rule '{name}' is not a pattern").into());
        }
        count += 1;
        if count > MAX_RULES {
            return Err(too_many(i));
        }
        l.push_value(-2);
        l.insert(-2);
        keep(count as i64);
    }
    Ok(count)
}

fn same(l: Lua, a: c_int, b: c_int) -> bool {
    // SAFETY: a plain call of the API.
    unsafe { mlua_sys::lua55::lua_rawequal(l.0, a, b) != 0 }
}

/// The tree of the rules. Nothing in here raises, since it owns memory.
fn tree(l: Lua, [numbers, bodies, values]: [c_int; 3], count: usize) -> Result<Tree, GrammarError> {
    let mut rules = Vec::with_capacity(count);
    let mut shift = 0;
    for n in 1..=count as i64 {
        l.raw_geti(bodies, n);
        if let Some(body) = pattern::get(l, -1) {
            rules.push(RuleDef {
                body,
                shift: shift as u16,
            });
        }
        shift += pattern::count(l, -1);
        l.pop(1);
    }
    Tree::grammar(&rules, |key| {
        l.raw_geti(values, key.into());
        l.raw_get(numbers);
        let number = l.int(-1).and_then(|n| usize::try_from(n - 1).ok());
        l.pop(1);
        number
    })
}
