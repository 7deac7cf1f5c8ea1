//! Fuzz target `resp`: any bytes as answers of Redis.

use skynet_wire::redis::{Error, Item, Items, Scanner};

const LIMIT: u64 = 100_000;

/// The ends of answers are the same however the bytes are cut, and what is whole can be walked over to its end.
pub fn check(bytes: &[u8]) {
    let [mode, bytes @ ..] = bytes else { return };
    let resp3 = mode & 1 == 1;
    let step = usize::from(mode >> 1).max(1);
    let mut scanner = Scanner::new(resp3, LIMIT);
    let mut start = 0;
    loop {
        let rest = &bytes[start..];
        let whole = end(&mut scanner.clone(), rest, rest.len().max(1));
        let pieces = end(&mut scanner, rest, step);
        assert_eq!(
            whole.as_ref().map_err(kind),
            pieces.as_ref().map_err(kind),
            "cut every {step} bytes"
        );
        let Ok(Some(size)) = pieces else { return };
        assert!(size > 0 && size <= rest.len());
        walk(&rest[..size]);
        start += size;
        scanner.restart();
    }
}

/// Of an answer that is too large, the size depends on when that was noticed.
fn kind(error: &Error) -> std::mem::Discriminant<Error> {
    std::mem::discriminant(error)
}

fn end(scanner: &mut Scanner, bytes: &[u8], step: usize) -> Result<Option<usize>, Error> {
    for piece in bytes.chunks(step) {
        if scanner.feed(piece)? {
            return Ok(Some(scanner.seen() as usize));
        }
    }
    assert!(scanner.missing() > 0);
    Ok(None)
}

/// The items are as many as the counts say, and end where the answer does.
fn walk(answer: &[u8]) {
    let mut items = Items::new(answer);
    let mut pending: u64 = 1;
    while pending > 0 {
        let item = items.next().expect("a whole answer").expect("an item");
        pending -= 1;
        pending += match item {
            Item::Array(count) | Item::Push(count) => count,
            Item::Map(count) => count * 2,
            Item::Attribute(count) => count * 2 + 1,
            _ => 0,
        };
    }
    assert_eq!(items.remaining(), 0);
}
