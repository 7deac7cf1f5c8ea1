//! What must hold for any bytes given to the reader of the pack format.

use skynet_wire::seri::{self, Error, Key, Reader, Token, Value, Writer};

/// Reads `stream` in every way there is, and writes again what could be read.
///
/// # Panics
/// If something does not hold.
pub fn check(stream: &[u8]) {
    flat(stream);
    let skipped = skip_all(stream);
    let copied = copy_all(stream);
    match (&skipped, &copied) {
        (Ok(values), Ok(copy)) => {
            assert_eq!(skip_all(copy), Ok(*values), "the copy has as many values");
            assert_eq!(
                copy_all(copy).as_ref(),
                Ok(copy),
                "the writer's forms are a fixed point"
            );
        }
        (skipped, copied) => assert_eq!(skipped.err(), copied.as_ref().err().copied()),
    }
    match seri::unpack(stream) {
        Ok(values) => {
            assert_eq!(skipped, Ok(values.len()));
            assert_same(
                &values,
                &seri::unpack(&copied.expect("it can be read")).expect("and written"),
            );
            repack(&values);
        }
        Err(e @ Error::Invalid { .. }) => assert_eq!(skipped, Err(e)),
        Err(e) => assert!(matches!(e, Error::NanKey | Error::TooNested), "{e:?}"),
    }
}

/// Takes the stream for a plain row of tokens: each takes a byte at least, and an error tells what is left.
fn flat(stream: &[u8]) {
    let mut r = Reader::new(stream);
    let mut room = 0;
    while !r.at_end() {
        let before = r.remaining();
        match r.value() {
            Ok(Token::Table { array_len }) => {
                assert!(array_len <= 30 || array_len <= r.remaining() + 1);
                room += r.reserve(array_len);
            }
            Ok(_) => {}
            Err(Error::Invalid { remaining, .. }) => assert_eq!(remaining, r.remaining()),
            Err(e) => panic!("{e:?}"),
        }
        assert!(r.remaining() < before);
    }
    assert!(room <= stream.len());
}

/// How many values there are.
fn skip_all(stream: &[u8]) -> Result<usize, Error> {
    let mut r = Reader::new(stream);
    let mut values = 0;
    while !r.at_end() {
        r.skip()?;
        values += 1;
    }
    Ok(values)
}

/// The stream written anew, token by token.
fn copy_all(stream: &[u8]) -> Result<Vec<u8>, Error> {
    let mut copy = Vec::new();
    let mut w = Writer::new(&mut copy);
    let mut r = Reader::new(stream);
    // For each open table, how many values come before its next key.
    let mut open: Vec<usize> = Vec::new();
    loop {
        let token = match open.last_mut() {
            None => match r.next()? {
                Some(token) => token,
                None => return Ok(copy),
            },
            Some(left) => {
                let token = r.value()?;
                let is_key = *left == 0;
                *left = if is_key { 1 } else { *left - 1 };
                if is_key && token == Token::Nil {
                    open.pop();
                    w.end_table();
                    continue;
                }
                token
            }
        };
        match token {
            Token::Nil => w.nil(),
            Token::Bool(v) => w.bool(v),
            Token::Int(v) => w.int(v),
            Token::Float(v) => w.float(v),
            Token::Pointer(v) => w.pointer(v),
            Token::Str(v) => w.bytes(v)?,
            Token::Table { array_len } => {
                w.begin_table(array_len);
                open.push(array_len);
            }
        }
    }
}

/// Packs a tree and unpacks it again, unless it is too deep to be packed.
fn repack(values: &[Value]) {
    match seri::pack(values) {
        Ok(bytes) => {
            let again = seri::unpack(&bytes).expect("what was packed can be unpacked");
            assert_same(values, &again);
            assert_eq!(
                seri::pack(&again),
                Ok(bytes),
                "equal values give equal bytes"
            );
        }
        Err(e) => assert_eq!(e, Error::TooDeep),
    }
}

/// Equal to the last bit: a `Key` tells NaNs and zeros apart, where `Value` compares like floats.
fn assert_same(a: &[Value], b: &[Value]) {
    assert!(
        a.iter().map(Key::from).eq(b.iter().map(Key::from)),
        "{a:?} is not {b:?}"
    );
}
