//! The native half of `re`: texts to programs, which `lualib/re.lua` runs to make patterns by whatever `lpeg` there is.

use skynet_peg::{Set, Step, SyntaxError, parse};
use skynet_vm::lua::Lua;
use skynet_vm::native::{guarded, native, push_functions, results};

/// What belongs to a step in a program.
enum Argument<'a> {
    None,
    Text(&'a [u8]),
    Count(usize),
    Set(Set),
}

/// What `lualib/re.lua` calls a step, and its argument.
fn coded<'a>(step: &Step<'a>) -> (&'static str, Argument<'a>) {
    use Argument::{Count, None, Text};
    match *step {
        Step::Literal(text) => ("literal", Text(text)),
        Step::Any => ("any", None),
        Step::Set(set) => ("set", Argument::Set(set)),
        Step::Named(name) => ("named", Text(name)),
        Step::Back(name) => ("back", Text(name)),
        Step::Rule(name) => ("rule", Text(name)),
        Step::Stray(name) => ("stray", Text(name)),
        Step::Position => ("position", None),
        Step::Sequence(count) => ("sequence", Count(count)),
        Step::Choice(count) => ("choice", Count(count)),
        Step::Complement => ("complement", None),
        Step::Look => ("look", None),
        Step::Not => ("not", None),
        Step::Repeat(number) => ("repeat", Text(number)),
        Step::Times(number) => ("times", Text(number)),
        Step::Format(text) => ("format", Text(text)),
        Step::Select(number) => ("select", Text(number)),
        Step::Apply(name) => ("apply", Text(name)),
        Step::Accumulate(name) => ("accumulate", Text(name)),
        Step::Decide(name) => ("decide", Text(name)),
        Step::Fold(name) => ("fold", Text(name)),
        Step::Simple => ("simple", None),
        Step::Table => ("table", None),
        Step::Substitution => ("substitution", None),
        Step::Group => ("group", None),
        Step::NamedGroup(name) => ("group", Text(name)),
        Step::Grammar(name) => ("grammar", Text(name)),
        Step::Define(name) => ("define", Text(name)),
        Step::Enter(name) => ("enter", Text(name)),
        Step::End => ("end", None),
    }
}

native! {
    open = |l| {
        push_functions(l, &[("parse", parsed)]);
        results(1)
    };

    /// `parse(text)`: a table of steps and their arguments in turn; or nil and the place of a mistake, or what else is
    /// wrong.
    parsed = |l| {
        let text = l.bytes(1).ok_or_else(|| l.expected(1, "string"))?;
        let steps = match parse(text) {
            Ok(steps) => steps,
            Err(error) => {
                l.push_nil();
                match error {
                    SyntaxError::Mistake(at) => l.push_int(at as i64 + 1),
                    other => l.push_owned(other.to_string()),
                }
                return results(2);
            }
        };
        guarded(l, 1, |l| push_program(l, &steps))?;
        results(1)
    };
}

/// *raises*
fn push_program(l: Lua, steps: &[Step<'_>]) {
    l.new_table(2 * steps.len(), 0);
    let mut place = 0;
    for step in steps {
        let (name, argument) = coded(step);
        l.push_bytes(name.as_bytes());
        l.raw_seti(-2, place + 1);
        match argument {
            Argument::None => l.push_bool(false),
            Argument::Text(text) => l.push_bytes(text),
            Argument::Count(count) => l.push_int(count as i64),
            Argument::Set(set) => {
                let mut bytes = [0; 256];
                let mut count = 0;
                for byte in set.bytes() {
                    bytes[count] = byte;
                    count += 1;
                }
                l.push_bytes(&bytes[..count]);
            }
        }
        l.raw_seti(-2, place + 2);
        place += 2;
    }
}
