//! What must hold for any bytes that are typed at a debug console, however they are cut into reads.

use skynet_wire::console::{Address, Command, Error, Input, MAX_BODY, MAX_LINE, Reader, words};

/// The first byte picks the reads; the rest is what comes in.
///
/// # Panics
/// If something does not hold.
pub fn check(input: &[u8]) {
    let Some((&how, stream)) = input.split_first() else {
        return;
    };
    let whole = read(stream, stream.len().max(1));
    assert_eq!(read(stream, usize::from(how) + 1), whole);
    assert_eq!(read(stream, 1), whole);
    let (inputs, error) = whole;
    match error {
        None => {}
        Some(Error::TooLong(most)) => {
            assert!(most == MAX_LINE && stream.len() > MAX_LINE || most == MAX_BODY);
        }
        Some(Error::NoLength) => assert!(has(stream, b"POST ")),
        Some(Error::Refused(_)) => assert!(has(stream, b"HTTP") || has(stream, b":")),
        Some(Error::Method) => assert!(has(stream, b"HTTP/")),
        Some(Error::Binary) => assert!(stream.iter().any(|&byte| byte < 27)),
        Some(error) => panic!("{error}"),
    }
    for input in inputs {
        match input {
            Input::Line(line) => {
                assert!(!line.contains(&b'\n'));
                command(&line);
            }
            Input::Http { command: line, .. } => command(&line),
        }
    }
}

fn has(stream: &[u8], part: &[u8]) -> bool {
    stream.windows(part.len()).any(|at| at == part)
}

fn read(stream: &[u8], size: usize) -> (Vec<Input>, Option<Error>) {
    let (mut reader, mut inputs) = (Reader::default(), Vec::new());
    let mut take = |reader: &mut Reader| loop {
        match reader.read() {
            Ok(Some(input)) => inputs.push(input),
            Ok(None) => break None,
            Err(error) => break Some(error),
        }
    };
    let mut error = None;
    for part in stream.chunks(size) {
        reader.push(part);
        error = take(&mut reader);
        if error.is_some() {
            assert_eq!(reader.read().err(), error);
            break;
        }
    }
    if error.is_none() {
        reader.finish();
        error = take(&mut reader);
    }
    (inputs, error)
}

fn command(line: &[u8]) {
    let name = words(line).next();
    let parsed = Command::parse(line);
    assert_eq!(parsed, Command::parse(&[b" ", line, b"\r"].concat()));
    let address = match parsed {
        Ok(Some(Command::Stack(address) | Command::Signal(address, _))) => address,
        Ok(Some(Command::Profile {
            address,
            seconds,
            hertz,
        })) => {
            assert!((0.0..=3600.0).contains(&seconds) && (1..=10_000).contains(&hertz));
            address
        }
        Ok(Some(Command::Top { seconds, lines })) => {
            assert!((0.0..=60.0).contains(&seconds) && lines > 0);
            return;
        }
        Ok(Some(Command::Calls(seconds))) => return assert!(seconds >= 0.0),
        Ok(_) => return,
        Err(error) => {
            assert!(!error.to_string().is_empty());
            let own = ["top", "calls", "stack", "profile", "signal"].map(str::as_bytes);
            return assert!(name.is_some_and(|name| own.contains(&name)));
        }
    };
    let typed = words(line).nth(1).expect("an address");
    match address {
        Address::Name(name) => assert_eq!(typed.strip_prefix(b"."), Some(name)),
        Address::Handle(n) => assert_eq!(hex(&typed[1..]), Some(n)),
        Address::Local(n) => assert_eq!(hex(typed), Some(n)),
    }
}

fn hex(digits: &[u8]) -> Option<u32> {
    u32::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()
}
