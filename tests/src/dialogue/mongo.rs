//! MongoDB: numbers of requests, ids and the order of keys differ from run to run, and a login has random parts.

use std::sync::{Arc, Mutex};

use serde_json::Value as Json;
use skynet_crypt::{digest, text};

use super::bytes::show;
use super::server::{Dialect, Exchange};
use crate::vectors;

/// The length of the client's part of a nonce, and of a proof, in base64.
const NONCE: usize = 12;
const PROOF: usize = 28;

/// The dialect; one for each case, since it keeps what a login has come to.
#[derive(Clone, Default)]
pub struct Mongo(Arc<Mutex<Login>>);

#[derive(Default)]
struct Login {
    script: Json,
    client_first: String,
    server_first: String,
    client_final: String,
}

/// The requests of an exchange.
#[derive(Default)]
pub struct Talk {
    ids: Vec<[u8; 4]>,
    reply: Option<Vec<u8>>,
}

impl Dialect for Mongo {
    type Talk = Talk;

    fn heard(&self, talk: &mut Talk, exchange: &Json, bytes: &[u8]) -> Result<Option<()>, String> {
        let want = vectors::bytes(&exchange["recv"]);
        if bytes.len() < want.len() {
            return Ok(None);
        }
        let (got, want) = (messages(bytes)?, messages(&want)?);
        if got.len() != want.len() {
            return Err(format!("{} messages, want {}", got.len(), want.len()));
        }
        let free = exchange["order_free"] == true;
        for (got, want) in got.iter().zip(&want) {
            talk.ids.push(got.id);
            let mut document = got.document.clone();
            self.mask(&mut document, exchange)?;
            let same = got.flags == want.flags && alike(&document, &want.document, free);
            if !same {
                return Err(format!("got {document:?}, want {:?}", want.document));
            }
        }
        if exchange.get("scram").is_some() || exchange["scram_next"] == true {
            let payload = payload(&got[0].document)?;
            talk.reply = Some(self.login(exchange, &payload)?);
        }
        Ok(Some(()))
    }

    fn answer(&self, talk: &Talk, exchange: &Json) -> Vec<Vec<u8>> {
        if let Some(document) = &talk.reply {
            let mut bytes = Vec::new();
            let size = i32::try_from(document.len() + 21).expect("a size");
            bytes.extend(size.to_le_bytes());
            bytes.extend([1, 0, 0, 0]);
            bytes.extend(talk.ids[0]);
            bytes.extend(2013i32.to_le_bytes());
            bytes.extend([0; 5]);
            bytes.extend(document);
            return vec![bytes];
        }
        let pieces = Exchange(exchange).pieces();
        if exchange["raw"] == true {
            return pieces;
        }
        let sizes: Vec<usize> = pieces.iter().map(Vec::len).collect();
        let mut all = pieces.concat();
        let mut at = 0;
        let mut number = 0;
        while let Some(size) = all.get(at..at + 4) {
            let size = u32::from_le_bytes(size.try_into().expect("four bytes")) as usize;
            let which = exchange["answers"][number].as_u64();
            let id = which
                .and_then(|i| talk.ids.get(i as usize))
                .or(talk.ids.last());
            if let (Some(id), Some(place)) = (id, all.get_mut(at + 8..at + 12)) {
                place.copy_from_slice(id);
            }
            at += size.max(16);
            number += 1;
        }
        let mut rest = &all[..];
        sizes
            .into_iter()
            .map(|size| {
                let (piece, behind) = rest.split_at(size);
                rest = behind;
                piece.to_vec()
            })
            .collect()
    }
}

impl Mongo {
    /// Puts what the recordings have in the place of ids that were made, and of the random parts of a login.
    fn mask(&self, document: &mut Document, exchange: &Json) -> Result<(), String> {
        let recorded = messages(&vectors::bytes(&exchange["recv"]))?;
        let masked =
            |want: &Value| matches!(want, Value::Bytes(7, bytes) if bytes.iter().all(|b| *b == 0));
        fn walk(got: &mut Document, want: &Document, masked: &impl Fn(&Value) -> bool) {
            for (key, value) in got.iter_mut() {
                let Some((_, want)) = want.iter().find(|(name, _)| name == key) else {
                    continue;
                };
                match (value, want) {
                    (Value::Document(_, got), Value::Document(_, want)) => walk(got, want, masked),
                    (value @ Value::Bytes(7, _), want) if masked(want) => *value = want.clone(),
                    _ => {}
                }
            }
        }
        for message in &recorded {
            walk(document, &message.document, &masked);
        }
        let is_login = exchange.get("scram").is_some() || exchange["scram_next"] == true;
        if !is_login {
            return Ok(());
        }
        for (key, value) in document.iter_mut() {
            if let (b"payload", Value::Bytes(2, bytes)) = (&key[..], &mut *value) {
                let encoded = &bytes[4..bytes.len() - 1];
                let mut plain = decode(encoded)?;
                if let Some(at) = plain.find("r=") {
                    plain.replace_range(at + 2..at + 2 + NONCE, &"N".repeat(NONCE));
                }
                if let Some(at) = plain.find(",p=") {
                    plain.replace_range(at + 3..at + 3 + PROOF, &"P".repeat(PROOF));
                }
                *value = string(&text::base64_encode(plain.as_bytes()));
            }
        }
        Ok(())
    }

    /// The next step of a login: the document of the answer.
    fn login(&self, exchange: &Json, payload: &str) -> Result<Vec<u8>, String> {
        let mut login = self.0.lock().expect("no panic");
        let answer = if let Some(script) = exchange.get("scram") {
            login.script = script.clone();
            login.client_first = payload
                .strip_prefix("n,,")
                .ok_or("no gs2 header")?
                .to_string();
            let nonce = login.client_first.split(",r=").nth(1).ok_or("no nonce")?;
            let nonce = match script["nonce_override"].as_str() {
                Some(other) => other.to_string(),
                None => format!(
                    "{nonce}{}",
                    script["server_nonce"].as_str().expect("a nonce")
                ),
            };
            let salt = script["salt"].as_str().expect("a salt");
            login.server_first = format!("r={nonce},s={salt},i={}", script["iterations"]);
            login.server_first.clone()
        } else if payload.is_empty() {
            String::new()
        } else {
            login.client_final = payload.to_string();
            login.check(exchange["wrong_proof"] == true)?
        };
        let done = exchange["done"] == true;
        let ok = exchange["ok"].as_f64().unwrap_or(1.0);
        let mut body = Vec::new();
        let encoded = text::base64_encode(answer.as_bytes());
        body.extend(b"\x02payload\0");
        body.extend((encoded.len() as i32 + 1).to_le_bytes());
        body.extend(&encoded);
        body.push(0);
        body.extend(b"\x10conversationId\0\x07\0\0\0");
        body.extend(b"\x08done\0");
        body.push(done.into());
        body.extend(b"\x01ok\0");
        body.extend(ok.to_le_bytes());
        let mut document = (body.len() as i32 + 5).to_le_bytes().to_vec();
        document.extend(body);
        document.push(0);
        Ok(document)
    }
}

impl Login {
    /// Is the proof right? The server's signature.
    fn check(&self, wrong: bool) -> Result<String, String> {
        let text_of = |key: &str| self.script[key].as_str().unwrap_or_default();
        let (bare, proof) = self.client_final.split_once(",p=").ok_or("no proof")?;
        let user = self
            .client_first
            .strip_prefix("n=")
            .and_then(|rest| rest.split(",r=").next());
        let user = user
            .ok_or("no user")?
            .replace("=2C", ",")
            .replace("=3D", "=");
        let password = format!("{user}:mongo:{}", text_of("password"));
        let hashed = text::hex_encode(&digest::md5(password.as_bytes()));
        let salt = text::base64_decode(text_of("salt").as_bytes()).map_err(|e| e.to_string())?;
        let rounds = self.script["iterations"].as_u64().expect("a number");
        let salted = digest::pbkdf2_sha1(&hashed, &salt, u32::try_from(rounds).expect("few"));
        let all = format!("{},{},{bare}", self.client_first, self.server_first);
        let key = digest::hmac_sha1(&salted, b"Client Key");
        let signature = digest::hmac_sha1(&digest::sha1(&key), all.as_bytes());
        let expected: Vec<u8> = key.iter().zip(signature).map(|(a, b)| a ^ b).collect();
        let right = text::base64_encode(&expected) == proof.as_bytes();
        if right == wrong {
            return Err(format!(
                "the proof is {}",
                if right { "right" } else { "wrong" }
            ));
        }
        let server_key = digest::hmac_sha1(&salted, b"Server Key");
        let signature = match self.script["bad_signature"] == true {
            true => [7; 20],
            false => digest::hmac_sha1(&server_key, all.as_bytes()),
        };
        let encoded = text::base64_encode(&signature);
        Ok(format!("v={}", String::from_utf8(encoded).expect("base64")))
    }
}

// Messages and documents, as far as it takes to compare them.

struct Message {
    id: [u8; 4],
    flags: [u8; 4],
    document: Document,
}

type Document = Vec<(Vec<u8>, Value)>;

#[derive(Clone, PartialEq)]
enum Value {
    Bytes(u8, Vec<u8>),
    Document(u8, Document),
}

impl std::fmt::Debug for Value {
    fn fmt(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
        match self {
            Value::Bytes(kind, bytes) => write!(f, "{kind}:{}", show(bytes)),
            Value::Document(_, document) => {
                let mut map = f.debug_map();
                for (key, value) in document {
                    map.entry(&String::from_utf8_lossy(key), value);
                }
                map.finish()
            }
        }
    }
}

fn messages(bytes: &[u8]) -> Result<Vec<Message>, String> {
    let mut all = Vec::new();
    let mut rest = bytes;
    while !rest.is_empty() {
        let size = rest
            .first_chunk()
            .map(|size| u32::from_le_bytes(*size) as usize);
        let message = size
            .and_then(|size| rest.get(..size))
            .filter(|message| message.len() > 25);
        let message = message.ok_or_else(|| format!("no message: {}", show(rest)))?;
        if message[8..16] != [0, 0, 0, 0, 0xdd, 7, 0, 0] || message[20] != 0 {
            return Err(format!("no OP_MSG: {}", show(message)));
        }
        all.push(Message {
            id: message[4..8].try_into().expect("four bytes"),
            flags: message[16..20].try_into().expect("four bytes"),
            document: document(&message[21..])?,
        });
        rest = &rest[message.len()..];
    }
    Ok(all)
}

fn document(bytes: &[u8]) -> Result<Document, String> {
    let bad = || format!("no document: {}", show(bytes));
    let number = |at: usize| -> Option<usize> {
        let word = bytes.get(at..at + 4)?;
        Some(u32::from_le_bytes(word.try_into().ok()?) as usize)
    };
    if number(0) != Some(bytes.len()) {
        return Err(bad());
    }
    let mut all = Vec::new();
    let mut at = 4;
    while bytes.get(at).ok_or_else(bad)? != &0 {
        let kind = bytes[at];
        let end = bytes[at + 1..]
            .iter()
            .position(|byte| *byte == 0)
            .ok_or_else(bad)?;
        let key = bytes[at + 1..at + 1 + end].to_vec();
        at += end + 2;
        let size = match kind {
            1 | 9 | 17 | 18 => 8,
            2 => number(at).ok_or_else(bad)? + 4,
            3 | 4 => number(at).ok_or_else(bad)?,
            5 => number(at).ok_or_else(bad)? + 5,
            7 => 12,
            8 => 1,
            16 => 4,
            10 | 127 | 255 => 0,
            _ => return Err(bad()),
        };
        let content = bytes.get(at..at + size).ok_or_else(bad)?;
        at += size;
        let value = match kind {
            3 | 4 => Value::Document(kind, document(content)?),
            _ => Value::Bytes(kind, content.to_vec()),
        };
        all.push((key, value));
    }
    Ok(all)
}

/// The order counts at the top only; there, if it is `free`, for the first two keys.
fn alike(got: &Document, want: &Document, free: bool) -> bool {
    let same =
        |got: &(Vec<u8>, Value), want: &(Vec<u8>, Value)| got.0 == want.0 && equal(&got.1, &want.1);
    if !free {
        return got.len() == want.len() && got.iter().zip(want).all(|(got, want)| same(got, want));
    }
    got.len() == want.len()
        && got
            .iter()
            .zip(want)
            .take(2)
            .all(|(got, want)| same(got, want))
        && unordered(got, want)
}

fn unordered(got: &Document, want: &Document) -> bool {
    got.len() == want.len()
        && want.iter().all(|(key, want)| {
            let mut found = got.iter().filter(|(name, _)| name == key);
            found.any(|(_, got)| equal(got, want))
        })
}

fn equal(got: &Value, want: &Value) -> bool {
    match (got, want) {
        (Value::Document(a, got), Value::Document(b, want)) => a == b && unordered(got, want),
        _ => got == want,
    }
}

fn string(text: &[u8]) -> Value {
    let mut bytes = (text.len() as i32 + 1).to_le_bytes().to_vec();
    bytes.extend(text);
    bytes.push(0);
    Value::Bytes(2, bytes)
}

fn decode(encoded: &[u8]) -> Result<String, String> {
    let plain = text::base64_decode(encoded).map_err(|error| error.to_string())?;
    String::from_utf8(plain).map_err(|error| error.to_string())
}

fn payload(document: &Document) -> Result<String, String> {
    let found = document.iter().find(|(key, _)| key == b"payload");
    match found {
        Some((_, Value::Bytes(2, bytes))) => decode(&bytes[4..bytes.len() - 1]),
        _ => Err("no payload".to_string()),
    }
}
