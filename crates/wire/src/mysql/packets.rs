//! Packets of the server that are not rows.

use super::{Error, Fields, HEAD};

/// The head of a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Head {
    /// How many bytes follow.
    pub size: usize,
    /// Its number in the conversation, from 0.
    pub number: u8,
}

impl Head {
    /// Of the four bytes.
    pub fn of(bytes: [u8; HEAD]) -> Head {
        let [a, b, c, number] = bytes;
        Head {
            size: u32::from_le_bytes([a, b, c, 0]) as usize,
            number,
        }
    }
}

/// Is it the end of a list? Long packets that begin so are rows.
pub fn is_eof(packet: &[u8]) -> bool {
    packet.first() == Some(&0xfe) && packet.len() < 9
}

/// The status that the end of a list tells.
pub fn eof_status(packet: &[u8]) -> u16 {
    match packet {
        [_, _, _, a, b, ..] => u16::from_le_bytes([*a, *b]),
        _ => 0,
    }
}

/// Success.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OkPacket<'a> {
    /// Rows that were changed.
    pub affected_rows: u64,
    /// What AUTO_INCREMENT has given.
    pub insert_id: u64,
    /// The server's status.
    pub status: u16,
    /// Warnings that can be asked for.
    pub warnings: u16,
    /// What else it says.
    pub message: &'a [u8],
}

impl<'a> OkPacket<'a> {
    /// Of a packet that begins with 0.
    ///
    /// # Errors
    /// [`Error::Truncated`], [`Error::Length`].
    pub fn read(packet: &'a [u8]) -> Result<OkPacket<'a>, Error> {
        let mut fields = Fields::new(packet);
        fields.byte()?;
        Ok(OkPacket {
            affected_rows: fields.length()?.unwrap_or(0),
            insert_id: fields.length()?.unwrap_or(0),
            status: fields.u16()?,
            warnings: fields.u16()?,
            message: fields.rest(),
        })
    }
}

/// An error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ErrorPacket<'a> {
    /// Its number.
    pub number: u16,
    /// Its class; absent when the server speaks an older protocol.
    pub state: Option<&'a [u8]>,
    /// Its text.
    pub message: &'a [u8],
}

impl<'a> ErrorPacket<'a> {
    /// Of a packet that begins with 0xff.
    ///
    /// # Errors
    /// [`Error::Truncated`].
    pub fn read(packet: &'a [u8]) -> Result<ErrorPacket<'a>, Error> {
        let mut fields = Fields::new(packet);
        fields.byte()?;
        let number = fields.u16()?;
        let state = match fields.rest() {
            [b'#', rest @ ..] if rest.len() >= 5 => {
                fields.take(1)?;
                Some(fields.take(5)?)
            }
            _ => None,
        };
        Ok(ErrorPacket {
            number,
            state,
            message: fields.rest(),
        })
    }
}

/// What a column of a result is, or a parameter of a statement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Column<'a> {
    /// Its name in the result.
    pub name: &'a [u8],
    /// Its type, one of [`super::kind`].
    pub kind: u8,
    /// Its flags.
    pub flags: u16,
    /// Digits behind the point, of times too; 31 for any number.
    pub decimals: u8,
}

impl<'a> Column<'a> {
    /// Of the packet that describes it.
    ///
    /// # Errors
    /// [`Error::Truncated`], [`Error::Length`].
    pub fn read(packet: &'a [u8]) -> Result<Column<'a>, Error> {
        let mut fields = Fields::new(packet);
        // Catalog, schema, table as it is called here, and its own name.
        for _ in 0..4 {
            fields.string()?;
        }
        let name = fields.string()?.unwrap_or_default();
        fields.string()?;
        // How many bytes follow, charset, and width.
        fields.length()?;
        fields.take(6)?;
        Ok(Column {
            name,
            kind: fields.byte()?,
            flags: fields.u16()?,
            decimals: fields.byte()?,
        })
    }
}
