//! Questions to name servers and their answers (RFC 1035, 2308 and 2782), as far as a resolver of names needs them.
//!
//! Messages are read by the crate `simple-dns`, which follows a compressed name only backwards and up to 255 bytes, and
//! refuses counts that lie. What is here picks out what belongs to the question.

use std::net::{Ipv4Addr, Ipv6Addr};

use simple_dns::rdata::RData;
use simple_dns::{CLASS, Name, Packet, PacketFlag, ResourceRecord};

/// The length of a message's head: number, flags and four counts.
const HEAD: usize = 12;

/// How many aliases are followed from the name that was asked for.
const ALIASES: usize = 16;

/// What is wrong with a message, or with a name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// It is shorter than the head of a message.
    #[error("{0} bytes are not the head of a message")]
    Short(usize),
    /// It is not what its counts and lengths say.
    #[error("malformed packet: {0}")]
    Malformed(String),
    /// An answer repeats the question: one of them.
    #[error("malformed packet: {0} questions")]
    Questions(usize),
    /// A part of a name between dots has more than 63 bytes.
    #[error("a label of {0} bytes, of at most 63")]
    Label(usize),
}

/// What is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u16)]
pub enum Type {
    /// Addresses of IPv4.
    A = 1,
    /// Addresses of IPv6.
    Aaaa = 28,
    /// Hosts and ports of a service.
    Srv = 33,
}

/// A host that offers a service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Service {
    /// Lower ones are to be tried first.
    pub priority: u16,
    /// Among equal priorities: how often it is to be chosen.
    pub weight: u16,
    /// Its port.
    pub port: u16,
    /// Its name.
    pub target: Vec<u8>,
}

/// What an answer says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The number of the question.
    pub id: u16,
    /// It is an answer, and not a question.
    pub response: bool,
    /// It did not fit into a datagram.
    pub truncated: bool,
    /// 0: there is such a name; 3: there is none; others: the server could not tell.
    pub code: u8,
    /// The name that was asked for, as it is written in the answer, without the last dot.
    pub name: Vec<u8>,
    /// The type that was asked for.
    pub kind: u16,
    /// The class that was asked for is that of the Internet.
    pub internet: bool,
    /// Addresses, in their order.
    pub v4: Vec<Ipv4Addr>,
    /// Addresses, in their order.
    pub v6: Vec<Ipv6Addr>,
    /// Hosts of a service.
    pub services: Vec<Service>,
    /// The shortest time, in seconds, for which one of the records above is good; none if there are none.
    pub ttl: Option<u32>,
    /// For how many seconds it is good that there is nothing, if the answer says so (RFC 2308).
    pub negative_ttl: Option<u32>,
}

/// The bytes of a question. Empty labels are left out; a name without labels is the root.
pub fn query(id: u16, name: &[u8], kind: Type) -> Result<Vec<u8>, Error> {
    let mut bytes = Vec::with_capacity(HEAD + name.len() + 6);
    bytes.extend(id.to_be_bytes());
    // "Recursion desired"; one question, nothing else.
    bytes.extend([1, 0, 0, 1, 0, 0, 0, 0, 0, 0]);
    for label in name
        .split(|byte| *byte == b'.')
        .filter(|label| !label.is_empty())
    {
        let length = u8::try_from(label.len()).ok().filter(|length| *length < 64);
        bytes.push(length.ok_or(Error::Label(label.len()))?);
        bytes.extend(label);
    }
    bytes.push(0);
    bytes.extend((kind as u16).to_be_bytes());
    bytes.extend([0, 1]);
    Ok(bytes)
}

/// Which records of an answer count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Records {
    /// All in the section of answers.
    All,
    /// Those of the name that was asked for, and of what it is an alias of, in the class of the Internet.
    OfTheName,
}

/// Reads an answer.
pub fn answer(bytes: &[u8], records: Records) -> Result<Answer, Error> {
    if bytes.len() < HEAD {
        return Err(Error::Short(bytes.len()));
    }
    let count = u16::from_be_bytes([bytes[4], bytes[5]]);
    if count != 1 {
        return Err(Error::Questions(count.into()));
    }
    let packet = Packet::parse(bytes).map_err(|why| Error::Malformed(why.to_string()))?;
    let [question] = packet.questions.as_slice() else {
        return Err(Error::Questions(packet.questions.len()));
    };
    let mut found = Answer {
        id: packet.id(),
        response: packet.has_flags(PacketFlag::RESPONSE),
        truncated: packet.has_flags(PacketFlag::TRUNCATION),
        code: bytes[3] & 15,
        name: text(&question.qname),
        kind: question.qtype.into(),
        internet: u16::from(question.qclass) == CLASS::IN as u16,
        v4: Vec::new(),
        v6: Vec::new(),
        services: Vec::new(),
        ttl: None,
        negative_ttl: None,
    };
    let names = names(&packet, &question.qname);
    for record in &packet.answers {
        let counts = records == Records::All
            || record.class == CLASS::IN && names.iter().any(|name| same(name, &record.name));
        if counts && take(&mut found, record) {
            let ttl = seconds(record.ttl);
            found.ttl = Some(found.ttl.map_or(ttl, |shortest| shortest.min(ttl)));
        }
    }
    found.negative_ttl = packet
        .name_servers
        .iter()
        .find_map(|record| match &record.rdata {
            RData::SOA(zone) => Some(seconds(record.ttl).min(seconds(zone.minimum))),
            _ => None,
        });
    Ok(found)
}

/// The name that was asked for, and those that it is an alias of.
fn names<'a>(packet: &'a Packet<'a>, asked: &'a Name<'a>) -> Vec<&'a Name<'a>> {
    let mut names = vec![asked];
    while names.len() <= ALIASES {
        let last = names[names.len() - 1];
        let next = packet
            .answers
            .iter()
            .find_map(|record| match &record.rdata {
                RData::CNAME(alias) if same(&record.name, last) => Some(&alias.0),
                _ => None,
            });
        match next {
            Some(next) if !names.iter().any(|name| same(name, next)) => names.push(next),
            _ => break,
        }
    }
    names
}

/// Puts a record where it belongs; false for one that is of no interest.
fn take(found: &mut Answer, record: &ResourceRecord) -> bool {
    match &record.rdata {
        RData::A(host) => found.v4.push(host.address.into()),
        RData::AAAA(host) => found.v6.push(host.address.into()),
        RData::SRV(host) => found.services.push(Service {
            priority: host.priority,
            weight: host.weight,
            port: host.port,
            target: text(&host.target),
        }),
        _ => return false,
    }
    true
}

/// Names are equal whatever the case of their letters.
fn same(a: &Name, b: &Name) -> bool {
    a.get_labels().len() == b.get_labels().len()
        && a.as_bytes()
            .zip(b.as_bytes())
            .all(|(a, b)| a.eq_ignore_ascii_case(b))
}

/// The labels with dots between them.
fn text(name: &Name) -> Vec<u8> {
    name.as_bytes().collect::<Vec<_>>().join(&b'.')
}

/// A time of a record; one with its highest bit set is none (RFC 2181).
fn seconds(ttl: u32) -> u32 {
    if ttl > i32::MAX as u32 { 0 } else { ttl }
}

/// The text of an address of IPv6 as the original writes it: eight groups, none left out.
pub fn v6_text(address: &Ipv6Addr) -> String {
    address
        .segments()
        .map(|group| format!("{group:x}"))
        .join(":")
}
