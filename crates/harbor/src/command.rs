//! What the slave service says: HARBOR messages of text.
//!
//! | text | |
//! |---|---|
//! | `N <name>` | the name belongs to the message's source |
//! | `S <fd> <id>` | a connection that this node has made |
//! | `A <fd> <id>` | one that it has accepted |
//! | `D <id>` | the node is gone: what waits for a connection to it fails |
//! | `F <id>` | the number is that of another node now, which will be connected to |
//! | `M` | the master is lost: what waits for a name that nobody of this node takes will fail |
//!
//! The last three are additions to what skynet (C) has.

use skynet_net::SocketId;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Command<'a> {
    Name(&'a [u8]),
    Connected(SocketId, u8),
    Accepted(SocketId, u8),
    Gone(u8),
    Renewed(u8),
    MasterLost,
}

impl Command<'_> {
    /// `None`: it makes no sense.
    pub(crate) fn parse(text: &[u8]) -> Option<Command<'_>> {
        if let Some(name) = text.strip_prefix(b"N ") {
            return Some(Command::Name(name));
        }
        let mut words = std::str::from_utf8(text).ok()?.split(' ');
        let command = words.next()?;
        let mut number = || words.next()?.parse::<SocketId>().ok();
        let node = |number| u8::try_from(number).ok().filter(|node| *node != 0);
        Some(match command {
            "S" => Command::Connected(number()?, node(number()?)?),
            "A" => Command::Accepted(number()?, node(number()?)?),
            "D" => Command::Gone(node(number()?)?),
            "F" => Command::Renewed(node(number()?)?),
            "M" => Command::MasterLost,
            _ => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::Command::{self, *};

    #[test]
    fn words() {
        for (text, command) in [
            ("N STORE", Some(Name(b"STORE"))),
            ("N ", Some(Name(b""))),
            ("S 12 3", Some(Connected(12, 3))),
            ("A 12 255", Some(Accepted(12, 255))),
            ("D 7", Some(Gone(7))),
            ("F 7", Some(Renewed(7))),
            ("F 0", None),
            ("M", Some(MasterLost)),
            ("S 12 0", None),
            ("S 12 256", None),
            ("S 12", None),
            ("S x 1", None),
            ("", None),
            ("Q STORE", None),
        ] {
            assert_eq!(Command::parse(text.as_bytes()), command, "{text}");
        }
    }
}
