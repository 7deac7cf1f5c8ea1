//! Fuzz target `bson`: any bytes as a document.

use skynet_wire::bson::{Error, Reader, Writer, kind};

/// The elements of a document, put together again, are the document; and so are those of documents inside.
pub fn check(bytes: &[u8]) {
    let _ = walk(bytes, 0);
}

fn walk(bytes: &[u8], depth: usize) -> Result<(), Error> {
    let mut elements = Reader::new(bytes)?;
    let mut copy = Writer::default();
    let open = copy.begin();
    while let Some(element) = elements.next()? {
        copy.key(element.kind, element.key);
        copy.raw(element.value);
        match element.kind {
            kind::DOCUMENT | kind::ARRAY if depth < 100 => {
                let _ = walk(element.value, depth + 1);
            }
            kind::STRING => assert_eq!(element.string().len() + 5, element.value.len()),
            kind::BINARY => assert_eq!(element.binary().len() + 4, element.value.len()),
            _ => assert!(element.index() >= 0),
        }
    }
    copy.end(open).expect("as long as what was read");
    assert_eq!(copy.bytes(), &bytes[..copy.bytes().len()]);
    Ok(())
}
