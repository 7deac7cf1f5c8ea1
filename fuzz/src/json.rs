//! Fuzz target `json`: any bytes as a document.

use skynet_wire::json::{Build, Kind, Limits, Number, Text, parse, unescape, write};

/// What was read, written again; and whether all calls came in order.
#[derive(Default)]
struct Copy {
    out: Vec<u8>,
    /// Is something in the innermost array or object?
    open: Vec<bool>,
    key: bool,
}

impl Copy {
    fn begin(&mut self) {
        if !std::mem::take(&mut self.key) && self.open.last() == Some(&true) {
            self.out.push(b',');
        }
    }

    fn text(&mut self, text: Text<'_>) {
        let mut plain = Vec::new();
        unescape(text, &mut plain);
        assert!(plain.len() <= text.raw.len());
        assert_eq!(text.escaped, text.raw.contains(&b'\\'));
        write::string(&mut self.out, &plain, false);
    }
}

impl Build for Copy {
    type Open = Kind;

    fn open(&mut self, kind: Kind) -> Option<Kind> {
        self.begin();
        self.open.push(false);
        self.out.push(if kind == Kind::Array { b'[' } else { b'{' });
        Some(kind)
    }

    fn null(&mut self) {
        self.begin();
        self.out.extend_from_slice(b"null");
    }

    fn bool(&mut self, value: bool) {
        self.begin();
        self.out
            .extend_from_slice(if value { b"true" } else { b"false" });
    }

    fn number(&mut self, value: Number) {
        self.begin();
        match value {
            Number::Int(n) => write::int(&mut self.out, n),
            // With so many digits every float is read back as itself.
            Number::Float(n) => write::float(&mut self.out, n, 17),
        }
    }

    fn string(&mut self, text: Text<'_>) {
        self.begin();
        self.text(text);
    }

    fn key(&mut self, text: Text<'_>) {
        self.begin();
        self.text(text);
        self.out.push(b':');
        self.key = true;
    }

    fn add(&mut self, _: &mut Kind) {
        *self.open.last_mut().expect("an open one") = true;
    }

    fn close(&mut self, kind: Kind) {
        self.open.pop().expect("an open one");
        self.out.push(if kind == Kind::Array { b']' } else { b'}' });
    }
}

const LIMITS: Limits = Limits {
    depth: 200,
    invalid_numbers: true,
};

/// A text that is read, written and read again is written the same. An error names a place in the text.
pub fn check(bytes: &[u8]) {
    let mut first = Copy::default();
    if let Err(error) = parse(bytes, LIMITS, &mut first) {
        let text = error.to_string();
        let place = text
            .rsplit(' ')
            .next()
            .and_then(|n| n.parse::<usize>().ok());
        assert!(place.is_none_or(|at| at <= bytes.len() + 1), "{text}");
        return;
    }
    assert!(first.open.is_empty());
    let mut second = Copy::default();
    parse(&first.out, LIMITS, &mut second).expect("what was written");
    assert_eq!(first.out, second.out);
}
