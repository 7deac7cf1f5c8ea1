//! What must hold for any texts that a gate is launched with, or told.

use skynet_net::gate::{Command, Parameter, ParameterError};

/// The first line is taken for a launch parameter, each other one for a command.
///
/// # Panics
/// If something does not hold.
pub fn check(input: &[u8]) {
    let text = String::from_utf8_lossy(input);
    let mut lines = text.split('\n');
    parameter(lines.next().unwrap_or(""));
    lines.for_each(command);
}

fn parameter(text: &str) {
    match Parameter::parse(text) {
        Ok(parameter) => {
            assert!(text.starts_with(['S', 'L']));
            assert!(parameter.port > 0 && parameter.most > 0 && parameter.kind > 0);
            assert!(parameter.watchdog.is_none_or(|name| !name.starts_with('!')));
            assert!(text.contains(parameter.host));
            // What was read can be written, and reads the same again.
            let again = format!(
                "{} {} [{}]:{} {} {}",
                &text[..1],
                parameter.watchdog.unwrap_or("!"),
                parameter.host,
                parameter.port,
                parameter.kind,
                parameter.most,
            );
            // A host that ends in a bracket itself is none.
            if !parameter.host.contains(['[', ']']) {
                assert_eq!(Parameter::parse(&again), Ok(parameter), "{again:?}");
            }
        }
        Err(ParameterError::Fields(all)) => assert_eq!(all, text),
        Err(ParameterError::Address(binding)) => {
            assert!(text.starts_with(['S', 'L']) && text.contains(&binding));
        }
        Err(ParameterError::Header) => assert!(!text.starts_with(['S', 'L'])),
        Err(_) => {}
    }
}

fn command(text: &str) {
    let (name, argument) = text.split_once(' ').unwrap_or((text, ""));
    let whole = ["kick", "forward", "broker", "start", "close"]
        .into_iter()
        .find(|known| known.starts_with(name));
    let Some(command) = Command::parse(text) else {
        assert_eq!(whole, None, "{text:?}");
        return;
    };
    let whole = whole.expect("a name");
    assert!(command.to_string().starts_with(whole), "{text:?}");
    // Shortened or not, it means the same; and it can be written.
    for short in 1..=whole.len() {
        let shorter = format!("{} {argument}", &whole[..short]);
        assert_eq!(Command::parse(&shorter), Some(command), "{shorter:?}");
    }
    let written = command.to_string();
    assert_eq!(Command::parse(&written), Some(command), "{written:?}");
}
