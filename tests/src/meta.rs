//! The definitions in `meta/`, as far as the manual and the tests need them: functions with their texts, classes with
//! their fields.

use std::path::{Path, PathBuf};

/// A file of `meta/`.
#[derive(Debug)]
pub struct Module {
    /// What is given to `require`.
    pub name: String,
    /// The text of the class that the module's table is, or of the function that it is.
    pub about: String,
    /// Names of fields of that class, with their descriptions.
    pub fields: Vec<Field>,
    /// The functions of the module's table, in their order.
    pub functions: Vec<Function>,
    /// Other classes, with their methods.
    pub classes: Vec<Class>,
}

/// A function or method.
#[derive(Debug)]
pub struct Function {
    /// The name alone.
    pub name: String,
    /// As it is called: `queue(...)`, `socket.open(addr, port)`, `channel:publish(...)`.
    pub call: String,
    /// What it does.
    pub text: String,
    /// Its parameters, as far as they are described.
    pub params: Vec<Field>,
    /// What it returns.
    pub returns: Vec<Field>,
}

/// A table or object.
#[derive(Debug)]
pub struct Class {
    /// Its full name.
    pub name: String,
    /// What it is.
    pub text: String,
    /// Its fields.
    pub fields: Vec<Field>,
    /// Its methods.
    pub methods: Vec<Function>,
}

/// A parameter, result or field. Results may have no name.
#[derive(Debug, Clone)]
pub struct Field {
    /// Its name, or nothing.
    pub name: String,
    /// Its type.
    pub kind: String,
    /// What it is.
    pub text: String,
}

/// All modules of `meta/`, sorted by name.
pub fn modules(meta: &Path) -> Vec<Module> {
    let mut files = Vec::new();
    collect(meta, &mut files);
    files.sort();
    files
        .iter()
        .map(|file| {
            let source = std::fs::read_to_string(file).expect("a file of meta/");
            parse(&source).unwrap_or_else(|why| panic!("{}: {why}", file.display()))
        })
        .collect()
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).expect("meta/") {
        let path = entry.expect("entry").path();
        if path.is_dir() {
            collect(&path, files);
        } else if path.extension().is_some_and(|e| e == "lua") {
            files.push(path);
        }
    }
}

/// The comment above a definition.
#[derive(Default)]
struct Comment {
    text: Vec<String>,
    class: Option<String>,
    fields: Vec<Field>,
    params: Vec<Field>,
    returns: Vec<Field>,
    last_is_field: bool,
}

impl Comment {
    /// The field or parameter that came last.
    fn described(&mut self) -> Option<&mut Field> {
        match self.last_is_field {
            true => self.fields.last_mut(),
            false => self.params.last_mut(),
        }
    }
}

/// Reads one file.
pub fn parse(source: &str) -> Result<Module, String> {
    let head = source.lines().next().unwrap_or_default();
    let name = head
        .strip_prefix("---@meta ")
        .ok_or("the first line is not `---@meta NAME`")?;
    let last = source.lines().rev().find(|line| !line.trim().is_empty());
    let table = last
        .and_then(|line| line.strip_prefix("return "))
        .unwrap_or_default();
    let mut module = Module {
        name: name.trim().to_owned(),
        about: String::new(),
        fields: Vec::new(),
        functions: Vec::new(),
        classes: Vec::new(),
    };
    let short = module.name.rsplit('.').next().unwrap_or(name).to_owned();
    let mut comment = Comment::default();
    // Which variable is which class.
    let mut variables: Vec<(String, usize)> = Vec::new();
    for line in source.lines().skip(1) {
        if let Some(text) = line.strip_prefix("---") {
            read_comment(text, &mut comment);
            continue;
        }
        let done = std::mem::take(&mut comment);
        let Some((owner, rest)) = definition(line) else {
            let variable = line
                .strip_prefix("local ")
                .and_then(|l| l.split_once(" = {}"));
            match (variable, done.class) {
                (Some((variable, _)), _) if variable == table => {
                    module.about = join(&done.text);
                    module.fields = done.fields;
                }
                (variable, Some(class)) => {
                    if let Some((variable, _)) = variable {
                        variables.push((variable.to_owned(), module.classes.len()));
                    }
                    module.classes.push(Class {
                        name: class,
                        text: join(&done.text),
                        fields: done.fields,
                        methods: Vec::new(),
                    });
                }
                _ => {}
            }
            continue;
        };
        let (name, params) = rest.split_once('(').ok_or("a function without `(`")?;
        let params = params.split(')').next().unwrap_or_default();
        let text = join(&done.text);
        let mut function = Function {
            name: name.to_owned(),
            call: format!("{short}.{name}({params})"),
            text,
            params: done.params,
            returns: done.returns,
        };
        match owner {
            // The module is this function.
            None if name == table => {
                function.call = format!("{short}({params})");
                module.functions.push(function);
            }
            None => {}
            Some(owner) if owner[..owner.len() - 1] == *table => {
                function.call = format!("{short}{}{name}({params})", &owner[owner.len() - 1..]);
                module.functions.push(function);
            }
            Some(owner) => {
                let variable = &owner[..owner.len() - 1];
                let class = variables.iter().find(|(name, _)| name == variable);
                let (_, class) = class.ok_or_else(|| format!("{variable} is no class"))?;
                function.call = format!("{}{name}({params})", owner.to_lowercase());
                module.classes[*class].methods.push(function);
            }
        }
    }
    Ok(module)
}

/// `function a.b(c) end` is (`a.`, `b(c) end`); a local function has no owner.
fn definition(line: &str) -> Option<(Option<&str>, &str)> {
    if let Some(rest) = line.strip_prefix("local function ") {
        return Some((None, rest));
    }
    let rest = line.strip_prefix("function ")?;
    let end = rest.find('(')?;
    let at = rest[..end].rfind(['.', ':'])? + 1;
    Some((Some(&rest[..at]), &rest[at..]))
}

fn read_comment(text: &str, comment: &mut Comment) {
    let Some(tag) = text.strip_prefix('@') else {
        // A line that is set in goes on with what the field or parameter before it is.
        if let Some(more) = text.strip_prefix("  ")
            && let Some(described) = comment.described()
        {
            described.text.push(' ');
            described.text.push_str(more.trim());
            return;
        }
        comment
            .text
            .push(text.strip_prefix(' ').unwrap_or(text).to_owned());
        return;
    };
    let (tag, rest) = tag.split_once(' ').unwrap_or((tag, ""));
    match tag {
        "class" => {
            let name = rest.split([':', ' ']).next().unwrap_or(rest);
            comment.class = Some(name.to_owned());
        }
        "field" => {
            let (name, rest) = rest.split_once(' ').unwrap_or((rest, ""));
            comment.fields.push(field(name, rest));
            comment.last_is_field = true;
        }
        "param" => {
            let (name, rest) = rest.split_once(' ').unwrap_or((rest, ""));
            comment.params.push(field(name, rest));
            comment.last_is_field = false;
        }
        "return" => {
            let mut result = field("", rest);
            // A name, then perhaps a text.
            let text = std::mem::take(&mut result.text);
            let (name, text) = text.split_once(' ').unwrap_or((&text, ""));
            result.name = name.to_owned();
            result.text = text.to_owned();
            comment.returns.push(result);
        }
        _ => {}
    }
}

/// The type, which may contain blanks inside brackets and around `|`, and what follows it.
fn field(name: &str, rest: &str) -> Field {
    let mut depth = 0;
    let mut end = rest.len();
    let mut quoted = false;
    for (at, c) in rest.char_indices() {
        match c {
            '"' => quoted = !quoted,
            '(' | '<' | '{' | '[' if !quoted => depth += 1,
            ')' | '>' | '}' | ']' if !quoted => depth -= 1,
            ' ' if depth == 0 && !quoted => {
                let before = rest[..at].trim_end();
                // `fun(...): a, b` goes on behind colon and comma.
                if before.ends_with([':', ',', '|']) || rest[at..].starts_with(" |") {
                    continue;
                }
                end = at;
                break;
            }
            _ => {}
        }
    }
    Field {
        name: name.to_owned(),
        kind: rest[..end].to_owned(),
        text: rest[end..].trim().to_owned(),
    }
}

/// Lines of one paragraph come into one line; an empty line begins a paragraph.
fn join(lines: &[String]) -> String {
    let mut text = String::new();
    for line in lines {
        match line.is_empty() {
            true => text.push_str("\n\n"),
            false => {
                if !text.is_empty() && !text.ends_with('\n') {
                    text.push(' ');
                }
                text.push_str(line);
            }
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_taken_apart() {
        let module = parse(
            "---@meta a.b\n\n---About it,\n---in two lines.\n---@class a.b\n---@field X 1 one\n---  of several\nlocal t = {}\n\n\
             ---@class a.thing: a.b\n---@field f fun(x: integer): string, integer does it\nlocal Thing = {}\n\n\
             ---Calls.\n---@param x \"a b\"|table<string, any> the x\n---@param ... any\n---@return integer? n how many\n\
             function t.call(x, ...) end\n\n---Method.\nfunction Thing:m() end\n\nreturn t\n",
        )
        .expect("it is well formed");
        assert_eq!(
            (module.name.as_str(), module.about.as_str()),
            ("a.b", "About it, in two lines.")
        );
        assert_eq!(module.fields[0].text, "one of several");
        let function = &module.functions[0];
        assert_eq!(function.call, "b.call(x, ...)");
        assert_eq!(function.params[0].kind, "\"a b\"|table<string, any>");
        assert_eq!(function.params[0].text, "the x");
        assert_eq!(
            (
                function.returns[0].name.as_str(),
                function.returns[0].text.as_str()
            ),
            ("n", "how many")
        );
        let class = &module.classes[0];
        assert_eq!(
            (class.name.as_str(), class.methods[0].call.as_str()),
            ("a.thing", "thing:m()")
        );
        assert_eq!(class.fields[0].kind, "fun(x: integer): string, integer");
    }
}
