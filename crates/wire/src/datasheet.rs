//! Datasheets: tables of strings, numbers, booleans and further tables as one block of bytes, made to be read in place.
//!
//! All numbers are 32 bits, little endian:
//!
//! | part | content |
//! |---|---|
//! | header | offset of the texts from the start; number of tables, *n* |
//! | index | *n* offsets of tables from the end of the index; `ffffffff`: no such table |
//! | tables | table 0 is the root |
//! | texts | each ends in a zero byte |
//!
//! A table is: the number of array elements, the number of pairs, a type byte for each element and pair, padding to
//! four bytes, a value for each element, a key (offset in the texts) and a value for each pair. Types and values: 0
//! nil, 1 integer, 2 float, 3 boolean (true is `00 00 00 01`), 4 number of a table, 5 offset in the texts.
//!
//! Readers remember tables by their number. So the next version of a sheet is written with the numbers of the old one
//! where a table is still on its path ([`renumber`]).

use std::collections::HashMap;

/// Why bytes are no datasheet, or data can't be one.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The bytes break the format.
    #[error("Invalid datasheet (at {at})")]
    Invalid {
        /// The offset of what is wrong.
        at: usize,
    },
    /// A text with a zero byte.
    #[error("a text has a zero byte")]
    ZeroByte,
    /// An offset or number is beyond 32 bits.
    #[error("the data are too large for a datasheet")]
    TooLarge,
}

/// A value of a table.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Cell {
    /// Nothing.
    Nil,
    /// An integer.
    Int(i32),
    /// A float.
    Float(f32),
    /// A boolean.
    Bool(bool),
    /// The number of a table.
    Table(u32),
    /// A text, by its offset; see [`Sheet::text`] and [`Builder::text`].
    Text(u32),
}

impl Cell {
    fn kind(self) -> u8 {
        match self {
            Cell::Nil => 0,
            Cell::Int(_) => 1,
            Cell::Float(_) => 2,
            Cell::Bool(_) => 3,
            Cell::Table(_) => 4,
            Cell::Text(_) => 5,
        }
    }

    fn bits(self) -> [u8; 4] {
        match self {
            Cell::Nil => [0; 4],
            Cell::Int(n) => n.to_le_bytes(),
            Cell::Float(n) => n.to_le_bytes(),
            Cell::Bool(b) => [0, 0, 0, b.into()],
            Cell::Table(n) | Cell::Text(n) => n.to_le_bytes(),
        }
    }

    fn read(kind: u8, bits: [u8; 4]) -> Option<Cell> {
        Some(match kind {
            0 => Cell::Nil,
            1 => Cell::Int(i32::from_le_bytes(bits)),
            2 => Cell::Float(f32::from_le_bytes(bits)),
            3 => Cell::Bool(bits != [0; 4]),
            4 => Cell::Table(u32::from_le_bytes(bits)),
            5 => Cell::Text(u32::from_le_bytes(bits)),
            _ => return None,
        })
    }
}

/// In the index: there is no table of this number.
const NONE: u32 = u32::MAX;

/// A datasheet whose bytes have been checked.
#[derive(Clone, Debug)]
pub struct Sheet {
    bytes: Vec<u8>,
    count: u32,
    tables_at: usize,
    texts_at: usize,
}

/// One table of a sheet.
#[derive(Clone, Copy, Debug)]
pub struct Table<'a> {
    array: usize,
    pairs: usize,
    kinds: &'a [u8],
    values: &'a [u8],
}

fn word(bytes: &[u8], at: usize) -> Option<u32> {
    let bytes = bytes.get(at..)?.first_chunk()?;
    Some(u32::from_le_bytes(*bytes))
}

fn padded(n: usize) -> usize {
    n.next_multiple_of(4)
}

impl Sheet {
    /// Checks the bytes.
    ///
    /// # Errors
    /// [`Error::Invalid`] if any offset, number or type in them leads nowhere.
    pub fn new(bytes: Vec<u8>) -> Result<Sheet, Error> {
        let header = || Some((word(&bytes, 0)?, word(&bytes, 4)?));
        let (texts_at, count) = header().ok_or(Error::Invalid { at: bytes.len() })?;
        let (texts_at, tables_at) = (texts_at as usize, 8 + 4 * count as usize);
        if tables_at > texts_at || texts_at > bytes.len() {
            return Err(Error::Invalid { at: 0 });
        }
        let sheet = Sheet {
            bytes,
            count,
            tables_at,
            texts_at,
        };
        for index in 0..count {
            if sheet.offset(index) != NONE {
                let at = 8 + 4 * index as usize;
                let table = sheet.table(index).ok_or(Error::Invalid { at })?;
                sheet.check(table).ok_or(Error::Invalid { at })?;
            }
        }
        Ok(sheet)
    }

    /// Is everything in the table within the sheet?
    fn check(&self, table: Table<'_>) -> Option<()> {
        for i in 0..table.len() {
            match table.cell(i)? {
                Cell::Table(n) if n >= self.count => return None,
                Cell::Text(at) => self.find_text(at)?,
                _ => b"",
            };
        }
        for i in 0..table.pairs {
            self.find_text(table.key(i)?)?;
        }
        Some(())
    }

    fn offset(&self, index: u32) -> u32 {
        word(&self.bytes, 8 + 4 * index as usize).unwrap_or(NONE)
    }

    /// The bytes.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// One more than the largest number of a table.
    pub fn count(&self) -> u32 {
        self.count
    }

    /// The table of this number, if there is one. 0 is the root.
    pub fn table(&self, index: u32) -> Option<Table<'_>> {
        if index >= self.count || self.offset(index) == NONE {
            return None;
        }
        let tables = &self.bytes[self.tables_at..self.texts_at];
        let table = tables.get(self.offset(index) as usize..)?;
        let (array, pairs) = (word(table, 0)? as usize, word(table, 4)? as usize);
        let kinds_end = 8 + padded(array + pairs);
        Some(Table {
            array,
            pairs,
            kinds: table.get(8..8 + array + pairs)?,
            values: table.get(kinds_end..kinds_end + 4 * array + 8 * pairs)?,
        })
    }

    fn find_text(&self, at: u32) -> Option<&[u8]> {
        let rest = self.bytes[self.texts_at..].get(at as usize..)?;
        let end = rest.iter().position(|&b| b == 0)?;
        Some(&rest[..end])
    }

    /// The text at an offset that a table names.
    pub fn text(&self, at: u32) -> &[u8] {
        self.find_text(at).unwrap_or_default()
    }
}

impl Table<'_> {
    fn len(&self) -> usize {
        self.array + self.pairs
    }

    /// Number of array elements.
    pub fn array_len(&self) -> usize {
        self.array
    }

    /// Number of pairs.
    pub fn pairs_len(&self) -> usize {
        self.pairs
    }

    /// Where the value of an element or pair is.
    fn value_at(&self, i: usize) -> usize {
        if i < self.array {
            4 * i
        } else {
            4 * self.array + 8 * (i - self.array) + 4
        }
    }

    fn cell(&self, i: usize) -> Option<Cell> {
        let bits = self.values.get(self.value_at(i)..)?.first_chunk()?;
        Cell::read(*self.kinds.get(i)?, *bits)
    }

    fn key(&self, pair: usize) -> Option<u32> {
        word(self.values, 4 * self.array + 8 * pair)
    }

    /// The array elements.
    pub fn array(&self) -> impl Iterator<Item = Cell> {
        (0..self.array).map(|i| self.cell(i).unwrap_or(Cell::Nil))
    }

    /// The pairs; a key is the offset of its text.
    pub fn pairs(&self) -> impl Iterator<Item = (u32, Cell)> {
        (0..self.pairs).map(|i| {
            let value = self.cell(self.array + i).unwrap_or(Cell::Nil);
            (self.key(i).unwrap_or(0), value)
        })
    }
}

/// Writes a sheet.
#[derive(Default)]
pub struct Builder {
    tables: Vec<Option<Vec<u8>>>,
    texts: Vec<u8>,
    offsets: HashMap<Box<[u8]>, u32>,
}

impl Builder {
    /// The number of a table that will come.
    ///
    /// # Errors
    /// [`Error::TooLarge`].
    pub fn reserve(&mut self) -> Result<u32, Error> {
        let index = u32::try_from(self.tables.len()).map_err(|_| Error::TooLarge)?;
        self.tables.push(None);
        Ok(index)
    }

    /// The offset of a text; equal texts have one.
    ///
    /// # Errors
    /// [`Error::ZeroByte`], [`Error::TooLarge`].
    pub fn text(&mut self, text: &[u8]) -> Result<u32, Error> {
        if let Some(&at) = self.offsets.get(text) {
            return Ok(at);
        }
        if text.contains(&0) {
            return Err(Error::ZeroByte);
        }
        let at = u32::try_from(self.texts.len()).map_err(|_| Error::TooLarge)?;
        self.texts.extend_from_slice(text);
        self.texts.push(0);
        self.offsets.insert(text.into(), at);
        Ok(at)
    }

    /// Sets the content of a reserved table.
    ///
    /// # Errors
    /// [`Error::TooLarge`].
    pub fn table(
        &mut self,
        index: u32,
        array: &[Cell],
        pairs: &[(u32, Cell)],
    ) -> Result<(), Error> {
        let len = |n: usize| u32::try_from(n).map_err(|_| Error::TooLarge);
        let cells = || array.iter().copied().chain(pairs.iter().map(|&(_, v)| v));
        let mut table = Vec::with_capacity(12 + 5 * array.len() + 9 * pairs.len());
        table.extend(len(array.len())?.to_le_bytes());
        table.extend(len(pairs.len())?.to_le_bytes());
        table.extend(cells().map(Cell::kind));
        table.resize(padded(table.len()), 0);
        table.extend(array.iter().flat_map(|v| v.bits()));
        for &(key, value) in pairs {
            table.extend(key.to_le_bytes());
            table.extend(value.bits());
        }
        if let Some(place) = self.tables.get_mut(index as usize) {
            *place = Some(table);
        }
        Ok(())
    }

    /// The bytes of the sheet.
    ///
    /// # Errors
    /// [`Error::TooLarge`].
    pub fn finish(self) -> Result<Vec<u8>, Error> {
        let tables_at = 8 + 4 * self.tables.len();
        let size: usize = self.tables.iter().flatten().map(Vec::len).sum();
        let texts_at = u32::try_from(tables_at + size).map_err(|_| Error::TooLarge)?;
        let mut bytes = Vec::with_capacity(texts_at as usize + self.texts.len());
        bytes.extend(texts_at.to_le_bytes());
        bytes.extend((self.tables.len() as u32).to_le_bytes());
        let mut offset = 0;
        for table in &self.tables {
            let at = table.as_ref().map_or(NONE, |_| offset);
            bytes.extend(at.to_le_bytes());
            offset += table.as_ref().map_or(0, |table| table.len() as u32);
        }
        self.tables
            .iter()
            .flatten()
            .for_each(|table| bytes.extend(table));
        bytes.extend(self.texts);
        Ok(bytes)
    }
}

/// The content of `new`, written so that a table which is on the same path in `old` has the number that it has there.
/// Other tables get numbers that `old` does not use.
///
/// # Errors
/// [`Error::TooLarge`].
pub fn renumber(old: &Sheet, new: &Sheet) -> Result<Vec<u8>, Error> {
    let mut builder = Builder::default();
    for _ in 0..old.count {
        builder.reserve()?;
    }
    // The new number of each table of `new`, and which old numbers are in use again.
    let mut numbers: Vec<Option<u32>> = vec![None; new.count as usize];
    let mut used = vec![false; old.count as usize];
    // Tables of `new`, with the table of `old` on the same path.
    let mut todo = vec![(0, Some(0))];
    let mut order = Vec::new();
    while let Some((index, before)) = todo.pop() {
        let Some(table) = new.table(index) else {
            continue;
        };
        if numbers[index as usize].is_some() {
            continue;
        }
        let before = before.filter(|&n| old.table(n).is_some() && !used[n as usize]);
        let number = match before {
            // The outermost table is the first one, whatever the old sheet has there.
            _ if order.is_empty() && old.count > 0 => 0,
            Some(n) => n,
            None => builder.reserve()?,
        };
        if let Some(used) = used.get_mut(number as usize) {
            *used = true;
        }
        numbers[index as usize] = Some(number);
        order.push((index, number));
        let before = before.and_then(|n| old.table(n));
        push_children(old, before, new, table, &mut todo);
    }
    for (index, number) in order {
        let Some(table) = new.table(index) else {
            continue;
        };
        let mut copy = |cell| match cell {
            Cell::Text(at) => builder.text(new.text(at)).map(Cell::Text),
            Cell::Table(n) => {
                let number = numbers.get(n as usize).copied().flatten();
                Ok(number.map_or(Cell::Nil, Cell::Table))
            }
            other => Ok(other),
        };
        let array = table
            .array()
            .map(&mut copy)
            .collect::<Result<Vec<_>, _>>()?;
        let values = table
            .pairs()
            .map(|(_, v)| copy(v))
            .collect::<Result<Vec<_>, _>>()?;
        let mut pairs = Vec::with_capacity(values.len());
        for ((key, _), value) in table.pairs().zip(values) {
            pairs.push((builder.text(new.text(key))?, value));
        }
        builder.table(number, &array, &pairs)?;
    }
    builder.finish()
}

/// The sub-tables of `table`, each with the sub-table of `before` on its path.
fn push_children(
    old: &Sheet,
    before: Option<Table<'_>>,
    new: &Sheet,
    table: Table<'_>,
    todo: &mut Vec<(u32, Option<u32>)>,
) {
    let was_table = |cell| match cell {
        Some(Cell::Table(n)) => Some(n),
        _ => None,
    };
    let named: HashMap<&[u8], u32> = before
        .iter()
        .flat_map(Table::pairs)
        .filter_map(|(key, cell)| Some((old.text(key), was_table(Some(cell))?)))
        .collect();
    for (i, cell) in table.array().enumerate() {
        if let Cell::Table(child) = cell {
            let element = before.filter(|t| i < t.array).and_then(|t| t.cell(i));
            todo.push((child, was_table(element)));
        }
    }
    for (key, cell) in table.pairs() {
        if let Cell::Table(child) = cell {
            todo.push((child, named.get(new.text(key)).copied()));
        }
    }
}
