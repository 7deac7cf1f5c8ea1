//! The code base of the `spawnlarge` workload: a generated Lua module.
//!
//! It has the mix that a game's service has: functions of about ten lines, with constants, table constructors,
//! branches, loops, string work and calls of each other.

use std::fmt::Write as _;

/// A module of `lines` lines or a few more, which returns a table of functions.
pub fn module(lines: usize) -> String {
    let mut text = String::from("-- Generated.\nlocal M = {}\n");
    let mut written = 2;
    for index in 1.. {
        if written >= lines - 1 {
            break;
        }
        let body = function(index);
        written += body.matches('\n').count();
        text += &body;
    }
    text += "return M\n";
    text
}

fn function(i: usize) -> String {
    let mut text = String::new();
    let previous = i.max(2) - 1;
    let _ = match i % 3 {
        0 => write!(
            text,
            "function M.on_event_{i}(player, event)\n\
             \tlocal item = player.bag[event.slot_{i}]\n\
             \tif not item then return false, \"no item for event {i}\" end\n\
             \titem.count = item.count - (event.amount or {})\n\
             \tif item.count <= 0 then\n\
             \t\tplayer.bag[event.slot_{i}] = nil\n\
             \t\tM.notify_{previous}(player, \"item_{i}\")\n\
             \tend\n\
             \tplayer.dirty = true\n\
             \treturn true, item\n\
             end\n\n",
            i % 17
        ),
        1 => write!(
            text,
            "function M.notify_{i}(player, what)\n\
             \tlocal list = {{}}\n\
             \tfor id, watcher in pairs(player.watchers) do\n\
             \t\tif watcher.level_{i} > {} then\n\
             \t\t\tlist[#list + 1] = {{ id = id, kind = \"notify_{i}\", what = what, at = {}.5 }}\n\
             \t\tend\n\
             \tend\n\
             \treturn list\n\
             end\n\n",
            i % 90,
            i * 3
        ),
        _ => write!(
            text,
            "function M.score_{i}(values, factor)\n\
             \tlocal total, best = {i}, nil\n\
             \tfor index, value in ipairs(values) do\n\
             \t\ttotal = total + value * (factor or {}) // (index + {})\n\
             \t\tif not best or value > best then best = value end\n\
             \tend\n\
             \treturn {{ total = total, best = best, name = string.format(\"score-%d\", total), rank_{i} = M.score_{i} }}\n\
             end\n\n",
            i * 7 + 1,
            i % 5
        ),
    };
    text
}

#[cfg(test)]
mod tests {
    #[test]
    fn it_has_as_many_lines_as_asked_for() {
        let lines = super::module(5000).lines().count();
        assert!((5000..5020).contains(&lines), "{lines}");
    }
}
