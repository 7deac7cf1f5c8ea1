//! The definitions in `meta/` say what is there: every public function and field of every module that ships, and
//! nothing else.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use skynet_tests::Node;
use skynet_tests::meta::{self, Module};

/// Modules without definitions: other names of modules, and parts of others, which nobody is meant to require.
const INTERNAL: &[&str] = &[
    "cjson.safe",
    "client.crypt",
    "md5.core",
    "mongo",
    "skynet.db.mongo.core",
    "skynet.db.mongo.cursor",
    "skynet.db.mongo.login",
    "skynet.db.mongo.sessions",
    "skynet.db.mongo.transaction",
    "skynet.db.mongo.url",
    "skynet.db.mysql.core",
    "skynet.db.pgsql.core",
    "skynet.db.pgsql.listener",
    "skynet.db.pgsql.login",
    "skynet.db.redis.core",
    "skynet.debugcmds",
    "skynet.discovery.core",
    "skynet.discovery.ends",
    "skynet.discovery.etcd",
    "skynet.discovery.files",
    "skynet.discovery.keys",
    "skynet.discovery.lease",
    "skynet.discovery.locks",
    "skynet.discovery.names",
    "skynet.discovery.nodes",
    "skynet.discovery.redis",
    "skynet.discovery.settings",
    "skynet.discovery.singletons",
    "skynet.discovery.values",
    "skynet.dns.cache",
    "skynet.dns.core",
    "skynet.dns.files",
    "skynet.dns.plain",
    "skynet.dns.query",
    "skynet.ends",
    "skynet.http.core",
    "skynet.http.reasons",
    "skynet.json.core",
    "skynet.lazy",
    "skynet.loading",
    "skynet.lpeg.core",
    "skynet.re.core",
    "skynet.patient",
    "skynet.reload.at_once",
    "skynet.reload.compare",
    "skynet.reload.service",
    "skynet.replace.handover",
    "skynet.require",
    "skynet.supervisor.child",
    "skynet.supervisor.policy",
    "skynet.supervisor.spec",
    "skynet.supervisor.tree",
    "skynet.tls.core",
    "snax.hotfix",
    "snax.interface",
    "snax.methods",
];

/// Functions without definitions: what a module's own Lua half needs of its native half.
const PRIVATE: &[&str] = &[
    "http.internal.fixedbody",
    "http.internal.head",
    "http.internal.length",
    "http.sockethelper.sockets",
    "skynet.cluster.core.call",
    "skynet.cluster.core.caller",
    "skynet.cluster.core.pcall",
    "skynet.cluster.core.push",
    "skynet.cluster.core.timeoutcall",
    "skynet.core.stdin",
];
/// What only some services have.
const ELSEWHERE: &[&str] = &["skynet.snax.enablecluster"];

fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("workspace")
        .to_owned()
}

/// The modules that ship: the native ones and the files of `lualib`, without the old names.
fn shipped() -> BTreeSet<String> {
    let mut modules = BTreeSet::new();
    for file in ["crates/modules/src/lib.rs", "crates/node/src/lib.rs"] {
        let code = std::fs::read_to_string(workspace().join(file)).expect("source");
        let (_, list) = code
            .split_once("pub const NATIVE: Native = &[")
            .expect("a list of native modules");
        let (list, _) = list.split_once("];").expect("its end");
        modules.extend(list.split('"').skip(1).step_by(2).map(str::to_owned));
    }
    let base = workspace().join("lualib");
    let mut folders = vec![base.clone()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).expect("folder") {
            let path = entry.expect("entry").path();
            if path.is_dir() && !path.ends_with("compat10") {
                folders.push(path);
            } else if path.extension().is_some_and(|e| e == "lua") {
                let inside = path.strip_prefix(&base).expect("below").with_extension("");
                let name = inside.display().to_string().replace('/', ".");
                modules.insert(name.trim_end_matches(".init").to_owned());
            }
        }
    }
    modules
}

#[test]
fn every_module_has_definitions() {
    let defined: BTreeSet<String> = modules().into_keys().collect();
    let internal: BTreeSet<String> = INTERNAL.iter().map(|&name| name.to_owned()).collect();
    let shipped = shipped();
    let without: Vec<_> = shipped
        .difference(&defined)
        .filter(|n| !internal.contains(*n))
        .collect();
    assert!(without.is_empty(), "no definitions of {without:?}");
    let unknown: Vec<_> = defined.difference(&shipped).collect();
    assert!(unknown.is_empty(), "definitions of nothing: {unknown:?}");
    assert!(internal.is_subset(&shipped) && internal.is_disjoint(&defined));
}

fn modules() -> BTreeMap<String, Module> {
    let modules = meta::modules(&workspace().join("meta"));
    modules
        .into_iter()
        .map(|module| (module.name.clone(), module))
        .collect()
}

/// The tables of the modules, as a service sees them, have what is defined.
#[test]
fn every_function_has_a_definition() {
    let modules = modules();
    // The reader waits for somebody who builds.
    let first = "skynet.datasheet.builder";
    let mut names: Vec<&str> = vec![first];
    names.extend(
        modules
            .keys()
            .map(String::as_str)
            .filter(|name| ![first, "skynet", "skynet.manager"].contains(name)),
    );
    let output = Node::case("meta/walk", "")
        .key("modules", &format!("{:?}", names.join(" ")))
        .key("enablessl", "true")
        .run();
    output.exit(0).has("done");
    let mut found: BTreeMap<&str, BTreeMap<&str, &str>> = BTreeMap::new();
    for line in output.stdout.lines() {
        assert!(!line.starts_with("failed\t"), "{line}");
        if let Some(rest) = line.strip_prefix("walk\t") {
            let parts: Vec<&str> = rest.split('\t').collect();
            let [module, key, kind] = parts[..] else {
                panic!("{line}");
            };
            found.entry(module).or_default().insert(key, kind);
        }
    }
    let mut wrong = Vec::new();
    for (name, module) in &modules {
        let Some(found) = found.get(name.as_str()) else {
            wrong.push(format!("{name} is not there"));
            continue;
        };
        let functions: BTreeSet<&str> = module.functions.iter().map(|f| f.name.as_str()).collect();
        let fields: BTreeMap<&str, &str> = module
            .fields
            .iter()
            .map(|f| (f.name.as_str(), f.kind.as_str()))
            .collect();
        if found.get("") == Some(&"function") {
            if functions.len() != 1 {
                wrong.push(format!("{name} is a function"));
            }
            continue;
        }
        for (key, kind) in found.iter().filter(|(key, _)| !key.is_empty()) {
            let known = match *kind {
                "function" => functions.contains(key) || fields.contains_key(key),
                _ => fields.contains_key(key),
            };
            if !known && !PRIVATE.contains(&format!("{name}.{key}").as_str()) {
                wrong.push(format!("{name}.{key} ({kind}) has no definition"));
            }
        }
        for function in functions {
            if found.get(function) != Some(&"function")
                && !ELSEWHERE.contains(&format!("{name}.{function}").as_str())
            {
                wrong.push(format!("{name}.{function} is defined, and is not there"));
            }
        }
        for (field, kind) in fields {
            // What may be nil need not be there.
            if !found.contains_key(field) && !kind.ends_with('?') {
                wrong.push(format!("{name}.{field} is described, and is not there"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Everything that is defined is described.
#[test]
fn every_definition_has_a_text() {
    let mut without = Vec::new();
    for (name, module) in modules() {
        for function in module
            .functions
            .iter()
            .chain(module.classes.iter().flat_map(|class| &class.methods))
        {
            if function.text.is_empty() {
                without.push(format!("{name}: {}", function.call));
            }
        }
    }
    assert!(without.is_empty(), "{without:?}");
}
