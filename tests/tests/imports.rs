//! Which files of a crate import each other. Imports should go one way: files that import each other in a circle can
//! only be understood together. [`CIRCLES`] has those that are left, each with its reason; a new one fails.
//!
//! A file is a module. It imports another one if it names something that is defined there, by `use` or by a path that
//! begins with `crate`, `self` or `super`. A name that a module only passes on (`pub use`) leads to the module that
//! defines it. What is built for tests only does not count, nor does the root of a crate.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

/// The path of a module inside its crate.
type Module = Vec<String>;

/// Crate, files of the circle, reason.
const CIRCLES: &[(&str, &[&str], &str)] = &[
    (
        "kernel",
        &["context", "leaving", "network", "node", "service"],
        "a node holds its services, a service is handed its context, a context holds its node; a network is handed the \
         node; those that have ended are kept as contexts",
    ),
    (
        "lua",
        &[
            "service",
            "service/incoming",
            "service/inspect",
            "service/log",
            "service/options",
            "service/owed",
            "service/parts",
            "service/protocols",
            "service/signals",
            "service/trace",
        ],
        "the service has these parts as fields, and they are handed the service",
    ),
    (
        "node",
        &["console/connection", "console/front"],
        "a connection hands its commands over to Lua and back",
    ),
    (
        "vm",
        &["layout", "lua"],
        "the C API reads strings where they lie",
    ),
    (
        "wire",
        &["seri/table", "seri/value"],
        "a value may be a table, which holds values",
    ),
];

/// The sources of a crate.
struct Crate {
    files: BTreeMap<Module, String>,
    /// Of each module the names that it passes on, with where it has them from.
    passed_on: BTreeMap<Module, BTreeMap<String, Module>>,
}

impl Crate {
    fn read(source: &Path) -> Crate {
        let mut files = BTreeMap::new();
        collect(source, &mut Vec::new(), &mut files);
        let mut this = Crate {
            files,
            passed_on: BTreeMap::new(),
        };
        for module in this.files.keys() {
            let names = this.passed_on(module);
            this.passed_on.insert(module.clone(), names);
        }
        this
    }

    fn passed_on(&self, module: &Module) -> BTreeMap<String, Module> {
        let uses = uses(&self.files[module]);
        let public = uses.into_iter().filter(|(public, _)| *public);
        let paths = public.flat_map(|(_, tree)| expand(&tree));
        paths
            .filter_map(|(path, name)| Some((name, self.absolute(module, &path)?)))
            .collect()
    }

    /// The path from the root of the crate, if it leads into the crate.
    fn absolute(&self, module: &Module, path: &[String]) -> Option<Module> {
        let mut base = module.clone();
        let mut rest = path;
        match path.first()?.as_str() {
            "crate" => {
                base.clear();
                rest = &rest[1..];
            }
            "self" => rest = &rest[1..],
            "super" => {
                while rest.first().is_some_and(|part| part == "super") {
                    base.pop();
                    rest = &rest[1..];
                }
            }
            first => {
                let child = [base.as_slice(), &[first.to_owned()]].concat();
                if !self.files.contains_key(&child) {
                    return None;
                }
            }
        }
        base.extend_from_slice(rest);
        Some(base)
    }

    /// The module where the last name of a path is defined.
    fn resolve(&self, path: &Module, depth: u32) -> Module {
        assert!(depth < 20, "{path:?} leads in a circle");
        let mut at = Module::new();
        for (i, part) in path.iter().enumerate() {
            let child = [at.as_slice(), std::slice::from_ref(part)].concat();
            if self.files.contains_key(&child) {
                at = child;
            } else if let Some(from) = self.passed_on.get(&at).and_then(|names| names.get(part)) {
                let path = [from.as_slice(), &path[i + 1..]].concat();
                return self.resolve(&path, depth + 1);
            } else {
                break;
            }
        }
        at
    }

    /// The modules that a file imports.
    fn imports(&self, module: &Module) -> BTreeSet<Module> {
        let text = &self.files[module];
        let uses = uses(text).into_iter().filter(|(public, _)| !public);
        let uses = uses
            .flat_map(|(_, tree)| expand(&tree))
            .map(|(path, _)| path);
        let mut found: BTreeSet<Module> = uses
            .chain(paths(text))
            .filter_map(|path| self.absolute(module, &path))
            .map(|path| self.resolve(&path, 0))
            .collect();
        found.remove(module);
        found.remove(&Module::new());
        found
    }

    /// The circles: sets of two and more files from each of which one gets to each other one.
    fn circles(&self) -> Vec<Vec<String>> {
        let imports: BTreeMap<&Module, BTreeSet<Module>> = self
            .files
            .keys()
            .map(|module| (module, self.imports(module)))
            .collect();
        let reach = |from: &Module| {
            let mut seen = BTreeSet::new();
            let mut open = vec![from.clone()];
            while let Some(module) = open.pop() {
                for next in &imports[&module] {
                    if seen.insert(next.clone()) {
                        open.push(next.clone());
                    }
                }
            }
            seen
        };
        let reached: BTreeMap<&Module, BTreeSet<Module>> =
            self.files.keys().map(|from| (from, reach(from))).collect();
        let mut circles = BTreeSet::new();
        for from in self.files.keys() {
            let circle: Vec<String> = reached[from]
                .iter()
                .filter(|to| reached[*to].contains(from))
                .map(|module| module.join("/"))
                .collect();
            if !circle.is_empty() {
                circles.insert(circle);
            }
        }
        circles.into_iter().collect()
    }
}

fn collect(folder: &Path, module: &mut Module, files: &mut BTreeMap<Module, String>) {
    for entry in fs::read_dir(folder).expect("a folder of sources") {
        let path = entry.expect("an entry").path();
        let name = path
            .file_stem()
            .expect("a name")
            .to_string_lossy()
            .into_owned();
        if path.is_dir() {
            module.push(name);
            collect(&path, module, files);
            module.pop();
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = fs::read_to_string(&path).expect("a source file");
            let mut this = module.clone();
            if !["lib", "main", "mod"].contains(&name.as_str()) {
                this.push(name);
            }
            files.insert(this, code(&text));
        }
    }
}

/// A source without comments and without tests, which stand at the end.
fn code(text: &str) -> String {
    let mut code = String::new();
    let mut lines = text.lines().peekable();
    while let Some(line) = lines.next() {
        let tests = line.starts_with("#[cfg(") && line.contains("test");
        if tests
            && lines
                .peek()
                .is_some_and(|next| next.starts_with("mod ") && next.ends_with('{'))
        {
            break;
        }
        code.push_str(line.split("//").next().unwrap_or(line));
        code.push('\n');
    }
    code
}

/// The trees of all `use` lines, and whether they are public.
fn uses(code: &str) -> Vec<(bool, String)> {
    let mut found = Vec::new();
    for (at, word) in code.match_indices("use ") {
        let before = code[..at]
            .rsplit(['\n', ';', '}'])
            .next()
            .unwrap_or_default()
            .trim();
        let public = before == "pub" || before.starts_with("pub(") && before.ends_with(')');
        if !public && !before.is_empty() {
            continue;
        }
        let (tree, _) = code[at + word.len()..]
            .split_once(';')
            .expect("the end of an import");
        found.push((
            public,
            tree.split_whitespace().collect::<Vec<_>>().join(" "),
        ));
    }
    found
}

/// The paths of a `use` tree, with the names that they get.
fn expand(tree: &str) -> Vec<(Module, String)> {
    let tree = tree.trim();
    let Some(open) = tree.find('{') else {
        let (path, name) = match tree.split_once(" as ") {
            Some((path, name)) => (path, Some(name.trim().to_owned())),
            None => (tree, None),
        };
        let mut path: Module = path
            .split("::")
            .map(|part| part.trim().to_owned())
            .collect();
        // `a::{self}` is `a`.
        if path.len() > 1 && path.last().is_some_and(|part| part == "self") {
            path.pop();
        }
        let name = name.or_else(|| path.last().cloned()).unwrap_or_default();
        return vec![(path, name)];
    };
    let (front, inner) = (&tree[..open], &tree[open + 1..tree.len() - 1]);
    let mut parts = vec![String::new()];
    let mut depth = 0;
    for c in inner.chars() {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            _ => {}
        }
        match c {
            ',' if depth == 0 => parts.push(String::new()),
            c => parts.last_mut().expect("one at least").push(c),
        }
    }
    let parts = parts.iter().filter(|part| !part.trim().is_empty());
    parts
        .flat_map(|part| expand(&format!("{front}{}", part.trim())))
        .collect()
}

/// Paths into the crate outside of `use` lines.
fn paths(code: &str) -> Vec<Module> {
    let mut found = Vec::new();
    for word in ["crate::", "super::"] {
        for (at, _) in code.match_indices(word) {
            if code[..at]
                .ends_with(|c: char| c.is_alphanumeric() || c == '_' || c == ':' || c == '$')
            {
                continue;
            }
            let line = code[..at].rsplit([';', '}']).next().unwrap_or_default();
            if line.trim_start().starts_with("use ")
                || line.trim_start().starts_with("pub") && line.contains("use ")
            {
                continue;
            }
            let end = code[at..]
                .find(|c: char| !c.is_alphanumeric() && c != '_' && c != ':')
                .map_or(code.len(), |end| at + end);
            let path = code[at..end].trim_end_matches(':');
            found.push(path.split("::").map(str::to_owned).collect());
        }
    }
    found
}

#[test]
fn files_import_each_other_in_no_other_circles() {
    let crates = Path::new(env!("CARGO_MANIFEST_DIR")).join("../crates");
    let mut found = Vec::new();
    for entry in fs::read_dir(crates).expect("the crates") {
        let path = entry.expect("an entry").path();
        let name = path
            .file_name()
            .expect("a name")
            .to_string_lossy()
            .into_owned();
        for circle in Crate::read(&path.join("src")).circles() {
            found.push((name.clone(), circle));
        }
    }
    found.sort();
    // A smaller circle of the same files is a step forward.
    let allows = |allowed: &(&str, &[&str], &str), (name, files): &(String, Vec<String>)| {
        allowed.0 == name && files.iter().all(|file| allowed.1.contains(&file.as_str()))
    };
    let new: Vec<_> = found
        .iter()
        .filter(|circle| !CIRCLES.iter().any(|allowed| allows(allowed, circle)))
        .collect();
    let gone: Vec<_> = CIRCLES
        .iter()
        .filter(|allowed| !found.iter().any(|circle| allows(allowed, circle)))
        .collect();
    assert!(
        new.is_empty() && gone.is_empty(),
        "circles that CIRCLES does not have: {new:#?}\ncircles that CIRCLES has, and that are not there: {gone:#?}"
    );
}

#[test]
fn circles_are_found() {
    let files = [
        ("a", "use crate::b::{self, B}; pub struct A;"),
        ("b", "use std::fmt;\nuse crate::facade::C;"),
        ("facade", "mod c; pub use c::C;"),
        ("facade/c", "// crate::d\nfn f() { super::super::a::A; }"),
        (
            "d",
            "use crate::a::A;\n#[cfg(test)]\nmod tests {\n use crate::e; }",
        ),
        (
            "e",
            "pub(crate) use crate::d::D; fn because() { let reuse = 1; }",
        ),
    ];
    let module = |name: &str| name.split('/').map(str::to_owned).collect::<Module>();
    let mut this = Crate {
        files: files
            .iter()
            .map(|(name, text)| (module(name), code(text)))
            .collect(),
        passed_on: BTreeMap::new(),
    };
    for name in this.files.keys() {
        let names = this.passed_on(name);
        this.passed_on.insert(name.clone(), names);
    }
    assert_eq!(this.circles(), [["a", "b", "facade/c"]]);
}
