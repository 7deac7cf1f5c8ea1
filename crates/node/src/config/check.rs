//! What is wrong with a configuration, without starting a node.
//!
//! Errors are what keeps the node from starting or from doing what the file asks for; warnings are what is
//! probably not meant. Only files are looked at; nothing is created, executed or connected to.

use super::finding::{Finding, Severity};
use super::settings::patterns;
use super::{Config, ConfigError, Settings, cluster, discovery, keys, security, sources};
use skynet_vm::loops::{self, LoopAssignments};
use std::fs::{self, OpenOptions};
use std::path::Path;

/// Examines `config`. Lua services that ship with the runtime count as found.
pub fn check(config: &Config) -> Vec<Finding> {
    check_with(config, &|name| crate::LIBRARY.service(name).is_some())
}

/// [`check`], where `shipped` tells which Lua services ship with the runtime.
pub fn check_with(config: &Config, shipped: &dyn Fn(&str) -> bool) -> Vec<Finding> {
    let mut report = Report {
        config,
        shipped,
        findings: Vec::new(),
    };
    report.names();
    report.ranges();
    report.harbor();
    report.paths();
    report.services();
    report.files();
    report.cluster();
    for (key, text, remedy) in discovery::problems(config) {
        report.error(key, text, remedy);
    }
    let (problems, wrong) = security::problems(config);
    for (severity, key, text, remedy) in problems {
        report.add(severity, key, text, remedy);
    }
    if let Some(wrong) = wrong {
        report.findings.push(Finding {
            severity: Severity::Error,
            key: wrong.key,
            file: wrong.file,
            line: wrong.line,
            text: wrong.text,
            remedy: "correct the policy (clusterpolicy)".to_owned(),
        });
    }
    report.words();
    report.sources();
    report
        .findings
        .sort_by(|a, b| (&a.file, a.line, &a.key).cmp(&(&b.file, b.line, &b.key)));
    report.findings
}

struct Report<'a> {
    config: &'a Config,
    shipped: &'a dyn Fn(&str) -> bool,
    findings: Vec<Finding>,
}

/// Modules that `bootstrap` and `logservice` can name.
const MODULES: [&str; 2] = ["snlua", "logger"];

impl Report<'_> {
    fn add(
        &mut self,
        severity: Severity,
        key: &str,
        text: impl Into<String>,
        remedy: impl Into<String>,
    ) {
        let (file, line) = match self.config.entries.get(key) {
            Some(entry) if !entry.file.is_empty() => (entry.file.clone(), entry.line),
            _ => (self.config.file.clone(), 0),
        };
        let (key, text, remedy) = (key.to_owned(), text.into(), remedy.into());
        self.findings.push(Finding {
            severity,
            key,
            file,
            line,
            text,
            remedy,
        });
    }

    fn error(&mut self, key: &str, text: impl Into<String>, remedy: impl Into<String>) {
        self.add(Severity::Error, key, text, remedy);
    }

    fn warn(&mut self, key: &str, text: impl Into<String>, remedy: impl Into<String>) {
        self.add(Severity::Warning, key, text, remedy);
    }

    /// The value of `key`, or its default.
    fn value(&self, key: &str) -> &str {
        let default = || {
            keys::find(key)
                .and_then(|key| key.default)
                .unwrap_or_default()
        };
        self.config.get(key).unwrap_or_else(default)
    }

    /// Keys that look like a misspelling of a known one.
    fn names(&mut self) {
        let config = self.config;
        for name in config.entries.keys() {
            if keys::find(name).is_some() {
                continue;
            }
            let Some(known) = keys::misspelt(name) else {
                continue;
            };
            let (looks, what) = match config.get(known.name) {
                None => (
                    known.about,
                    format!("write `{}` if that is meant", known.name),
                ),
                Some(_) => (
                    "which is set, too",
                    "remove it, or rename it if it is the application's own".to_owned(),
                ),
            };
            let text = format!("unknown key that looks like `{}`, {looks}", known.name);
            self.warn(name, text, what);
        }
    }

    /// What [`Settings`] refuses, key by key.
    fn ranges(&mut self) {
        let numbers = [
            "thread",
            "harbor",
            "mqlimit",
            "calltimeout",
            "clusterbuffer",
            "clusterpending",
            "clusterpendingtotal",
            "clusterhandshake",
            "monitorinterval",
            "logtimeout",
            "shutdowntimeout",
            "socketthreads",
            "socketlimit",
            "socketbacklog",
            "socketclosetimeout",
            "socketpending",
            "socketpendingtotal",
            "socketinbox",
            "socketusertimeout",
        ];
        for key in numbers.into_iter().chain([
            "mqpolicy",
            "socketkeepalive",
            "lua54",
            "tlsverify",
            "clusterauth",
            "clustertls",
            "clustertlsname",
            "clusterpolicymode",
        ]) {
            let Some(value) = self.config.get(key) else {
                continue;
            };
            let mut alone = Config::default();
            alone.set(key, value);
            let remedy = match Settings::new(&alone) {
                Ok(_) if numbers.contains(&key) && value.parse::<u64>().is_err() => {
                    // `4.0` is read as 4.
                    self.warn(
                        key,
                        format!("`{value}` is not a whole number"),
                        "write a whole number",
                    );
                    continue;
                }
                Ok(_) => continue,
                Err(ConfigError::Setting { expected, .. }) => format!("set it to {expected}"),
                Err(ConfigError::Harbor { .. }) => {
                    "set it to 0, or to a number up to 255".to_owned()
                }
                Err(_) => "set it to a number from 1 to 1024".to_owned(),
            };
            let wrong = match numbers.contains(&key) {
                true => "is out of range or not a number",
                false => "is not understood",
            };
            self.error(key, format!("`{value}` {wrong}"), remedy);
        }
        if self.config.get("mqpolicy").is_some() && self.config.get("mqlimit").is_none() {
            self.warn(
                "mqpolicy",
                "has no effect without `mqlimit`",
                "set `mqlimit` or remove it",
            );
        }
    }

    /// Single-node and multi-node keys.
    fn harbor(&mut self) {
        if self.value("harbor").trim() == "0" {
            if self.config.get("standalone").is_some() {
                self.error(
                    "standalone",
                    "must not be set on a single node (harbor = 0)",
                    "remove it",
                );
            }
            for key in ["master", "address"] {
                if self.config.get(key).is_some() {
                    self.warn(
                        key,
                        "has no effect on a single node (harbor = 0)",
                        "remove it",
                    );
                }
            }
            return;
        }
        for (key, what) in [
            ("master", "the address of the master"),
            ("address", "the address where other nodes reach this one"),
        ] {
            if self.config.get(key).is_none() {
                let default = match self.config.get("harbor") {
                    Some(_) => "",
                    None => " (1 is the default of `harbor`)",
                };
                self.error(
                    key,
                    format!("missing, which a node of a network needs{default}"),
                    format!("set it to {what}, or set harbor = 0 for a single node"),
                );
            }
        }
        for key in ["master", "address", "standalone"] {
            if let Some(address) = self.config.get(key)
                && let Err(error) = skynet_wire::netaddr::host_port(address)
            {
                self.error(key, error.to_string(), "write `host:port`");
            }
        }
    }

    /// Search paths.
    fn paths(&mut self) {
        for key in ["cpath", "luaservice", "lua_path", "lua_cpath", "snax"] {
            let Some(value) = self.config.get(key) else {
                continue;
            };
            let example = match key {
                "cpath" | "lua_cpath" => "`./dir/?.so`",
                _ => "`./dir/?.lua`",
            };
            if patterns(value).next().is_none() {
                let remedy = format!("remove it or give patterns such as {example}");
                self.error(key, "is empty", &remedy);
            }
            let bare: Vec<String> = patterns(value)
                .filter(|pattern| !pattern.contains('?'))
                .map(|pattern| format!("`{pattern}` has no `?`"))
                .collect();
            for text in bare {
                let remedy = &format!("write `?` where the name belongs, such as {example}");
                match key {
                    "cpath" => self.error(key, text, remedy),
                    _ => self.warn(key, text, remedy),
                }
            }
        }
    }

    /// The services that the start needs.
    fn services(&mut self) {
        self.module("bootstrap", self.value("bootstrap").to_owned());
        let log = self.value("logservice").to_owned();
        match (log.as_str(), self.config.get("logger")) {
            ("snlua", Some(service)) => self.module("logger", format!("snlua {service}")),
            ("snlua", None) => {
                self.error(
                    "logservice",
                    "`snlua` needs the name of a Lua service",
                    "set `logger` to it",
                );
            }
            _ => self.module("logservice", log),
        }
        // Only the shipped bootstrap reads `start`. A supervision tree stands in its place.
        if self.value("bootstrap").trim() == "snlua bootstrap"
            && (self.config.get("supervise").is_none() || self.config.get("start").is_some())
        {
            self.module("start", format!("snlua {}", self.value("start")));
        }
    }

    /// Complains if the service `command` ("module arguments") cannot be started.
    fn module(&mut self, key: &str, command: String) {
        let mut words = command.split_ascii_whitespace();
        match (words.next(), words.next()) {
            (None, _) => self.error(key, "is empty", "give a module and its arguments"),
            (Some("snlua"), None) => {
                self.error(
                    key,
                    "`snlua` needs the name of a Lua service",
                    "add the name",
                );
            }
            (Some("snlua"), Some(name)) => self.lua_service(key, name),
            (Some(module), _) if MODULES.contains(&module) => {}
            (Some(module), _) => self.c_service(key, module),
        }
    }

    fn c_service(&mut self, key: &str, module: &str) {
        let files: Vec<String> = patterns(self.value("cpath"))
            .map(|pattern| pattern.replace('?', module))
            .collect();
        if !files.iter().any(|file| Path::new(file).is_file()) {
            self.error(
                key,
                format!("no module `{module}`: there is no {}", list(&files)),
                format!(
                    "use one of: {}; or add the folder of the C service to `cpath`",
                    MODULES.join(", ")
                ),
            );
        }
    }

    fn lua_service(&mut self, key: &str, name: &str) {
        let path = self.value("luaservice").to_owned();
        let files: Vec<String> = patterns(&path)
            .map(|pattern| pattern.replace('?', name))
            .collect();
        if let Some(file) = files.iter().find(|file| Path::new(file).is_file()) {
            return self.lua_file(key, file);
        }
        if (self.shipped)(name) {
            return;
        }
        self.error(
            key,
            format!("no service `{name}`: there is no {}", list(&files)),
            "add its folder to `luaservice`, or start the node in the right folder",
        );
    }

    /// Complains if a Lua file does not compile.
    fn lua_file(&mut self, key: &str, file: &str) {
        match crate::interpreter::compile(Path::new(file), self.loops()) {
            Err(text) => self.does_not_compile(key, &text),
            Ok(Some(line)) => self.assigned_loop(key, Path::new(file), line),
            Ok(None) => {}
        }
    }

    /// What the node does about sources that assign to loop variables.
    fn loops(&self) -> LoopAssignments {
        LoopAssignments::named(self.value("lua54")).unwrap_or_default()
    }

    fn does_not_compile(&mut self, key: &str, text: &str) {
        let remedy = match text.contains("attempt to assign to const variable") {
            true if loops::AVAILABLE => {
                "Lua 5.5 does not let a loop variable be assigned: copy it to a local variable first, or set lua54 = \
                 true"
            }
            true => {
                "Lua 5.5 does not let a loop variable be assigned: copy it to a local variable first"
            }
            false => "correct the file",
        };
        self.error(key, format!("does not compile: {text}"), remedy);
    }

    fn assigned_loop(&mut self, key: &str, file: &Path, line: u32) {
        if self.loops() == LoopAssignments::Warn {
            self.warn(
                key,
                loops::told_text(&file.display().to_string(), line),
                "copy it to a local variable first, or set lua54 = true",
            );
        }
    }

    /// Files that are read or written.
    fn files(&mut self) {
        for (key, what) in [
            ("lualoader", "remove it, the loader is built in"),
            ("preload", "remove it or name a Lua file"),
            ("snax_loader", "remove it or name a Lua file"),
            (
                "supervise",
                "remove it or name a Lua file that returns a spec",
            ),
        ] {
            // The usual path of the loader means the built-in one if there is no such file.
            let usual = keys::find(key).and_then(|key| key.default);
            if let Some(file) = self.config.get(key).map(str::to_owned)
                && Some(file.as_str()) != usual
            {
                if Path::new(&file).is_file() {
                    self.lua_file(key, &file);
                    continue;
                }
                let text = format!("there is no file `{file}`");
                if key == "lualoader" {
                    self.warn(key, text, what);
                } else {
                    self.error(key, text, what);
                }
            }
        }
        if self.value("logservice") == "logger" {
            self.writable("logger");
        }
        self.writable("daemon");
        if let Some(folder) = self.config.get("logpath").map(str::to_owned)
            && !Path::new(&folder).is_dir()
        {
            self.warn(
                "logpath",
                format!("there is no folder `{folder}`"),
                "create it",
            );
        }
    }

    /// The nodes of the cluster, and where this one listens.
    fn cluster(&mut self) {
        if let Some(file) = self.config.get("cluster").map(str::to_owned) {
            if !Path::new(&file).is_file() {
                self.error(
                    "cluster",
                    format!("there is no file `{file}`"),
                    "remove it or name the file with the nodes' addresses",
                );
            } else {
                match cluster::examine(&file) {
                    Ok(findings) => self.findings.extend(findings),
                    Err(error) => {
                        let text = error.to_string();
                        self.error("cluster", text.trim_end(), "correct the file");
                    }
                }
            }
        }
        if let Some(text) = self
            .config
            .get("clusterbind")
            .and_then(cluster::bind_problem)
        {
            self.error(
                "clusterbind",
                text,
                "write an IP address or the name of this machine; the port is that of `cluster.open`",
            );
        }
    }

    /// Complains if the file that `key` names cannot be written.
    fn writable(&mut self, key: &str) {
        let Some(file) = self.config.get(key).map(str::to_owned) else {
            return;
        };
        if file.is_empty() {
            return self.error(key, "is empty", "remove it or name a file");
        }
        let path = Path::new(&file);
        if path.exists() {
            // Opening a pipe for writing could wait for a reader for ever.
            if path.is_dir() {
                self.error(key, format!("`{file}` is a folder"), "name a file");
            } else if path.is_file()
                && let Err(error) = OpenOptions::new().append(true).open(path)
            {
                self.error(
                    key,
                    format!("`{file}` cannot be written: {error}"),
                    "change its owner or mode",
                );
            }
            return;
        }
        let parent = path
            .parent()
            .filter(|folder| !folder.as_os_str().is_empty());
        let folder = parent.unwrap_or(Path::new("."));
        match fs::metadata(folder) {
            Ok(data) if data.is_dir() && !data.permissions().readonly() => {}
            Ok(data) if data.is_dir() => {
                self.error(
                    key,
                    format!("folder `{}` is read-only", folder.display()),
                    "change its mode",
                );
            }
            _ => self.error(
                key,
                format!("there is no folder `{}`", folder.display()),
                "create it",
            ),
        }
    }

    /// The Lua files of the application, and what is on `lua_cpath` for them.
    fn sources(&mut self) {
        let value = |key: &str| self.value(key).to_owned();
        let [services, path, cpath, snax] =
            ["luaservice", "lua_path", "lua_cpath", "snax"].map(value);
        let sources = sources::files(&[
            ("luaservice", &services),
            ("lua_path", &path),
            ("snax", &snax),
        ]);
        for source in &sources {
            let file = &source.file;
            let compiled = crate::interpreter::compile(file, self.loops());
            // The start service has been looked at.
            let told = match &compiled {
                Err(text) => text.clone(),
                Ok(Some(line)) => loops::told_text(&file.display().to_string(), *line),
                Ok(None) => continue,
            };
            if self
                .findings
                .iter()
                .any(|finding| finding.text.contains(&told))
            {
                continue;
            }
            match compiled {
                Err(text) => self.does_not_compile(source.key, &text),
                Ok(Some(line)) => self.assigned_loop(source.key, file, line),
                Ok(None) => {}
            }
        }
        for (file, about) in sources::originals(&cpath) {
            let text = format!("`{file}` is never a part of this node: {about}");
            self.warn("lua_cpath", text, "it may stay there");
        }
        for missing in sources::missing(&sources, &path, &cpath) {
            let more = match missing.count {
                1 => String::new(),
                n => format!(", and by {} more", n - 1),
            };
            let mut text = format!(
                "nobody has the module `{}`, which is required by {}:{}{more}",
                missing.name, missing.file, missing.line
            );
            if !missing.why.is_empty() {
                text = format!("{text}: {}", missing.why);
            }
            self.warn(
                missing.key,
                text,
                "add its folder to `lua_path`, or to `lua_cpath` if it is a C module",
            );
        }
    }

    /// Keys with a fixed set of words.
    fn words(&mut self) {
        for key in ["profile", "enablessl"] {
            if let Some(value) = self.config.get(key).map(str::to_owned)
                && !matches!(value.as_str(), "true" | "false")
            {
                self.warn(
                    key,
                    format!("`{value}` counts as false"),
                    "write true or false",
                );
            }
        }
    }
}

fn list(files: &[String]) -> String {
    match files {
        [] => "pattern in `luaservice`".to_owned(),
        files => files.join(", "),
    }
}
