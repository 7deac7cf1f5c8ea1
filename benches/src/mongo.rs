//! What a driver of MongoDB hears of a server: answers that were made once, with the number of the request put in.
//!
//! `find` gives 100 documents of ten fields, `insert` says that one was inserted, and everything else is answered as a
//! server that is the primary and knows nothing. So the figures are those of the driver.

use std::io::{self, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::thread;

use skynet_wire::mongo;

/// Documents of an answer to `find`.
const DOCUMENTS: i32 = 100;
/// No request is longer.
const LIMIT: usize = 1 << 20;
/// Of an OP_MSG: from its number of bytes to the kind of its section.
const HEAD: usize = 21;

/// The server, which ends with the process.
pub struct Canned(u16);

impl Canned {
    /// Listens on a free port.
    pub fn start() -> io::Result<Canned> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let port = listener.local_addr()?.port();
        let answers = Arc::new(Answers::new());
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let answers = Arc::clone(&answers);
                // It ends with its connection.
                thread::spawn(move || answers.serve(&stream));
            }
        });
        Ok(Canned(port))
    }

    /// Where it listens.
    pub fn port(&self) -> u16 {
        self.0
    }
}

struct Answers {
    hello: Vec<u8>,
    find: Vec<u8>,
    insert: Vec<u8>,
}

impl Answers {
    fn new() -> Answers {
        let ok = [double("ok", 1.0)];
        let documents: Vec<Vec<u8>> = (0..DOCUMENTS).map(player).collect();
        let numbered = documents
            .iter()
            .enumerate()
            .map(|(i, document)| item(3, &i.to_string(), document));
        let batch = document(&numbered.collect::<Vec<_>>());
        let cursor = document(&[
            item(0x12, "id", &0i64.to_le_bytes()),
            string("ns", "bench.docs"),
            item(4, "firstBatch", &batch),
        ]);
        let answer = |parts: &[Vec<u8>]| message(&document(&[parts, &ok].concat()));
        Answers {
            hello: answer(&[item(8, "ismaster", &[1]), int("maxWireVersion", 21)]),
            find: answer(&[item(3, "cursor", &cursor)]),
            insert: answer(&[int("n", 1)]),
        }
    }

    fn serve(&self, mut stream: &TcpStream) -> io::Result<()> {
        stream.set_nodelay(true)?;
        let mut input = BufReader::with_capacity(1 << 16, stream);
        let (mut request, mut out) = (Vec::new(), Vec::new());
        loop {
            let mut size = [0; 4];
            input.read_exact(&mut size)?;
            let size = usize::try_from(i32::from_le_bytes(size)).unwrap_or(0);
            if !(HEAD + 5..=LIMIT).contains(&size) {
                return Err(io::ErrorKind::InvalidData.into());
            }
            request.resize(size - 4, 0);
            input.read_exact(&mut request)?;
            // The type, number and name of the first element are behind the document's own length.
            let name = &request[HEAD - 4 + 5..];
            let answer = match name.split(|byte| *byte == 0).next() {
                Some(b"find") => &self.find,
                Some(b"insert") => &self.insert,
                _ => &self.hello,
            };
            let start = out.len();
            out.extend_from_slice(answer);
            out[start + 8..start + 12].copy_from_slice(&request[..4]);
            // What has come together is answered together.
            if input.buffer().is_empty() {
                stream.write_all(&out)?;
                out.clear();
            }
        }
    }
}

fn message(document: &[u8]) -> Vec<u8> {
    mongo::message(1, 0, document).expect("it is short")
}

fn player(i: i32) -> Vec<u8> {
    document(&[
        int("_id", i),
        string("name", &format!("player {i}")),
        int("level", i % 60),
        item(0x12, "gold", &(i64::from(i) << 33).to_le_bytes()),
        double("x", f64::from(i) * 1.25),
        double("y", f64::from(i) / 3.0),
        item(8, "alive", &[u8::from(i % 7 != 0)]),
        string("guild", "The Order of the Silver Lamp"),
        int("kills", i * 3),
        string("note", &"n".repeat(20)),
    ])
}

fn item(kind: u8, name: &str, content: &[u8]) -> Vec<u8> {
    [&[kind][..], name.as_bytes(), &[0], content].concat()
}

fn int(name: &str, n: i32) -> Vec<u8> {
    item(0x10, name, &n.to_le_bytes())
}

fn double(name: &str, n: f64) -> Vec<u8> {
    item(1, name, &n.to_le_bytes())
}

fn string(name: &str, text: &str) -> Vec<u8> {
    let size = i32::try_from(text.len() + 1).expect("a short text");
    item(
        2,
        name,
        &[&size.to_le_bytes(), text.as_bytes(), &[0]].concat(),
    )
}

fn document(items: &[Vec<u8>]) -> Vec<u8> {
    let content = items.concat();
    let size = i32::try_from(content.len() + 5).expect("a short document");
    [&size.to_le_bytes()[..], &content, &[0]].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_answer_names_the_request() {
        let port = Canned::start().unwrap().port();
        let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
        let find = document(&[string("find", "docs"), string("$db", "bench")]);
        for number in [7, 8] {
            stream
                .write_all(&mongo::message(number, 0, &find).unwrap())
                .unwrap();
            let mut size = [0; 4];
            stream.read_exact(&mut size).unwrap();
            let mut answer = vec![0; i32::from_le_bytes(size) as usize - 4];
            stream.read_exact(&mut answer).unwrap();
            let reply = mongo::Reply::read(&answer).unwrap();
            assert_eq!(reply.response_to, number);
            let last = format!("player {}\0", DOCUMENTS - 1);
            let mut parts = reply.document.windows(last.len());
            assert!(parts.any(|part| part == last.as_bytes()));
        }
    }
}
