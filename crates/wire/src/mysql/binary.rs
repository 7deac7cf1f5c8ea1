//! Rows of prepared statements.

use std::io::Write as _;

use super::{Error, Fields, UNSIGNED, kind};

/// A value of a row.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Value<'a> {
    /// An integer; one of 64 bits without a sign beyond 2^63 is negative.
    Integer(i64),
    /// A floating point number.
    Float(f64),
    /// A string, or a decimal number as text.
    Bytes(&'a [u8]),
    /// A date or a time.
    Text(Text),
}

/// A date or a time as text, in the form in which servers write them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Text {
    bytes: [u8; 32],
    len: usize,
}

impl Text {
    /// Its bytes.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes[..self.len]
    }

    fn add(&mut self, text: std::fmt::Arguments) {
        let mut rest = &mut self.bytes[self.len..];
        let before = rest.len();
        // All there is fits: years have at most five digits, hours at most twelve.
        let _ = rest.write_fmt(text);
        self.len += before - rest.len();
    }

    fn fraction(&mut self, microseconds: u32, decimals: u8) {
        let digits = if (1..=6).contains(&decimals) {
            decimals
        } else {
            6
        };
        let divisor = 10u32.pow(6 - u32::from(digits));
        self.add(format_args!(
            ".{:0width$}",
            microseconds.min(999_999) / divisor,
            width = usize::from(digits)
        ));
    }
}

/// The values of one row.
#[derive(Debug, Clone)]
pub struct Row<'a> {
    nulls: &'a [u8],
    fields: Fields<'a>,
    next: usize,
}

impl<'a> Row<'a> {
    /// Of a packet that begins with 0, in a result of so many columns.
    ///
    /// # Errors
    /// [`Error::Truncated`].
    pub fn new(packet: &'a [u8], columns: usize) -> Result<Row<'a>, Error> {
        let mut fields = Fields::new(packet);
        fields.byte()?;
        Ok(Row {
            nulls: fields.take((columns + 9) / 8)?,
            fields,
            next: 0,
        })
    }

    /// The value of the next column; none for NULL.
    ///
    /// # Errors
    /// Any of [`Error`] but `Columns`.
    pub fn value(
        &mut self,
        kind: u8,
        flags: u16,
        decimals: u8,
    ) -> Result<Option<Value<'a>>, Error> {
        // The first two bits are not used.
        let bit = self.next + 2;
        self.next += 1;
        if self
            .nulls
            .get(bit / 8)
            .is_some_and(|byte| byte >> (bit % 8) & 1 == 1)
        {
            return Ok(None);
        }
        let unsigned = flags & UNSIGNED != 0;
        let fields = &mut self.fields;
        Ok(Some(match kind {
            kind::TINY => match fields.byte()? {
                n if unsigned => Value::Integer(n.into()),
                n => Value::Integer((n as i8).into()),
            },
            kind::SHORT => match fields.u16()? {
                n if unsigned => Value::Integer(n.into()),
                n => Value::Integer((n as i16).into()),
            },
            // Three bytes wide in tables, four in rows.
            kind::LONG | kind::INT24 => match fields.u32()? {
                n if unsigned => Value::Integer(n.into()),
                n => Value::Integer((n as i32).into()),
            },
            kind::LONGLONG => Value::Integer(i64::from_le_bytes(fields.array()?)),
            kind::YEAR => Value::Integer(fields.u16()?.into()),
            kind::FLOAT => Value::Float(f32::from_le_bytes(fields.array()?).into()),
            kind::DOUBLE => Value::Float(f64::from_le_bytes(fields.array()?)),
            kind::TIMESTAMP | kind::DATETIME => Value::Text(datetime(fields, decimals)?),
            kind::DATE => Value::Text(date(fields)?),
            kind::TIME => Value::Text(time(fields, decimals)?),
            kind::DECIMAL | kind::VARCHAR | kind::BIT | kind::JSON..=kind::GEOMETRY => {
                match fields.string()? {
                    Some(bytes) => Value::Bytes(bytes),
                    None => return Ok(None),
                }
            }
            other => return Err(Error::Type(other)),
        }))
    }
}

/// Year, month and day of what has at least four bytes.
fn add_date(text: &mut Text, fields: &mut Fields) -> Result<(), Error> {
    let (year, month, day) = (fields.u16()?, fields.byte()?, fields.byte()?);
    text.add(format_args!("{year:04}-{month:02}-{day:02}"));
    Ok(())
}

fn add_clock(text: &mut Text, hours: u64, fields: &mut Fields) -> Result<(), Error> {
    let (minutes, seconds) = (fields.byte()?, fields.byte()?);
    text.add(format_args!("{hours:02}:{minutes:02}:{seconds:02}"));
    Ok(())
}

fn part<'a>(fields: &mut Fields<'a>) -> Result<(u64, Fields<'a>), Error> {
    let bytes = fields.string()?.unwrap_or_default();
    Ok((bytes.len() as u64, Fields::new(bytes)))
}

fn date(fields: &mut Fields) -> Result<Text, Error> {
    let (length, mut fields) = part(fields)?;
    let mut text = Text::default();
    match length {
        0 => text.add(format_args!("0000-00-00")),
        4 | 7 | 11 => add_date(&mut text, &mut fields)?,
        _ => return Err(Error::Date(length)),
    }
    Ok(text)
}

fn datetime(fields: &mut Fields, decimals: u8) -> Result<Text, Error> {
    let (length, mut fields) = part(fields)?;
    let mut text = Text::default();
    match length {
        0 => text.add(format_args!("0000-00-00 00:00:00")),
        4 => {
            add_date(&mut text, &mut fields)?;
            text.add(format_args!(" 00:00:00"));
        }
        7 | 11 => {
            add_date(&mut text, &mut fields)?;
            text.add(format_args!(" "));
            let hours = fields.byte()?.into();
            add_clock(&mut text, hours, &mut fields)?;
            if length == 11 {
                text.fraction(fields.u32()?, decimals);
            }
        }
        _ => return Err(Error::Date(length)),
    }
    Ok(text)
}

fn time(fields: &mut Fields, decimals: u8) -> Result<Text, Error> {
    let (length, mut fields) = part(fields)?;
    let mut text = Text::default();
    match length {
        0 => text.add(format_args!("00:00:00")),
        8 | 12 => {
            if fields.byte()? != 0 {
                text.add(format_args!("-"));
            }
            let hours = u64::from(fields.u32()?) * 24 + u64::from(fields.byte()?);
            add_clock(&mut text, hours, &mut fields)?;
            if length == 12 {
                text.fraction(fields.u32()?, decimals);
            }
        }
        _ => return Err(Error::Date(length)),
    }
    Ok(text)
}
