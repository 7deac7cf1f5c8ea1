//! Tables and strings that every service has: made once in the process, and shared by all states.

use std::sync::{Once, OnceLock};

use mlua_sys::lua55 as ffi;
use skynet_vm::lua::{Lua, REGISTRY};
use skynet_vm::shared::{self, Preparing, SharedNodes};

use super::CLASSES;
use crate::api;
use crate::library::Library;
use crate::service::coroutine;

/// Strings that start-up code puts into every state, or nearly every, besides the names of modules and of their
/// functions.
const STRINGS: &[&str] = &[
    "dispatch",
    "unpack",
    "pack",
    "name",
    "id",
    "lua",
    "text",
    "system",
    "response",
    "error",
    "snlua",
    "skynet_context",
    "memlimit",
    "LUA_NOENV",
    "SERVICE_NAME",
    "SERVICE_PATH",
    "skynet.inits",
    "skynet.plain_require",
    "skynet.loading",
    "_LOADED",
    "_PRELOAD",
    ":native:",
    ":preload:",
    // What Lua looks for in metatables, which may be shared tables.
    "__name",
    "k",
    "v",
    "kv",
    "vk",
];

/// Tables that every service has.
#[derive(Default)]
struct Common {
    libraries: [Option<SharedNodes>; LIBRARIES.len()],
    /// The metatable of strings without `__index`.
    strings: Option<SharedNodes>,
    skynet: Option<SharedNodes>,
    /// The class tables of message types that an application seldom changes, and what goes with the table `skynet`.
    classes: [Option<SharedNodes>; CLASSES],
}

static COMMON: OnceLock<Common> = OnceLock::new();

/// Standard libraries that consist of functions without upvalues.
const LIBRARIES: [&str; 6] = ["coroutine", "table", "os", "string", "utf8", "debug"];

/// Opens the standard libraries in the state of a service. *raises*
pub fn open_libraries(l: Lua) {
    let ready = COMMON.get().and_then(|common| {
        let libraries = common.libraries.iter().all(Option::is_some);
        common
            .strings
            .filter(|_| libraries)
            .map(|strings| (&common.libraries, strings))
    });
    let Some((libraries, strings)) = ready else {
        // SAFETY: opens the standard libraries in a fresh state.
        unsafe { ffi::luaL_openlibs(l.0) };
        return coroutine::install(l);
    };
    // As large as it is in the end.
    l.new_table(0, 16);
    l.set_field(REGISTRY, c"_LOADED");
    let others = ffi::LUA_GLIBK | ffi::LUA_LOADLIBK | ffi::LUA_IOLIBK | ffi::LUA_MATHLIBK;
    // SAFETY: as above.
    unsafe { ffi::luaL_openselectedlibs(l.0, others, 0) };
    l.get_field(REGISTRY, c"_LOADED");
    l.raw_geti(REGISTRY, ffi::LUA_RIDX_GLOBALS);
    for (name, nodes) in LIBRARIES.iter().zip(libraries.iter().flatten()) {
        nodes.push(l);
        l.push_value(-1);
        l.raw_set_str(-3, name);
        l.raw_set_str(-3, name);
    }
    l.push_str("");
    strings.push(l);
    l.get_global(c"string");
    l.raw_set_str(-2, "__index");
    l.set_metatable(-2);
    l.pop(3);
}

/// Pushes the table of the module `skynet` before anything is added to it; false if there is none. *raises*
pub fn push_skynet(l: Lua) -> bool {
    let nodes = COMMON.get().and_then(|common| common.skynet);
    if let Some(nodes) = nodes {
        nodes.push(l);
    }
    nodes.is_some()
}

/// Pushes what [`push_class`](crate::api::push_class) makes; false if it has to be made. *raises*
pub fn push_class(l: Lua, class: usize) -> bool {
    let nodes = COMMON.get().and_then(|common| common.classes[class]);
    if let Some(nodes) = nodes {
        nodes.push(l);
    }
    nodes.is_some()
}

/// Shares what is in every state, once in the process and before the first service has a state: reserved words, names
/// of the standard libraries and of native modules, and the tables of libraries.
pub(crate) fn prepare(library: &Library) {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        if let Some(common) = shared::prepare(|preparing, common| fill(preparing, common, library))
        {
            let _ = COMMON.set(common);
        }
    });
}

/// Makes the strings and the tables that services are going to need. *raises*
fn fill(preparing: &Preparing, common: &mut Common, library: &Library) {
    let l = preparing.state();
    preparing.open_libraries();
    coroutine::install(l);
    let modules = library.native_names();
    for name in modules.chain(api::names()).chain(STRINGS.iter().copied()) {
        l.push_str(name);
        l.pop(1);
    }
    l.get_field(REGISTRY, c"_LOADED");
    let loaded = l.top();
    for (name, nodes) in LIBRARIES.iter().zip(&mut common.libraries) {
        l.push_str(name);
        l.raw_get(loaded);
        *nodes = SharedNodes::of_top(preparing);
        l.set_top(loaded);
    }
    l.push_str("");
    // SAFETY: pushes the metatable, which the library has just set.
    unsafe { ffi::lua_getmetatable(l.0, -1) };
    l.push_nil();
    l.raw_set_str(-2, "__index");
    common.strings = SharedNodes::of_top(preparing);
    l.set_top(loaded);
    api::push_common(l);
    common.skynet = SharedNodes::of_top(preparing);
    for (class, nodes) in common.classes.iter_mut().enumerate() {
        api::push_class(l, class);
        *nodes = SharedNodes::of_top(preparing);
    }
    preparing.share_libraries();
}
