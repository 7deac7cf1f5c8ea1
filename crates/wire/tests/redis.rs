//! Answers of Redis, whole and in pieces.

use skynet_wire::redis::{Error, Item, Items, Scanner, key_slot, request};

const LIMIT: u64 = 1 << 20;

/// Where the answer ends, fed in pieces of `step` bytes.
fn end(bytes: &[u8], resp3: bool, step: usize) -> Result<Option<u64>, Error> {
    let mut scanner = Scanner::new(resp3, LIMIT);
    for piece in bytes.chunks(step) {
        if scanner.feed(piece)? {
            return Ok(Some(scanner.seen()));
        }
    }
    assert!(scanner.missing() > 0);
    Ok(None)
}

fn items(bytes: &[u8]) -> Vec<Item<'_>> {
    let mut items = Items::new(bytes);
    let mut all = Vec::new();
    while let Some(item) = items.next().expect("a whole answer") {
        all.push(item);
    }
    all
}

#[test]
fn ends_are_found_in_pieces() {
    let answers: [&[u8]; 12] = [
        b"+OK\r\n",
        b"+\r\r\n",
        b"-ERR no\rthing\nmore\r\n",
        b":-5\r\n",
        b"$-1\r\n",
        b"$0\r\n\r\n",
        b"$6\r\na\r\nb\r\n\r\n",
        b"*0\r\n",
        b"*-1\r\n",
        b"*2\r\n*2\r\n:1\r\n*1\r\n$1\r\nx\r\n*0\r\n",
        b"$2\r\nabXY",
        b"*3\r\n$-1\r\n-E\r\n:3\r\n",
    ];
    for answer in answers {
        let more = [answer, b"+next\r\n"].concat();
        for step in 1..=more.len() {
            let found = end(&more, false, step);
            assert_eq!(
                found,
                Ok(Some(answer.len() as u64)),
                "{}",
                answer.escape_ascii()
            );
        }
        for cut in 0..answer.len() {
            assert_eq!(end(&answer[..cut], false, 1), Ok(None));
        }
    }
}

#[test]
fn what_is_no_answer() {
    assert_eq!(end(b"hello\r\n", true, 99), Err(Error::Type(b'h')));
    assert_eq!(end(b"%1\r\n+a\r\n+b\r\n", false, 1), Err(Error::Type(b'%')));
    for bad in [
        &b"*x\r\n"[..],
        b"$\r\n",
        b"$5\rx\n",
        b"*99999999999999999999999999\r\n",
    ] {
        assert_eq!(
            end(bad, false, 1),
            Err(Error::Length),
            "{}",
            bad.escape_ascii()
        );
    }
    assert_eq!(Items::new(b"$5\r\nab\r\n").next(), Err(Error::Truncated));
    assert_eq!(Items::new(b"+OK").next(), Err(Error::Truncated));
}

#[test]
fn what_is_announced_is_bounded() {
    let too_large = |bytes: &[u8]| matches!(end(bytes, true, 7), Err(Error::TooLarge { .. }));
    assert!(too_large(b"$1073741824\r\n"));
    assert!(too_large(b"*2147483648\r\n"));
    assert!(too_large(b"*9223372036854775807\r\n"));
    assert!(too_large(&[&b"+"[..], &[b'a'; LIMIT as usize]].concat()));
    assert!(too_large(&b"*1\r\n".repeat(300_000)));
    assert!(too_large(b"%9223372036854775807\r\n"));
}

#[test]
fn items_of_both_versions() {
    assert_eq!(
        items(b"*2\r\n+a\r\n$-1\r\n"),
        [Item::Array(2), Item::Text(b"a"), Item::Nil]
    );
    let answer = b"%2\r\n$1\r\nk\r\n,1.5\r\n#t\r\n_\r\n|1\r\n+ttl\r\n:3\r\n~1\r\n(123\r\n>1\r\n=5\r\ntxt:x\r\n!1\r\nE\r\n";
    assert_eq!(
        items(answer),
        [
            Item::Map(2),
            Item::Text(b"k"),
            Item::Double(1.5),
            Item::Bool(true),
            Item::Nil,
            Item::Attribute(1),
            Item::Text(b"ttl"),
            Item::Number(b"3"),
            Item::Array(1),
            Item::Text(b"123"),
            Item::Push(1),
            Item::Text(b"x"),
            Item::Error(b"E"),
        ]
    );
    let map = b"%1\r\n+a\r\n|1\r\n+b\r\n+c\r\n+d\r\n";
    assert_eq!(end(map, true, 1), Ok(Some(map.len() as u64)));
}

#[test]
fn commands() {
    let mut out = Vec::new();
    request::begin(&mut out, 3);
    request::word(&mut out, b"SET");
    request::word(&mut out, b"");
    request::nil(&mut out);
    assert_eq!(out, b"*3\r\n$3\r\nSET\r\n$0\r\n\r\n$-1\r\n");
}

#[test]
fn slots() {
    assert_eq!(key_slot(b"123456789"), 12739);
    assert_eq!(key_slot(b"{user1000}.following"), key_slot(b"user1000"));
    assert_eq!(key_slot(b"foo{}{bar}"), 8363);
    assert_eq!(key_slot(b""), 0);
}
