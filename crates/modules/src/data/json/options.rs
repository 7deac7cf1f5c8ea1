//! The settings of a module table, and the functions that change and tell them.

use std::ffi::{c_int, c_void};

use mlua_sys::lua55::lua_State;
use skynet_vm::lua::{Lua, Type};
use skynet_vm::native::{Fault, Outcome, native, results};

/// A buffer that grew beyond this is given back after use.
const KEEP: usize = 1 << 20;

/// What is done about numbers that JSON has not.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum InvalidNumbers {
    Off,
    On,
    Null,
}

pub(super) struct Config {
    pub(super) encode_sparse_convert: bool,
    pub(super) encode_sparse_ratio: i32,
    pub(super) encode_sparse_safe: i32,
    pub(super) encode_max_depth: i32,
    pub(super) decode_max_depth: i32,
    pub(super) encode_invalid_numbers: InvalidNumbers,
    pub(super) decode_invalid_numbers: bool,
    pub(super) encode_number_precision: i32,
    pub(super) encode_keep_buffer: bool,
    pub(super) encode_empty_table_as_object: bool,
    pub(super) encode_skip_unsupported_value_types: bool,
    pub(super) encode_escape_forward_slash: bool,
    pub(super) decode_array_with_array_mt: bool,
    /// Addresses of the metatables, which live as long as the state.
    pub(super) array_mt: *const c_void,
    pub(super) empty_array_mt: *const c_void,
    pub(super) buffer: Vec<u8>,
}

impl Config {
    /// Gives back a buffer that is not worth keeping, or not to be kept.
    pub(super) fn let_go(&mut self) {
        if !self.encode_keep_buffer || self.buffer.capacity() > KEEP {
            self.buffer = Vec::new();
        }
    }
}

/// Pushes settings as they are at first. *raises*
pub(super) fn push(l: Lua, array_mt: *const c_void, empty_array_mt: *const c_void) {
    unsafe extern "C-unwind" fn collect(l: *mut lua_State) -> c_int {
        // SAFETY: `__gc` of the userdata below, which holds settings; Lua calls it once.
        unsafe {
            mlua_sys::lua55::lua_touserdata(l, 1)
                .cast::<Config>()
                .drop_in_place();
        }
        0
    }
    let config: *mut Config = l.new_userdata(size_of::<Config>(), 0).cast();
    let fresh = Config {
        encode_sparse_convert: false,
        encode_sparse_ratio: 2,
        encode_sparse_safe: 10,
        encode_max_depth: 1000,
        decode_max_depth: 1000,
        encode_invalid_numbers: InvalidNumbers::Off,
        decode_invalid_numbers: true,
        encode_number_precision: 14,
        encode_keep_buffer: true,
        encode_empty_table_as_object: true,
        encode_skip_unsupported_value_types: false,
        encode_escape_forward_slash: true,
        decode_array_with_array_mt: false,
        array_mt,
        empty_array_mt,
        buffer: Vec::new(),
    };
    // SAFETY: a new block of the right size, aligned for any type. What is written owns nothing yet.
    unsafe { config.write(fresh) };
    l.new_table(0, 1);
    l.push_function(collect);
    l.set_field(-2, c"__gc");
    l.set_metatable(-2);
}

/// The settings, when no more than `most` arguments were given.
fn settings<'a>(l: Lua, most: c_int) -> Result<&'a mut Config, Fault> {
    if l.top() > most {
        return Err(Fault::Argument(most + 1, "found too many arguments".into()));
    }
    l.set_top(most);
    // SAFETY: the upvalue is the settings, and no Lua code runs while they are changed.
    Ok(unsafe { &mut *config(l) })
}

/// Takes a whole number, if there is one, and pushes what is set then. Errors name argument 1, as the library's do.
fn integer(l: Lua, i: c_int, setting: &mut i32, least: i32, most: i32) -> Result<(), Fault> {
    if l.kind(i) != Type::Nil {
        let n = l.int(i).ok_or_else(|| {
            let text = match l.float(i) {
                Some(_) => "number has no integer representation".into(),
                None => format!("number expected, got {}", l.type_name(i)).into(),
            };
            Fault::Argument(i, text)
        })?;
        *setting = i32::try_from(n)
            .ok()
            .filter(|n| (least..=most).contains(n))
            .ok_or_else(|| {
                let text = format!("expected integer between {least} and {most}");
                Fault::Argument(1, text.into())
            })?;
    }
    l.push_int((*setting).into());
    Ok(())
}

/// The number of the word at `i`; booleans are the first two.
fn word(l: Lua, i: c_int, words: &[&str]) -> Result<Option<usize>, Fault> {
    match l.kind(i) {
        Type::Nil => return Ok(None),
        Type::Boolean => return Ok(Some(usize::from(l.bool(i)))),
        _ => {}
    }
    let given = l.string_argument(i)?;
    let number = words.iter().position(|word| word.as_bytes() == given);
    number.map(Some).ok_or_else(|| {
        let text = format!("invalid option '{}'", String::from_utf8_lossy(given));
        Fault::Argument(i, text.into())
    })
}

const SWITCH: &[&str] = &["off", "on"];

/// Takes a switch, if there is one, and pushes how it is set then.
fn switch(l: Lua, i: c_int, setting: &mut bool) -> Result<(), Fault> {
    if let Some(number) = word(l, i, SWITCH)? {
        *setting = number == 1;
    }
    l.push_bool(*setting);
    Ok(())
}

fn one_switch(l: Lua, which: impl Fn(&mut Config) -> &mut bool) -> Outcome {
    let config = settings(l, 1)?;
    switch(l, 1, which(config))?;
    results(1)
}

native! {
    /// `encode_sparse_array([convert [, ratio [, safe]]])`
    encode_sparse_array = |l| {
        let config = settings(l, 3)?;
        switch(l, 1, &mut config.encode_sparse_convert)?;
        integer(l, 2, &mut config.encode_sparse_ratio, 0, i32::MAX)?;
        integer(l, 3, &mut config.encode_sparse_safe, 0, i32::MAX)?;
        results(3)
    };

    encode_max_depth = |l| {
        integer(l, 1, &mut settings(l, 1)?.encode_max_depth, 1, i32::MAX)?;
        results(1)
    };

    decode_max_depth = |l| {
        integer(l, 1, &mut settings(l, 1)?.decode_max_depth, 1, i32::MAX)?;
        results(1)
    };

    encode_number_precision = |l| {
        integer(l, 1, &mut settings(l, 1)?.encode_number_precision, 1, 14)?;
        results(1)
    };

    encode_keep_buffer = |l| {
        let done = one_switch(l, |config| &mut config.encode_keep_buffer)?;
        settings(l, l.top())?.let_go();
        Ok(done)
    };

    encode_invalid_numbers = |l| {
        let config = settings(l, 1)?;
        if let Some(number) = word(l, 1, &["off", "on", "null"])? {
            config.encode_invalid_numbers =
                [InvalidNumbers::Off, InvalidNumbers::On, InvalidNumbers::Null][number];
        }
        match config.encode_invalid_numbers {
            InvalidNumbers::Off => l.push_bool(false),
            InvalidNumbers::On => l.push_bool(true),
            InvalidNumbers::Null => l.push_str("null"),
        }
        results(1)
    };

    decode_invalid_numbers = |l| one_switch(l, |config| &mut config.decode_invalid_numbers);

    encode_empty_table_as_object = |l| one_switch(l, |config| &mut config.encode_empty_table_as_object);

    encode_skip_unsupported_value_types =
        |l| one_switch(l, |config| &mut config.encode_skip_unsupported_value_types);

    encode_escape_forward_slash = |l| one_switch(l, |config| &mut config.encode_escape_forward_slash);

    decode_array_with_array_mt = |l| one_switch(l, |config| &mut config.decode_array_with_array_mt);
}

/// The settings of the module whose function runs.
pub(super) fn config(l: Lua) -> *mut Config {
    l.userdata(mlua_sys::lua55::lua_upvalueindex(1)).cast()
}
