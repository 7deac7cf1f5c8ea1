//! From the first message, `"script arg1 arg2 …"`, to a service whose main script has run.
//!
//! The state is made on the worker that handles the message, not by whoever launches the service. With no `lualoader`
//! file the search and the start of the script are done here; an application's own loader is run in its place if the
//! config names one.

use std::ffi::{CStr, c_char, c_int, c_void};

use mlua_sys::lua55 as ffi;
use skynet_kernel::{Departure, Message, Payload, kind, text};

use crate::code::{require, search};
use crate::library::{Embedded, Library};
use crate::service::entry::add_traceback;
use crate::service::{Mode, Svc, collector};
use skynet_vm::alloc::lua_alloc;
use skynet_vm::cache;
use skynet_vm::lua::{Lua, REGISTRY};
use skynet_vm::native::{Fault, Outcome, native, results};

/// What the loader needs to know. Owned by `Svc::boot`, outside everything that may jump.
struct Plan {
    /// The whole parameter string.
    line: String,
    /// The script's name and arguments.
    words: Vec<String>,
    services: String,
    path: String,
    cpath: String,
    preload: Option<String>,
    loader: Option<String>,
    /// The application's own loader cannot be loaded, and why.
    no_loader: Option<String>,
    /// The file in whose place a shipped one is loaded.
    stand_in: Option<String>,
    /// Why no file was taken; filled in by the search.
    failures: String,
    /// The pattern that matched.
    found: Option<String>,
    /// `SERVICE_PATH`.
    directory: String,
}

/// Services that run the application's code, so that its loader prepares them, though their own file ships with the
/// node.
const PREPARED: &[&str] = &["service_cell", "snaxd"];

/// Looked at when the config does not say otherwise.
const DEFAULT_LOADER: &str = "./lualib/loader.lua";

impl Svc {
    /// Makes the state and runs the script. A failure ends the service and tells the launcher.
    pub(crate) fn boot(&self, msg: Message) {
        let line = text::from_bytes(msg.payload()).into_owned();
        let env = |key: &str, default: &str| {
            self.cx
                .node()
                .getenv(key)
                .unwrap_or_else(|| default.to_owned())
        };
        let loader = env("lualoader", DEFAULT_LOADER);
        let mut plan = Plan {
            words: line.split_ascii_whitespace().map(str::to_owned).collect(),
            line,
            services: env("luaservice", "./service/?.lua"),
            path: env("lua_path", "./lualib/?.lua;./lualib/?/init.lua"),
            cpath: env("lua_cpath", "./luaclib/?.so"),
            preload: self.cx.node().getenv("preload"),
            // A config that names the loader of an installation which is not there has nothing to lose: the built-in
            // one does the same.
            loader: text::path(&loader).exists().then_some(loader),
            no_loader: None,
            stand_in: None,
            failures: String::new(),
            found: None,
            directory: String::new(),
        };
        let memory = std::sync::Arc::as_ptr(&self.memory).cast_mut().cast();
        #[cfg(feature = "shared-code")]
        crate::api::common::prepare(self.library());
        // SAFETY: the allocator and its account are made for each other; the account outlives the state. The extra
        // space gets the address of the service, which is boxed and outlives the state too.
        let l = unsafe {
            let l = ffi::lua_newstate(lua_alloc, memory, cache::seed());
            if l.is_null() {
                self.cx.log("error: not enough memory for a Lua state");
                self.cx
                    .set_departure(Departure::Init("not enough memory for a Lua state".into()));
                return self.refuse_to_start();
            }
            *ffi::lua_getextraspace(l).cast::<*const Svc>() = self;
            Lua::new(l)
        };
        self.main.set(l);
        // SAFETY: the service outlives its state.
        unsafe { ffi::lua_setwarnf(l.0, Some(warn), std::ptr::from_ref(self).cast_mut().cast()) };
        self.holding.set(self.is_log_service());
        self.accept_loops(l);
        l.gc(ffi::LUA_GCSTOP);
        l.push_function(add_traceback);
        l.push_function(start);
        l.push_pointer((&raw mut plan).cast());
        self.interrupts.set_active(l.0);
        self.interrupts.arm(l);
        let status = l.pcall(1, 0, 1);
        self.interrupts.set_active(std::ptr::null_mut());
        self.start_collector(l);
        l.gc(ffi::LUA_GCRESTART);
        if status == ffi::LUA_OK {
            l.set_top(0);
            if matches!(self.mode.get(), Mode::Deaf | Mode::Callback { .. }) {
                // No start function tells when it has started.
                self.log_has_started();
            }
            if self.mode.get() == Mode::Deaf {
                self.cx.log(
                    "warning: the script has not called skynet.start: the service takes no messages, and who has \
                     launched it waits",
                );
            }
            return;
        }
        let text = l.bytes(-1).unwrap_or(b"not enough memory").to_vec();
        l.set_top(0);
        match plan.no_loader {
            Some(why) => self.log_failure(why.as_bytes()),
            None => self.log_failure(&[b"lua loader error : ", &text[..]].concat()),
        }
        let why = String::from_utf8_lossy(&text).into_owned();
        self.cx.set_departure(Departure::Init(why));
        self.refuse_to_start();
    }

    pub(crate) fn is_log_service(&self) -> bool {
        self.cx.node().find_name("logger") == Some(self.cx.handle())
    }

    /// Logs why the service does not start. If it is the log service itself, nobody would read that there.
    pub(crate) fn log_failure(&self, text: &[u8]) {
        self.cx.log(text);
        if self.is_log_service() {
            let text = String::from_utf8_lossy(text);
            eprintln!(
                "the log service (config keys logservice and logger) does not start, and there is no log: {text}"
            );
            self.print_held();
        }
    }

    fn refuse_to_start(&self) {
        self.reported.set(true);
        // The script may have called `start` before it failed.
        self.mode.set(Mode::Leaving);
        if let Some(launcher) = self.cx.node().find_name("launcher") {
            let _ = self
                .cx
                .send(launcher, kind::TEXT, 0, Payload::from_slice(b"ERROR"));
        }
        self.cx.exit();
    }

    /// Applies the registry field that `skynet.memlimit` has set. *raises*
    fn apply_memory_limit(&self, l: Lua) {
        l.get_field(REGISTRY, c"memlimit");
        if let Some(limit) = l.float(-1) {
            self.memory.set_limit(limit as usize);
            self.cx.log(format!(
                "Set memory limit to {:.2} M",
                limit / (1024.0 * 1024.0)
            ));
            l.push_nil();
            l.set_field(REGISTRY, c"memlimit");
        }
        l.pop(1);
    }
}

/// Errors of finalizers reach nobody but this function; they are logged. Lua code's own `warn` stays silent, as it is
/// by default.
unsafe extern "C-unwind" fn warn(service: *mut c_void, piece: *const c_char, more: c_int) {
    // SAFETY: `boot` passes the service, which outlives its state; Lua passes a C string.
    let (svc, piece) = unsafe { (&*service.cast::<Svc>(), CStr::from_ptr(piece)) };
    let whole = svc.with(|t| {
        t.warning.extend(piece.to_bytes());
        (more == 0).then(|| std::mem::take(&mut t.warning))
    });
    if let Some(text) = whole.filter(|t| t.starts_with(b"error in __")) {
        svc.cx.log([b"lua ", &text[..]].concat());
    }
}

native! {
    /// `start(plan)`: everything from an empty state to the end of the main chunk.
    start = |l| {
        let svc = Svc::of(l).ok_or("no service")?;
        // SAFETY: `boot` passes the plan on its stack, which outlives this protected call.
        let plan = unsafe { &mut *l.userdata(1).cast::<Plan>() };
        l.set_top(0);
        // LUA_* variables are kept out.
        l.push_bool(true);
        l.set_field(REGISTRY, c"LUA_NOENV");
        #[cfg(feature = "shared-code")]
        crate::api::common::open_libraries(l);
        #[cfg(not(feature = "shared-code"))]
        {
            // SAFETY: opens the standard libraries in a fresh state.
            unsafe { ffi::luaL_openlibs(l.0) };
            crate::service::coroutine::install(l);
        }
        let cx = std::sync::Arc::as_ptr(&svc.cx).cast_mut().cast();
        l.push_pointer(cx);
        l.set_field(REGISTRY, c"skynet_context");
        make_references(l, svc);
        collector::install(l);
        search::install(l);
        if plan.loader.is_none() || comes_from_the_binary(svc.library(), plan) {
            match stand_in(svc.library(), plan) {
                Some(file) => run_custom_loader_with(l, plan, file)?,
                None => run_script(l, plan)?,
            };
        } else {
            run_custom_loader(l, plan)?;
        }
        svc.apply_memory_limit(l);
        results(0)
    };

    /// `custom_loader(plan)`
    custom_loader = |l| {
        // SAFETY: the plan of `start`, which calls this and waits for it.
        let plan = unsafe { &mut *l.userdata(1).cast::<Plan>() };
        l.set_top(0);
        run_custom_loader(l, plan)
    };
}

/// The shipped file of a service that an application's own loader shall prepare.
fn stand_in(library: &Library, plan: &Plan) -> Option<&'static Embedded> {
    plan.loader.as_ref()?;
    let name = plan.words.first()?.as_str();
    PREPARED
        .contains(&name)
        .then(|| library.service(name))
        .flatten()
}

/// The application's own loader runs, and where it would read the service's file, it gets the shipped one, whether or
/// not there is a file: a loader asks `loadfile` for one name after the other. One that reads files in another way
/// finds nothing; then the service starts without it. *raises*
fn run_custom_loader_with(l: Lua, plan: &mut Plan, file: &'static Embedded) -> Outcome {
    let files: Vec<String> = plan
        .services
        .split(';')
        .filter(|pattern| !pattern.is_empty())
        .map(|pattern| pattern.replace('?', file.name))
        .collect();
    let there = files.iter().position(|name| text::path(name).exists());
    plan.stand_in = files.into_iter().nth(there.unwrap_or(0));
    if let Some(name) = &plan.stand_in {
        l.push_owned(text::to_bytes(name));
        l.push_owned(text::to_bytes(file.name));
        search::stand_in(l);
    }
    l.push_function(custom_loader);
    l.push_pointer(std::ptr::from_mut(plan).cast());
    if l.pcall(1, 0, 0) == ffi::LUA_OK {
        return results(0);
    }
    if search::stood_in(l) {
        return Err(Fault::Raised);
    }
    l.set_top(0);
    run_script(l, plan)
}

/// The references that the dispatcher uses. *raises*
fn make_references(l: Lua, svc: &Svc) {
    for (cell, name) in [
        (&svc.refs.dispatch, "dispatch"),
        (&svc.refs.unpack, "unpack"),
        (&svc.refs.pack, "pack"),
    ] {
        l.push_str(name);
        cell.set(l.make_ref());
    }
    for cell in [&svc.refs.tokens, &svc.refs.protocols] {
        l.new_table(0, 0);
        cell.set(l.make_ref());
    }
}

/// An application's own loader searches on disk only; it must neither find another core there nor miss what ships.
fn comes_from_the_binary(library: &Library, plan: &Plan) -> bool {
    let Some(name) = plan.words.first() else {
        return false;
    };
    let on_disk = || {
        let mut patterns = plan.services.split(';').filter(|p| !p.is_empty());
        patterns.any(|pattern| text::path(&pattern.replace('?', name)).exists())
    };
    library.core_services.contains(&name.as_str()) || library.service(name).is_some() && !on_disk()
}

/// The application's own loader gets the search paths as globals and the whole line as its argument. *raises*
fn run_custom_loader(l: Lua, plan: &mut Plan) -> Outcome {
    let globals = [
        (c"LUA_PATH", Some(&plan.path)),
        (c"LUA_CPATH", Some(&plan.cpath)),
        (c"LUA_SERVICE", Some(&plan.services)),
        (c"LUA_PRELOAD", plan.preload.as_ref()),
    ];
    for (name, value) in globals {
        if let Some(value) = value {
            l.push_owned(text::to_bytes(value));
            l.set_global(name);
        }
    }
    let loader = plan.loader.as_deref().unwrap_or_default();
    if let Err(e) = search::load_file(l, loader) {
        let why = text::from_bytes(&e.text()).into_owned();
        plan.no_loader = Some(format!("Can't load {loader} : {why}"));
        return Err("no loader".into());
    }
    l.push_owned(text::to_bytes(&plan.line));
    l.call(1, 0);
    results(0)
}

/// Everything owned is in the plan: the main chunk may raise. *raises*
fn run_script(l: Lua, plan: &mut Plan) -> Outcome {
    if plan.words.is_empty() {
        return Err(Fault::Plain(
            "no script is named: snlua SCRIPT [ARGS]".into(),
        ));
    }
    l.push_owned(text::to_bytes(&plan.words[0]));
    l.set_global(c"SERVICE_NAME");
    find_script(l, plan)?;
    let main = l.top();
    if let Some(pattern) = &plan.found {
        plan.directory = service_path(pattern, &plan.words[0]);
        if pattern_is_folder(pattern) {
            plan.path = format!("{}?.lua;{}", plan.directory, plan.path);
        }
        l.push_owned(text::to_bytes(&plan.directory));
        l.set_global(c"SERVICE_PATH");
    }
    l.get_global(c"package");
    l.push_owned(text::to_bytes(&plan.path));
    l.set_field(-2, c"path");
    l.push_owned(text::to_bytes(&plan.cpath));
    l.set_field(-2, c"cpath");
    l.pop(1);
    if !l.check_stack(plan.words.len() as i32 + 8) {
        return Err("too many arguments".into());
    }
    // With a loader of the application, that key is the loader's, and may be anything.
    let preload = plan.preload.as_ref().filter(|_| plan.loader.is_none());
    if let Some(preload) = preload {
        if let Err(e) = search::load_file(l, preload) {
            let text = text::from_bytes(&e.text()).into_owned();
            return Err(Fault::Plain(
                format!("{text}\n(the config key preload names the file)").into(),
            ));
        }
        for word in &plan.words {
            l.push_owned(text::to_bytes(word));
        }
        l.call(plan.words.len() as i32, 0);
    }
    require::install(l);
    l.set_top(main);
    for word in &plan.words[1..] {
        l.push_owned(text::to_bytes(word));
    }
    l.call(plan.words.len() as i32 - 1, 0);
    results(0)
}

/// Pushes the main chunk: of a core service from the binary, else of the first file on the path that compiles, else
/// of an embedded service.
fn find_script(l: Lua, plan: &mut Plan) -> Result<(), Fault> {
    let name = plan.words[0].as_str();
    let library = Svc::of(l).ok_or("no service")?.library();
    if library.core_services.contains(&name)
        && let Some(file) = library.service(name)
    {
        return search::load_embedded(l, file);
    }
    for pattern in plan.services.split(';').filter(|p| !p.is_empty()) {
        let file = pattern.replace('?', name);
        match search::load_file(l, &file) {
            Ok(()) => {
                plan.found = Some(pattern.to_owned());
                return Ok(());
            }
            Err(e) => {
                if !plan.failures.is_empty() {
                    plan.failures.push('\n');
                }
                plan.failures.push_str(&text::from_bytes(&e.text()));
            }
        }
    }
    // If a file of that name does not compile, its error is reported; no other file takes its place.
    let only_missing = plan.failures.lines().all(|l| l.starts_with("cannot open "));
    match library.service(name) {
        Some(file) if only_missing => search::load_embedded(l, file),
        _ => {
            let hint = match only_missing {
                true => "\n(add the folder of a service to the config key luaservice)",
                false => "",
            };
            Err(Fault::Plain(format!("{}{hint}", plan.failures).into()))
        }
    }
}

/// `./test/?/init.lua`: each service has a folder of its own.
fn pattern_is_folder(pattern: &str) -> bool {
    !pattern.rsplit('/').next().unwrap_or(pattern).contains('?')
}

/// The folder that `SERVICE_PATH` names, with a slash at its end.
fn service_path(pattern: &str, name: &str) -> String {
    let folder = pattern.rfind('/').map_or("", |end| &pattern[..=end]);
    if pattern_is_folder(pattern) {
        folder.replace('?', name)
    } else {
        folder.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn service_paths() {
        assert_eq!(service_path("./service/?.lua", "x"), "./service/");
        assert_eq!(service_path("./test/?/init.lua", "x"), "./test/x/");
        assert_eq!(service_path("?.lua", "x"), "");
        assert!(pattern_is_folder("a/?/main.lua"));
        assert!(!pattern_is_folder("a/?.lua"));
    }
}
