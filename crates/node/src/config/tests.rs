//! The evaluator and the checker, through their public face.

use super::*;
use std::cell::Cell;
use std::collections::HashMap;
use std::path::PathBuf;

/// Files and variables in memory; notes what was asked for.
#[derive(Default)]
struct Memory {
    files: HashMap<PathBuf, Vec<u8>>,
    reads: Cell<usize>,
}

impl Memory {
    fn new(files: &[(&str, &str)]) -> Memory {
        let files = files
            .iter()
            .map(|(path, text)| (path.into(), text.as_bytes().to_vec()));
        Memory {
            files: files.collect(),
            reads: Cell::new(0),
        }
    }
}

impl Host for Memory {
    fn read(&self, path: &Path, limit: usize) -> io::Result<Vec<u8>> {
        self.reads.set(self.reads.get() + 1);
        match self.files.get(path) {
            Some(content) => Ok(content[..content.len().min(limit + 1)].to_vec()),
            None => Err(io::Error::from_raw_os_error(2)),
        }
    }

    fn variable(&self, name: &[u8]) -> Option<Vec<u8>> {
        match name {
            b"ROOT" => Some(b"/srv/game".to_vec()),
            b"QUOTE" => Some(b"'".to_vec()),
            _ => None,
        }
    }
}

const SMALL: Limits = Limits {
    memory: 8 << 20,
    instructions: 1_000_000,
    file: 1 << 20,
};

fn evaluate(files: &[(&str, &str)]) -> Result<Config, ConfigError> {
    load_with(Path::new("c.cfg"), &Memory::new(files), &SMALL)
}

fn text(text: &str) -> Result<Config, ConfigError> {
    evaluate(&[("./c.cfg", text)])
}

fn error(source: &str) -> String {
    text(source).unwrap_err().to_string()
}

fn values(config: &Config) -> Vec<(&str, &str)> {
    config
        .entries
        .iter()
        .map(|(key, entry)| (key.as_str(), entry.value.as_str()))
        .collect()
}

#[test]
fn values_become_strings() {
    let config = text(
        "a = true b = false c = 12.0 d = 0x10 e = 1.5 f = 'x y' g = nil h = '' i = 1e100 j = 2^53 k = -0.0",
    )
    .unwrap();
    assert_eq!(
        values(&config),
        [
            ("a", "true"),
            ("b", "false"),
            ("c", "12.0"),
            ("d", "16"),
            ("e", "1.5"),
            ("f", "x y"),
            ("h", ""),
            ("i", "1e+100"),
            ("j", "9007199254740992.0"),
            ("k", "-0.0"),
        ]
    );
}

#[test]
fn an_entry_ends_at_a_nul_byte() {
    assert_eq!(values(&text(r#"a = "x\0y""#).unwrap()), [("a", "x")]);
}

#[test]
fn only_include_is_visible() {
    for name in [
        "os",
        "string",
        "print",
        "_G",
        "io",
        "require",
        "getenv",
        "SERVICE_NAME",
    ] {
        let config = text(&format!("a = {name} == nil")).unwrap();
        assert_eq!(values(&config), [("a", "true")], "{name}");
    }
    assert_eq!(
        values(&text("a = include ~= nil").unwrap()),
        [("a", "true")]
    );
    assert_eq!(
        error("os.exit(1)"),
        "c.cfg:1: attempt to index a nil value (global 'os')"
    );
}

#[test]
fn strings_have_their_methods_and_arithmetic() {
    let config = text("a = ('x'):rep(3) b = ('%d'):format(3) c = '10' + 5 d = #'abc'").unwrap();
    assert_eq!(
        values(&config),
        [("a", "xxx"), ("b", "3"), ("c", "15"), ("d", "3")]
    );
}

#[test]
fn assignments_read_back_and_can_be_removed() {
    let config =
        text("x = x or 1\nx = x or 2\ny = 3 y = nil\nif y == nil then z = x + 1 end").unwrap();
    assert_eq!(values(&config), [("x", "1"), ("z", "2")]);
}

#[test]
fn include_can_be_a_key_but_is_none_by_itself() {
    assert_eq!(values(&text("local f = include").unwrap()), []);
    assert_eq!(values(&text("include = 1").unwrap()), [("include", "1")]);
    assert_eq!(
        values(&text("include = 1 include = nil a = include ~= nil").unwrap()),
        [("a", "true")]
    );
}

#[test]
fn locals_functions_and_loops_work() {
    let config = text(
        "local function double(x) return x * 2 end\nfor i = 1, 3 do n = double(i) end\n_ENV['k-' .. 1] = n",
    )
    .unwrap();
    assert_eq!(values(&config), [("k-1", "6"), ("n", "6")]);
}

#[test]
fn places_are_those_of_the_last_assignment() {
    let config = text("a = 1\nb = 2\na = 3\n\nlocal function set()\n  c = 1\nend\nset()").unwrap();
    let lines: Vec<_> = config
        .entries
        .values()
        .map(|e| (e.file.as_str(), e.line))
        .collect();
    assert_eq!(lines, [("c.cfg", 3), ("c.cfg", 2), ("c.cfg", 6)]);
}

#[test]
fn dollar_names_are_replaced_in_comments_too() {
    let config = text("-- $ROOT\na = '$ROOT/lua' b = $QUOTE$ROOT$QUOTE").unwrap();
    assert_eq!(
        values(&config),
        [("a", "/srv/game/lua"), ("b", "/srv/game")]
    );
    assert_eq!(error("-- $NOWHERE"), "os.getenv() failed: NOWHERE");
}

#[test]
fn includes_share_the_environment_and_restore_the_folder() {
    let config = evaluate(&[
        (
            "./c.cfg",
            "root = './'\ninclude 'sub/one.cfg'\ninclude('two.cfg')\nlast = one .. two",
        ),
        (
            "./sub/one.cfg",
            "one = root .. 'one'\ninclude 'deep/three.cfg'\ninclude 'four.cfg'",
        ),
        (
            "./sub/deep/three.cfg",
            "three = one include '/abs/five.cfg' include 'six.cfg'",
        ),
        ("./sub/deep/six.cfg", "six = 6"),
        ("./sub/four.cfg", "four = 4"),
        ("/abs/five.cfg", "five = '$ROOT' include 'seven.cfg'"),
        ("/abs/seven.cfg", "seven = 7"),
        ("./two.cfg", "two = 'two'"),
    ])
    .unwrap();
    assert_eq!(
        values(&config),
        [
            ("five", "/srv/game"),
            ("four", "4"),
            ("last", "./onetwo"),
            ("one", "./one"),
            ("root", "./"),
            ("seven", "7"),
            ("six", "6"),
            ("three", "./one"),
            ("two", "two"),
        ]
    );
    let files = |key: &str| (config.entries[key].file.as_str(), config.entries[key].line);
    assert_eq!(files("root"), ("c.cfg", 1));
    assert_eq!(files("three"), ("sub/deep/three.cfg", 1));
    assert_eq!(files("five"), ("/abs/five.cfg", 1));
    assert_eq!(files("last"), ("c.cfg", 4));
}

#[test]
fn the_first_folder_is_that_of_the_argument() {
    let files = [("./etc/c.cfg", "include 'd.cfg'"), ("./etc/d.cfg", "a = 1")];
    let config = load_with(Path::new("etc/c.cfg"), &Memory::new(&files), &SMALL).unwrap();
    assert_eq!(
        (config.file.as_str(), config.entries["a"].file.as_str()),
        ("etc/c.cfg", "etc/d.cfg")
    );
    let files = [("/etc/c.cfg", "include 'd.cfg'"), ("/etc/d.cfg", "a = 1")];
    let config = load_with(Path::new("/etc/c.cfg"), &Memory::new(&files), &SMALL).unwrap();
    assert_eq!(values(&config), [("a", "1")]);
}

#[test]
fn a_missing_file() {
    let missing = load_with(Path::new("nofile.cfg"), &Memory::new(&[]), &SMALL).unwrap_err();
    assert_eq!(
        missing.to_string(),
        "[skynet config]:1: ./nofile.cfg: No such file or directory"
    );
    assert_eq!(
        error("\n\ninclude 'x/y.cfg'"),
        "[skynet config]:3: ./x/y.cfg: No such file or directory"
    );
}

/// The key `lua54`, which is in such a file, is about other files.
#[test]
fn loop_variables_are_assigned_to_as_in_lua_54() {
    let source = r#"
        lua54 = false
        sum = ""
        for i = 1, 3 do
            i = i * 10
            sum = sum .. i .. " "
        end
    "#;
    if skynet_vm::loops::AVAILABLE {
        assert_eq!(text(source).unwrap().get("sum"), Some("10 20 30 "));
    } else {
        assert!(error(source).contains("attempt to assign to const variable 'i'"));
    }
}

#[test]
fn syntax_errors_name_the_file_as_written() {
    assert_eq!(
        error("a = 1\nb = $"),
        "[skynet config]:1: c.cfg:2: unexpected symbol near '$'"
    );
    let nested = evaluate(&[
        ("./c.cfg", "\ninclude 'sub/d.cfg'"),
        ("./sub/d.cfg", "a = = 1"),
    ]);
    assert_eq!(
        nested.unwrap_err().to_string(),
        "[skynet config]:2: sub/d.cfg:1: unexpected symbol near '='"
    );
}

#[test]
fn binary_chunks_are_refused() {
    let message = error("\x1bLua");
    assert!(message.starts_with("[skynet config]:1: "), "{message}");
    assert!(
        message.contains("attempt to load a binary chunk"),
        "{message}"
    );
}

#[test]
fn runtime_errors_are_lua_s_own() {
    assert_eq!(
        error("a = 1\nb = a .. {}"),
        "c.cfg:2: attempt to concatenate a table value"
    );
    assert_eq!(
        error("include()"),
        "c.cfg:1: bad argument #1 to 'include' (string expected, got no value)"
    );
    assert_eq!(error("\n_ENV[nil] = 1"), "c.cfg:2: table index is nil");
    assert_eq!(error("\n_ENV[0/0] = 1"), "c.cfg:2: table index is NaN");
}

#[test]
fn tables_with_other_keys_or_values() {
    assert_eq!(error("_ENV[1] = 'x'"), "Invalid config table");
    assert_eq!(error("a = 1\nt = {}"), "Invalid config table key = t");
    assert_eq!(error("function f() end"), "Invalid config table key = f");
    assert_eq!(text("\nt = {}").unwrap_err().place(), Some(("c.cfg", 2)));
    assert_eq!(
        values(&text("t = {} t = nil _ENV[1] = 2 _ENV[1] = nil").unwrap()),
        []
    );
    let config = text("\na = '\\xff\\xe4'").unwrap();
    assert_eq!(
        *skynet_kernel::text::to_bytes(values(&config)[0].1),
        [0xff, 0xe4]
    );
}

#[test]
fn an_own_environment_sets_nothing() {
    assert_eq!(
        values(&text("a = 1 local _ENV = {} b = 2").unwrap()),
        [("a", "1")]
    );
}

#[test]
fn an_endless_chunk_ends() {
    assert_eq!(
        error("a = 1\nwhile true do end"),
        "c.cfg:2: the configuration has not ended after 1000000 instructions"
    );
}

#[test]
fn a_file_that_includes_itself_ends() {
    let message = error("include 'c.cfg'");
    assert!(message.contains("C stack overflow"), "{message}");
}

#[test]
fn memory_is_bounded() {
    let limit = "not enough memory: a configuration may use 8388608 bytes";
    assert_eq!(error("a = ('x'):rep(1 << 30)"), limit);
    assert_eq!(
        error("local t = {} for i = 1, 1 << 30 do t[i] = i .. ('x'):rep(1000) end"),
        limit
    );
    assert_eq!(error("a = 'x' while true do a = a .. a end"), limit);
}

#[test]
fn memory_may_run_out_anywhere() {
    // Every allocation of a small evaluation fails once: no leak is possible to see here, but no crash either.
    let files = [
        (
            "./c.cfg",
            "root = './' include 'd.cfg' a = ('x'):rep(100) .. 1.5 t = {1, 2, 3} t = #t",
        ),
        (
            "./d.cfg",
            "function f() return 'f' end f = f() _ENV['k' .. f] = 1",
        ),
    ];
    let memory = Memory::new(&files);
    let mut failures = 0;
    let mut limit = 0;
    let config = loop {
        let limits = Limits {
            memory: limit,
            ..SMALL
        };
        match load_with(Path::new("c.cfg"), &memory, &limits) {
            Ok(config) => break config,
            Err(error) => assert_eq!(error, ConfigError::Memory { limit }),
        }
        failures += 1;
        limit += 16;
        assert!(limit < 1 << 20);
    };
    assert!(failures > 100, "{failures}");
    assert_eq!(config.entries.len(), 5);
}

#[test]
fn large_files_are_refused() {
    let limits = Limits { file: 10, ..SMALL };
    let load = |text: &str| {
        load_with(
            Path::new("c.cfg"),
            &Memory::new(&[("./c.cfg", text)]),
            &limits,
        )
    };
    assert!(load("a = 1    ").is_ok());
    for text in ["a = 1      ", "--$ROOT$ROOT"] {
        assert_eq!(
            load(text).unwrap_err().to_string(),
            "[skynet config]:1: ./c.cfg: File too large (limit 10 bytes)"
        );
    }
}

#[test]
fn the_system_host_reads_files_and_variables() {
    let folder = std::env::temp_dir().join(format!("skynet-config-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let file = folder.join("c.cfg");
    std::fs::write(&file, "a = '$PATH' include 'd.cfg'").unwrap();
    std::fs::write(folder.join("d.cfg"), "b = 1").unwrap();
    let config = load(&file).unwrap();
    let missing = load(folder.join("e.cfg")).unwrap_err();
    let directory = load(&folder).unwrap_err();
    std::fs::remove_dir_all(&folder).unwrap();
    assert_eq!(
        config.get("a"),
        Some(std::env::var("PATH").unwrap().as_str())
    );
    assert_eq!(config.get("b"), Some("1"));
    assert_eq!(
        config.entries["b"].file,
        folder.join("d.cfg").to_str().unwrap()
    );
    assert!(
        missing
            .to_string()
            .ends_with("/e.cfg: No such file or directory"),
        "{missing}"
    );
    assert!(
        directory.to_string().ends_with(": Is a directory"),
        "{directory}"
    );
}

mod findings {
    use super::*;

    fn find(source: &str) -> Vec<String> {
        let config = text(source).unwrap();
        check_with(&config, &|name| matches!(name, "bootstrap" | "main"))
            .iter()
            .map(Finding::to_string)
            .collect()
    }

    /// The findings of a file that is right otherwise.
    fn only(line: &str) -> String {
        let found = find(&format!("harbor = 0\n{line}"));
        assert_eq!(found.len(), 1, "{line}: {found:?}");
        found.into_iter().next().unwrap()
    }

    #[test]
    fn a_sound_file_has_none() {
        assert_eq!(
            find(
                "harbor = 0\nthread = 4\nroot = './'\nprofile = false\nlualoader = './lualib/loader.lua'"
            ),
            [""; 0]
        );
    }

    #[test]
    fn each_mistake_is_named_with_its_line_and_remedy() {
        for (line, expected) in [
            (
                "threads = 4",
                "c.cfg:2: threads: warning: unknown key that looks like `thread`, number of worker threads, 1 to 1024 \
                 (write `thread` if that is meant)",
            ),
            (
                "thread = 0",
                "c.cfg:2: thread: `0` is out of range or not a number (set it to a number from 1 to 1024)",
            ),
            (
                "thread = 4.0",
                "c.cfg:2: thread: warning: `4.0` is not a whole number (write a whole number)",
            ),
            (
                "calltimeout = 'soon'",
                "c.cfg:2: calltimeout: `soon` is out of range or not a number \
                 (set it to a whole number from 1 to 2147483647)",
            ),
            (
                "mqlimit = 10 mqpolicy = 'drop'",
                "c.cfg:2: mqpolicy: `drop` is not understood (set it to \"warn\" or \"refuse\")",
            ),
            (
                "mqpolicy = 'warn'",
                "c.cfg:2: mqpolicy: warning: has no effect without `mqlimit` (set `mqlimit` or remove it)",
            ),
            (
                "standalone = '127.0.0.1:2012'",
                "c.cfg:2: standalone: must not be set on a single node (harbor = 0) (remove it)",
            ),
            (
                "cpath = './cservice/x.so'",
                "c.cfg:2: cpath: `./cservice/x.so` has no `?` \
                 (write `?` where the name belongs, such as `./dir/?.so`)",
            ),
            (
                "start = 'nothing' luaservice = './a/?.lua;./b/?/init.lua'",
                "c.cfg:2: start: no service `nothing`: there is no ./a/nothing.lua, ./b/nothing/init.lua \
                 (add its folder to `luaservice`, or start the node in the right folder)",
            ),
            (
                "bootstrap = 'cboot x'",
                "c.cfg:2: bootstrap: no module `cboot`: there is no ./cservice/cboot.so \
                 (use one of: snlua, logger; or add the folder of the C service to `cpath`)",
            ),
            (
                "logservice = 'snlua'",
                "c.cfg:2: logservice: `snlua` needs the name of a Lua service (set `logger` to it)",
            ),
            (
                "preload = './no/such.lua'",
                "c.cfg:2: preload: there is no file `./no/such.lua` (remove it or name a Lua file)",
            ),
            (
                "lualoader = './no/loader.lua'",
                "c.cfg:2: lualoader: warning: there is no file `./no/loader.lua` (remove it, the loader is built in)",
            ),
            (
                "logger = '/'",
                "c.cfg:2: logger: `/` is a folder (name a file)",
            ),
            (
                "logger = './no/such/node.log'",
                "c.cfg:2: logger: there is no folder `./no/such` (create it)",
            ),
            (
                "logpath = './no'",
                "c.cfg:2: logpath: warning: there is no folder `./no` (create it)",
            ),
            (
                "profile = 'yes'",
                "c.cfg:2: profile: warning: `yes` counts as false (write true or false)",
            ),
        ] {
            assert_eq!(only(line), expected);
        }
    }

    #[test]
    fn a_node_of_a_network_needs_addresses() {
        let sound = "harbor = 2 master = '127.0.0.1:2013' address = '[::1]:2526'";
        assert_eq!(find(sound), [""; 0]);
        assert_eq!(find(&format!("{sound} standalone = 'here:2013'")), [""; 0]);
        let needs = "missing, which a node of a network needs (1 is the default of `harbor`)";
        let single = "or set harbor = 0 for a single node";
        assert_eq!(
            find(""),
            [
                format!(
                    "c.cfg: address: {needs} (set it to the address where other nodes reach this one, {single})"
                ),
                format!("c.cfg: master: {needs} (set it to the address of the master, {single})"),
            ]
        );
        assert_eq!(
            find(&format!("{sound}\nstandalone = 2013")),
            ["c.cfg:2: standalone: Invalid address 2013. (write `host:port`)"]
        );
    }

    #[test]
    fn a_misspelling_beside_the_right_key_is_told_too() {
        assert_eq!(
            find("harbor = 0\nthread = 4\nthreads = 5"),
            [
                "c.cfg:3: threads: warning: unknown key that looks like `thread`, which is set, too \
                 (remove it, or rename it if it is the application's own)"
            ]
        );
    }

    #[test]
    fn every_known_key_has_a_sentence() {
        for key in KEYS {
            assert!(key.about.len() > 10, "{}", key.name);
        }
    }
}
