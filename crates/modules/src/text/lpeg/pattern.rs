//! Patterns as userdata.
//!
//! The memory of one is a head, its sets and its nodes. Its first user value is the table of the Lua values that the
//! nodes' keys stand for, or nil; its second one the program, once it has been matched.

use std::ffi::{CStr, c_int};
use std::ptr;

use mlua_sys::lua55 as ffi;
use skynet_peg::{Class, Code, Facts, Inst, Node, Program, Set, Switch, Tree, View};
use skynet_vm::lua::{Lua, Type};
use skynet_vm::native::{Fault, guarded};

/// The metatable's name in the registry: not the one that LPeg itself takes, which may be loaded as well.
const NAME: &CStr = c"skynet.lpeg";
/// What messages call a pattern.
const SHOWN: &str = "lpeg-pattern";

/// Patterns have at most so many Lua values.
pub(super) const MAX_VALUES: u32 = u16::MAX as u32;
/// And nodes.
const MAX_NODES: usize = 1 << 24;

/// Its size is a multiple of what sets are aligned to.
#[repr(C, align(8))]
struct Head {
    facts: Facts,
    sets: u32,
    nodes: u32,
    values: u32,
}

const _: () = assert!(align_of::<Set>() <= 8 && align_of::<Head>() <= 8 && align_of::<Node>() <= 8);
const _: () = assert!(size_of::<Head>().is_multiple_of(align_of::<Set>()));

/// The metatable is in the registry under this address, too, where it is found faster than by its name.
static KEY: u8 = 0;

/// Pushes the metatable. *raises*
pub(super) fn push_metatable(l: Lua) {
    // SAFETY: plain calls of the API.
    unsafe {
        if ffi::luaL_newmetatable(l.0, NAME.as_ptr()) != 0 {
            l.push_str(SHOWN);
            l.raw_set_str(-2, "__name");
            l.push_value(-1);
            ffi::lua_rawsetp(l.0, ffi::LUA_REGISTRYINDEX, (&raw const KEY).cast());
        }
    }
}

/// Where the metatable is, to compare. *raises*
pub(super) fn metatable(l: Lua) -> *const std::ffi::c_void {
    push_metatable(l);
    let at = l.pointer(-1);
    l.pop(1);
    at
}

fn head<'a>(l: Lua, i: c_int) -> Option<&'a Head> {
    // SAFETY: a userdata with our metatable begins with a head, which does not change. The caller keeps it on the
    // stack.
    unsafe {
        if ffi::lua_type(l.0, i) != ffi::LUA_TUSERDATA || ffi::lua_getmetatable(l.0, i) == 0 {
            return None;
        }
        ffi::lua_rawgetp(l.0, ffi::LUA_REGISTRYINDEX, (&raw const KEY).cast());
        let ours = ffi::lua_topointer(l.0, -1) == ffi::lua_topointer(l.0, -2);
        l.pop(2);
        match ours {
            true => ffi::lua_touserdata(l.0, i).cast::<Head>().as_ref(),
            false => None,
        }
    }
}

/// Is the value at `i` a pattern? *raises*
pub(super) fn is(l: Lua, i: c_int) -> bool {
    head(l, i).is_some()
}

/// The pattern at `i`, which stays there while it is used. *raises*
pub(super) fn get<'a>(l: Lua, i: c_int) -> Option<View<'a>> {
    let head = head(l, i)?;
    let start = ptr::from_ref(head).cast::<u8>();
    // SAFETY: what `push` has written: behind the head the sets, behind them the nodes. Patterns do not change.
    unsafe {
        let sets: *const Set = start.add(size_of::<Head>()).cast();
        let nodes: *const Node = sets.add(head.sets as usize).cast();
        Some(View {
            nodes: std::slice::from_raw_parts(nodes, head.nodes as usize),
            sets: std::slice::from_raw_parts(sets, head.sets as usize),
            facts: head.facts,
        })
    }
}

/// How many values the pattern at `i` has. *raises*
pub(super) fn count(l: Lua, i: c_int) -> u32 {
    head(l, i).map_or(0, |head| head.values)
}

/// Pushes the table of values of the pattern at `i`, or nil.
pub(super) fn push_values(l: Lua, i: c_int) -> Type {
    // SAFETY: patterns have two user values.
    unsafe { ffi::lua_getiuservalue(l.0, i, 1) };
    l.kind(-1)
}

/// Makes a pattern of the tree and of the table of values, or nil, on top, which it replaces. *raises*
pub(super) fn push(l: Lua, tree: &Tree, values: u32) -> Result<(), Fault> {
    if tree.nodes.len() > MAX_NODES {
        return Err("pattern too large".into());
    }
    let head = Head {
        facts: tree.facts,
        sets: tree.sets.len() as u32,
        nodes: tree.nodes.len() as u32,
        values,
    };
    let (sets, nodes) = (&tree.sets[..], &tree.nodes[..]);
    let size = size_of::<Head>() + size_of_val(sets) + size_of_val(nodes);
    let mut head = Some(head);
    guarded(l, 1, |l| {
        let start: *mut u8 = l.new_userdata(size, 2).cast();
        // SAFETY: a new block with room for all three, aligned for any type; see the assertions above.
        unsafe {
            if let Some(head) = head.take() {
                start.cast::<Head>().write(head);
            }
            let to: *mut Set = start.add(size_of::<Head>()).cast();
            ptr::copy_nonoverlapping(sets.as_ptr(), to, sets.len());
            let to: *mut Node = to.add(sets.len()).cast();
            ptr::copy_nonoverlapping(nodes.as_ptr(), to, nodes.len());
            ffi::lua_rawgetp(l.0, ffi::LUA_REGISTRYINDEX, (&raw const KEY).cast());
            ffi::lua_setmetatable(l.0, -2);
        }
    })?;
    l.insert(-2);
    // SAFETY: the userdata, which is below the top, has two user values.
    unsafe { ffi::lua_setiuservalue(l.0, -2, 1) };
    Ok(())
}

#[repr(C)]
struct ProgramHead {
    code: u32,
    switches: u32,
    classes: u32,
    text: u32,
}

const _: () =
    assert!(align_of::<Inst>() <= 4 && align_of::<Class>() <= 4 && align_of::<Switch>() <= 4);
const _: () = assert!(size_of::<Inst>().is_multiple_of(4) && size_of::<ProgramHead>() == 16);

/// Pushes the program of the pattern at `i`, or nil; returns it.
pub(super) fn program<'a>(l: Lua, i: c_int) -> Option<Code<'a>> {
    // SAFETY: patterns have two user values; the second one is nil or what `keep_program` has made. It does not change.
    unsafe {
        ffi::lua_getiuservalue(l.0, i, 2);
        let start: *const u8 = ffi::lua_touserdata(l.0, -1).cast();
        let head = start.cast::<ProgramHead>().as_ref()?;
        let code: *const Inst = start.add(size_of::<ProgramHead>()).cast();
        let switches: *const Switch = code.add(head.code as usize).cast();
        let classes: *const [u8; 256] = switches.add(head.switches as usize).cast();
        let text: *const u8 = classes.add(head.classes as usize).cast();
        Some(Code {
            code: std::slice::from_raw_parts(code, head.code as usize),
            switches: std::slice::from_raw_parts(switches, head.switches as usize),
            classes: std::slice::from_raw_parts(classes, head.classes as usize),
            text: std::slice::from_raw_parts(text, head.text as usize),
        })
    }
}

/// Keeps a program for the pattern at `i`. *raises*
pub(super) fn keep_program(l: Lua, i: c_int, program: &Program) -> Result<(), Fault> {
    let i = l.abs(i);
    let Program {
        code,
        classes,
        switches,
        text,
    } = program;
    let too_large = |_| Fault::from("pattern too large");
    let head = ProgramHead {
        code: u32::try_from(code.len()).map_err(too_large)?,
        switches: u32::try_from(switches.len()).map_err(too_large)?,
        classes: u32::try_from(classes.len()).map_err(too_large)?,
        text: u32::try_from(text.len()).map_err(too_large)?,
    };
    let size = size_of::<ProgramHead>()
        + size_of_val(&code[..])
        + size_of_val(&switches[..])
        + size_of_val(&classes[..])
        + text.len();
    let mut head = Some(head);
    guarded(l, 1, |l| {
        let start: *mut u8 = l.new_userdata(size, 0).cast();
        // SAFETY: a new block with room for all; the alignments, asserted above, go down.
        unsafe {
            if let Some(head) = head.take() {
                start.cast::<ProgramHead>().write(head);
            }
            let to: *mut Inst = start.add(size_of::<ProgramHead>()).cast();
            ptr::copy_nonoverlapping(code.as_ptr(), to, code.len());
            let to: *mut Switch = to.add(code.len()).cast();
            ptr::copy_nonoverlapping(switches.as_ptr(), to, switches.len());
            let to: *mut [u8; 256] = to.add(switches.len()).cast();
            ptr::copy_nonoverlapping(classes.as_ptr(), to, classes.len());
            let to: *mut u8 = to.add(classes.len()).cast();
            ptr::copy_nonoverlapping(text.as_ptr(), to, text.len());
        }
    })?;
    // SAFETY: patterns have two user values.
    unsafe { ffi::lua_setiuservalue(l.0, i, 2) };
    Ok(())
}

/// The fault of argument `i`, which should have been `wanted`, in the words of Lua's own functions. *raises*
pub(super) fn expected(l: Lua, i: c_int, wanted: &str) -> Fault {
    let named = l.get_metafield(i, c"__name");
    let got = match l.bytes(-1).filter(|_| named) {
        Some(name) => String::from_utf8_lossy(name).into_owned(),
        None if l.kind(i) == Type::LightUserdata => "light userdata".into(),
        None => l.type_name(i).into(),
    };
    Fault::Argument(i, format!("{wanted} expected, got {got}").into())
}

/// The fault of argument `i`, which is no pattern. *raises*
pub(super) fn no_pattern(l: Lua, i: c_int) -> Fault {
    expected(l, i, SHOWN)
}

/// The fault of a pattern that has too many values.
pub(super) fn too_many_values() -> Fault {
    "too many Lua values in pattern".into()
}

/// Copies `count` values of the table at `from` behind `offset` values of the one on top. *raises*
pub(super) fn copy_values(l: Lua, from: c_int, count: u32, offset: u32) {
    let from = l.abs(from);
    for n in 1..=i64::from(count) {
        l.raw_geti(from, n);
        l.raw_seti(-2, n + i64::from(offset));
    }
}
