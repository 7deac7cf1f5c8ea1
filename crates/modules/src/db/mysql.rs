//! `skynet.db.mysql.core`: commands to bytes, packets and results to values.
//!
//! A result is read in steps, as its packets come: what is known of it lies in a userdata, whose user values are the
//! tables that Lua will get.

use std::ffi::{CStr, c_int};

use mlua_sys::lua55::{self as ffi, lua_CFunction};
use skynet_vm::lua::{Lua, Number, Type};
use skynet_vm::native::{Fault, Outcome, native, push_functions, results};
use skynet_wire::mysql::request::{self, Parameter};
use skynet_wire::mysql::{
    Column, Error, ErrorPacket, Fields, HEAD, Head, MAX_COLUMNS, MORE_RESULTS, OkPacket, WHOLE,
    binary, eof_status, is_eof, is_number,
};

use super::{append_plain, buffer, number, state, wants};
use crate::sockets::buffer::Buffer;

const FUNCTIONS: &[(&str, lua_CFunction)] = &[
    ("begin", begin),
    ("column", column),
    ("command", command),
    ("execute", execute),
    ("packet", packet),
    ("quote", quote),
    ("reader", reader),
    ("result", result),
    ("seal", seal),
];

/// What is known of an unfinished result.
struct Reader {
    /// The most bytes of an answer.
    limit: u64,
    /// Bytes of this one that have been read.
    seen: u64,
    compact: bool,
    binary: bool,
    phase: Phase,
    columns: u32,
    /// Columns or rows that have been read.
    count: i64,
    /// Results before this one.
    before: i64,
}

#[derive(Clone, Copy)]
enum Phase {
    Begin,
    Columns,
    EndOfColumns,
    Rows,
}

impl state::State for Reader {
    const NAME: &CStr = c"skynet.db.mysql.reader";
}

// User values of the userdata.
/// The names of the columns.
const NAMES: c_int = 1;
/// Four bytes for each column: type, flags, digits behind the point.
const KINDS: c_int = 2;
/// The rows so far.
const ROWS: c_int = 3;
/// The results before this one.
const RESULTS: c_int = 4;

// The stack of `result`.
const STATE: c_int = 1;
const AT_NAMES: c_int = 3;
const AT_KINDS: c_int = 4;
const AT_ROWS: c_int = 5;

/// Pushes a user value of the state.
fn get(l: Lua, which: c_int) {
    // SAFETY: the userdata at `STATE` was made with four user values.
    unsafe { ffi::lua_getiuservalue(l.0, STATE, which) };
}

/// Makes the top value, which is popped, a user value of the state.
fn set(l: Lua, which: c_int) {
    // SAFETY: as above.
    unsafe { ffi::lua_setiuservalue(l.0, STATE, which) };
}

fn fault(error: Error) -> Fault {
    Fault::Plain(error.to_string().into())
}

fn reader_at<'a>(l: Lua) -> Result<&'a mut Reader, Fault> {
    state::at(l, STATE).ok_or_else(|| l.expected(STATE, "reader"))
}

/// The first whole packet of the buffer: its number, its content, and its size with all heads. If it is not there, how
/// many bytes there have to be.
enum Found {
    Whole {
        content: *const [u8],
        size: usize,
        number: u8,
    },
    Missing(u64),
}

/// Finds the first packet. One that is longer than a packet can be is put together as a string, which is pushed; else
/// nil is pushed. *raises*
fn find(l: Lua, buffer: &mut Buffer, limit: u64) -> Result<Found, Fault> {
    let mut size = 0;
    let mut head;
    loop {
        let mut bytes = [0; HEAD];
        let mut filled = 0;
        for piece in buffer.pieces(size) {
            let n = piece.len().min(HEAD - filled);
            bytes[filled..filled + n].copy_from_slice(&piece[..n]);
            filled += n;
            if filled == HEAD {
                break;
            }
        }
        head = Head::of(bytes);
        size += HEAD;
        if filled < HEAD {
            return Ok(Found::Missing(size as u64));
        }
        size += head.size;
        if size as u64 > limit {
            return Err(Fault::Plain(
                format!(
                    "mysql: an answer of {size} bytes or more is above its limit (option maxreply)"
                )
                .into(),
            ));
        }
        if size > buffer.size() {
            return Ok(Found::Missing(size as u64));
        }
        if head.size < WHOLE {
            break;
        }
    }
    let all = buffer.peek(size).unwrap_or_default();
    if all.len() <= WHOLE + HEAD {
        let content: *const [u8] = &all[HEAD..];
        l.push_nil();
        return Ok(Found::Whole {
            content,
            size,
            number: head.number,
        });
    }
    let mut joined = Vec::with_capacity(size);
    for packet in all.chunks(WHOLE + HEAD) {
        joined.extend_from_slice(&packet[HEAD..]);
    }
    l.push_owned(joined);
    Ok(Found::Whole {
        content: l.known_bytes(-1),
        size,
        number: head.number,
    })
}

native! {
    open = |l| {
        push_functions(l, FUNCTIONS);
        results(1)
    };

    /// `reader(limit)`: the state of `packet` and `result`, for one connection
    reader = |l| {
        let limit = l.int(1).ok_or_else(|| l.expected(1, "number"))?;
        state::push_with(l, RESULTS, Reader {
            limit: limit.max(0) as u64,
            seen: 0,
            compact: false,
            binary: false,
            phase: Phase::Begin,
            columns: 0,
            count: 0,
            before: 0,
        });
        results(1)
    };

    /// `seal(key, password, scramble)`: the password for the owner of a public key (PEM), so that it is of use for
    /// this login only
    seal = |l| {
        let key = String::from_utf8_lossy(l.string_argument(1)?).into_owned();
        let (password, scramble) = (l.string_argument(2)?, l.string_argument(3)?);
        let clear = password.iter().chain([&0]);
        let mixed: Vec<u8> = clear.zip(scramble.iter().cycle()).map(|(a, b)| a ^ b).collect();
        let sealed = skynet_crypt::rsa_oaep::encrypt(&key, &mixed);
        l.push_owned(sealed.map_err(|why| Fault::Plain(why.to_string().into()))?);
        results(1)
    };

    /// `packet(reader, buffer)`, a decoder: the content of a packet, and its number
    packet = |l| {
        l.set_top(2);
        let limit = reader_at(l)?.limit;
        let buffer = buffer(l)?;
        match find(l, buffer, limit)? {
            Found::Missing(bytes) => wants(l, bytes),
            Found::Whole { content, size, number } => {
                l.push_bool(true);
                // SAFETY: the bytes stay where they are until `consume`.
                l.push_bytes(unsafe { &*content });
                l.push_int(number.into());
                buffer.consume(size);
                results(3)
            }
        }
    };

    /// `begin(reader, compact, binary)`: the next answer is a result, with rows of that form
    begin = |l| {
        let reader = reader_at(l)?;
        *reader = Reader {
            limit: reader.limit,
            seen: 0,
            compact: l.bool(2),
            binary: l.bool(3),
            phase: Phase::Begin,
            columns: 0,
            count: 0,
            before: 0,
        };
        l.push_nil();
        set(l, RESULTS);
        results(0)
    };

    /// `result(reader, buffer)`, a decoder: true, and the result or the results
    result = |l| {
        l.set_top(2);
        let reader = reader_at(l)?;
        let buffer = buffer(l)?;
        get(l, NAMES);
        get(l, KINDS);
        get(l, ROWS);
        loop {
            l.set_top(AT_ROWS);
            match find(l, buffer, reader.limit.saturating_sub(reader.seen))? {
                Found::Missing(bytes) => return wants(l, bytes),
                Found::Whole { content, size, .. } => {
                    reader.seen += size as u64;
                    // SAFETY: the bytes stay where they are until `consume`.
                    let step = step(l, reader, unsafe { &*content });
                    buffer.consume(size);
                    match step? {
                        Step::More => {}
                        Step::Done => return finish(l, reader),
                    }
                }
            }
        }
    };

    /// `column(content)`: name, type and flags of the column that a packet describes
    column = |l| {
        let content = l.bytes_argument(1)?;
        let column = Column::read(content).map_err(fault)?;
        l.push_bytes(column.name);
        l.push_int(column.kind.into());
        l.push_int(column.flags.into());
        results(3)
    };

    /// `command(code, text)`: the packet of a command
    command = |l| {
        let code = l.int(1).and_then(|code| u8::try_from(code).ok()).ok_or_else(|| l.expected(1, "byte"))?;
        let text = l.string_argument(2)?;
        let mut out = Vec::with_capacity(HEAD + 1 + text.len());
        request::begin(&mut out, 0);
        out.push(code);
        out.extend_from_slice(text);
        request::end(&mut out).map_err(|error| Fault::from(error.to_string()))?;
        l.push_owned(out);
        results(1)
    };

    /// `execute(statement, ...)`: the packet that runs it with these parameters
    execute = |l| {
        let statement = l.int(1).and_then(|id| u32::try_from(id).ok()).ok_or_else(|| l.expected(1, "number"))?;
        let count = l.top() as usize - 1;
        for i in 2..=l.top() {
            if !matches!(l.kind(i), Type::Nil | Type::Boolean | Type::Number | Type::String) {
                return Err(Fault::from(format!("invalid parameter type {}", l.type_name(i))));
            }
        }
        let mut out = Vec::with_capacity(64);
        request::execute(&mut out, statement, count, |i| parameter(l, i as c_int + 2))
            .map_err(|error| Fault::from(error.to_string()))?;
        if !l.check_stack(2) {
            return Err("stack overflow".into());
        }
        l.push_owned(out);
        results(1)
    };

    /// `quote(s)`: as a literal of SQL
    quote = |l| {
        let mut out = vec![b'\''];
        let plain = append_plain(l, 1, &mut |text| {
            for &byte in text {
                let escaped = match byte {
                    0 => b'0',
                    8 => b'b',
                    b'\n' => b'n',
                    b'\r' => b'r',
                    b'\t' => b't',
                    0x1a => b'Z',
                    b'\\' | b'\'' | b'"' => byte,
                    _ => {
                        out.push(byte);
                        continue;
                    }
                };
                out.extend_from_slice(&[b'\\', escaped]);
            }
        });
        if !plain || l.kind(1) == Type::Boolean {
            return Err(l.expected(1, "string"));
        }
        out.push(b'\'');
        l.push_owned(out);
        results(1)
    };
}

fn parameter<'a>(l: Lua, i: c_int) -> Parameter<'a> {
    match l.kind(i) {
        Type::Boolean => Parameter::Bool(l.bool(i)),
        Type::String => Parameter::Bytes(l.known_bytes(i)),
        Type::Number => match l.known_number(i) {
            Number::Int(n) => Parameter::Integer(n),
            // Numbers with an integer value are integers.
            Number::Float(n) => match l.int(i) {
                Some(whole) => Parameter::Integer(whole),
                None => Parameter::Float(n),
            },
        },
        _ => Parameter::Null,
    }
}

enum Step {
    More,
    /// The answer is on top of the stack.
    Done,
}

/// What the first byte of a packet says that it is.
fn name_of(packet: &[u8]) -> &'static str {
    match packet.first() {
        Some(0) => "OK",
        Some(0xff) => "ERR",
        Some(0xfe) => "EOF",
        _ => "DATA",
    }
}

/// Takes the next packet of a result. *raises*
fn step(l: Lua, reader: &mut Reader, packet: &[u8]) -> Result<Step, Fault> {
    match reader.phase {
        Phase::Begin => begin_result(l, reader, packet),
        Phase::Columns => {
            if packet.first() == Some(&0xff) {
                return failed(l, packet);
            }
            if matches!(packet.first(), Some(0 | 0xfe) | None) {
                let what = name_of(packet);
                return odd(l, &format!("bad field packet type: {what}"));
            }
            let column = Column::read(packet).map_err(fault)?;
            reader.count += 1;
            l.push_bytes(column.name);
            l.raw_seti(AT_NAMES, reader.count);
            let [low, high] = column.flags.to_le_bytes();
            let kinds: *mut u8 = l.userdata(AT_KINDS).cast();
            let at = (reader.count as usize - 1) * 4;
            assert!(at + 4 <= l.raw_len(AT_KINDS), "one entry a column");
            let entry = [column.kind, low, high, column.decimals];
            // SAFETY: inside the userdata, as was just checked.
            unsafe { std::ptr::copy_nonoverlapping(entry.as_ptr(), kinds.add(at), 4) };
            if reader.count == i64::from(reader.columns) {
                reader.phase = Phase::EndOfColumns;
            }
            Ok(Step::More)
        }
        Phase::EndOfColumns => {
            if packet.first() == Some(&0xff) {
                return failed(l, packet);
            }
            if !is_eof(packet) {
                let what = name_of(packet);
                return odd(
                    l,
                    &format!("unexpected packet type {what} while eof packet is expected"),
                );
            }
            reader.phase = Phase::Rows;
            reader.count = 0;
            Ok(Step::More)
        }
        Phase::Rows => {
            if is_eof(packet) {
                l.push_value(AT_ROWS);
                return Ok(more(l, reader, eof_status(packet)));
            }
            if packet.first() == Some(&0xff) {
                return failed(l, packet);
            }
            row(l, reader, packet)?;
            Ok(Step::More)
        }
    }
}

/// The first packet of a result. *raises*
fn begin_result(l: Lua, reader: &mut Reader, packet: &[u8]) -> Result<Step, Fault> {
    match packet.first() {
        None => odd(l, "empty packet"),
        Some(0) => {
            let ok = OkPacket::read(packet).map_err(fault)?;
            l.new_table(0, 5);
            for (key, n) in [
                ("affected_rows", ok.affected_rows as i64),
                ("insert_id", ok.insert_id as i64),
                ("server_status", ok.status.into()),
                ("warning_count", ok.warnings.into()),
            ] {
                l.push_int(n);
                l.raw_set_str(-2, key);
            }
            if !ok.message.is_empty() {
                l.push_bytes(ok.message);
                l.raw_set_str(-2, "message");
            }
            Ok(more(l, reader, ok.status))
        }
        Some(0xff) => failed(l, packet),
        Some(0xfe) if packet.len() < 9 => odd(l, "packet type EOF not supported"),
        Some(0xfb) => Err(Fault::Plain(
            "mysql: the server asks for a file of this machine (LOAD DATA LOCAL), which it does not get".into(),
        )),
        Some(_) => {
            let columns = Fields::new(packet).length().map_err(fault)?.unwrap_or(0);
            if columns == 0 || columns > MAX_COLUMNS {
                return Err(fault(Error::Columns(columns)));
            }
            reader.columns = columns as u32;
            reader.count = 0;
            reader.phase = Phase::Columns;
            l.new_table((columns as usize).min(256), 0);
            l.push_value(-1);
            set(l, NAMES);
            l.replace(AT_NAMES);
            l.new_userdata(columns as usize * 4, 0);
            l.push_value(-1);
            set(l, KINDS);
            l.replace(AT_KINDS);
            l.new_table(0, 0);
            l.push_value(-1);
            set(l, ROWS);
            l.replace(AT_ROWS);
            Ok(Step::More)
        }
    }
}

/// A row, which is added to the rows. *raises*
fn row(l: Lua, reader: &mut Reader, packet: &[u8]) -> Result<(), Fault> {
    let columns = reader.columns as usize;
    let kinds: *const u8 = l.userdata(AT_KINDS).cast();
    // SAFETY: a userdata of four bytes a column, which the stack and the state hold.
    let kinds = unsafe { std::slice::from_raw_parts(kinds, columns * 4) };
    match reader.compact {
        true => l.new_table(columns, 0),
        false => l.new_table(0, columns),
    }
    let table = l.top();
    let mut text = Fields::new(packet);
    let mut values = match reader.binary {
        true => Some(binary::Row::new(packet, columns).map_err(fault)?),
        false => None,
    };
    for (i, entry) in kinds.chunks_exact(4).enumerate() {
        let (kind, flags, decimals) =
            (entry[0], u16::from_le_bytes([entry[1], entry[2]]), entry[3]);
        let at = i as i64 + 1;
        if !reader.compact {
            l.raw_geti(AT_NAMES, at);
        }
        match &mut values {
            None => match text.string().map_err(fault)? {
                None => l.push_nil(),
                Some(bytes) if is_number(kind) => number::push(l, bytes),
                Some(bytes) => l.push_bytes(bytes),
            },
            Some(row) => match row.value(kind, flags, decimals).map_err(fault)? {
                // The value of an earlier column of the same name stays.
                None => {
                    if !reader.compact {
                        l.pop(1);
                    }
                    continue;
                }
                Some(binary::Value::Integer(n)) => l.push_int(n),
                Some(binary::Value::Float(n)) => l.push_float(n),
                Some(binary::Value::Bytes(bytes)) if is_number(kind) => number::push(l, bytes),
                Some(binary::Value::Bytes(bytes)) => l.push_bytes(bytes),
                Some(binary::Value::Text(text)) => l.push_bytes(text.bytes()),
            },
        }
        match reader.compact {
            true => l.raw_seti(table, at),
            false => l.raw_set(table),
        }
    }
    reader.count += 1;
    l.raw_seti(AT_ROWS, reader.count);
    Ok(())
}

/// A result is on top of the stack: whether another one follows. *raises*
fn more(l: Lua, reader: &mut Reader, status: u16) -> Step {
    if status & MORE_RESULTS == 0 {
        return Step::Done;
    }
    if reader.before == 0 {
        l.new_table(2, 1);
        set(l, RESULTS);
    }
    reader.before += 1;
    get(l, RESULTS);
    l.push_value(-2);
    l.raw_seti(-2, reader.before);
    reader.phase = Phase::Begin;
    Step::More
}

/// Pushes the table of an error. *raises*
fn failed(l: Lua, packet: &[u8]) -> Result<Step, Fault> {
    let error = ErrorPacket::read(packet).map_err(fault)?;
    l.new_table(0, 4);
    l.push_bool(true);
    l.raw_set_str(-2, "badresult");
    l.push_bytes(error.message);
    l.raw_set_str(-2, "err");
    l.push_int(error.number.into());
    l.raw_set_str(-2, "errno");
    if let Some(state) = error.state {
        l.push_bytes(state);
        l.raw_set_str(-2, "sqlstate");
    }
    Ok(Step::Done)
}

/// Pushes the table of an answer that is none. *raises*
fn odd(l: Lua, why: &str) -> Result<Step, Fault> {
    l.new_table(0, 2);
    l.push_bool(true);
    l.raw_set_str(-2, "badresult");
    l.push_bytes(why.as_bytes());
    l.raw_set_str(-2, "err");
    Ok(Step::Done)
}

/// The last result, or what went wrong, is on top of the stack. *raises*
fn finish(l: Lua, reader: &mut Reader) -> Outcome {
    let last = l.top();
    for which in [NAMES, KINDS, ROWS] {
        l.push_nil();
        set(l, which);
    }
    if reader.before == 0 {
        l.push_bool(true);
        l.push_bool(true);
        l.push_value(last);
        return results(3);
    }
    get(l, RESULTS);
    let all = l.top();
    l.push_nil();
    set(l, RESULTS);
    if l.raw_get_str(last, "badresult") == Type::Nil {
        l.push_value(last);
        l.raw_seti(all, reader.before + 1);
    } else {
        for key in ["badresult", "err", "errno", "sqlstate"] {
            l.raw_get_str(last, key);
            l.raw_set_str(all, key);
        }
    }
    l.push_bool(true);
    // The second spelling is that of skynet (C).
    let key = if reader.binary {
        "mulitresultset"
    } else {
        "multiresultset"
    };
    l.raw_set_str(all, key);
    l.push_bool(true);
    l.push_bool(true);
    l.push_value(all);
    results(3)
}
