//! The node on which scripts are played, by its control connection.

use serde_json::Value;

use super::Check;
use crate::peer::{self, Peer};
use crate::{Node, Running};

/// A running `script/stage`.
pub struct Stage {
    node: Running,
    control: Peer,
    /// Where the output of the running case begins.
    begin: usize,
}

impl Stage {
    /// Starts it.
    pub fn start(node: Node) -> Stage {
        let mut node = node.limit(std::time::Duration::from_secs(300)).spawn();
        let control = Peer::connect(peer::port_of(&mut node));
        Stage {
            node,
            control,
            begin: 0,
        }
    }

    /// Everything that the node has written so far.
    pub fn output(&mut self) -> String {
        let text = self.node.stdout();
        text.lines()
            .rev()
            .take(40)
            .collect::<Vec<_>>()
            .into_iter()
            .rev()
            .collect::<Vec<_>>()
            .join("\n")
    }

    fn ask(&mut self, op: &[u8], text: &[u8]) -> Check<Value> {
        let length = u32::try_from(op.len() + text.len()).expect("a frame");
        let frame = [&length.to_be_bytes(), op, text].concat();
        self.control.write(&frame);
        let length = self.control.read(4);
        let length = u32::from_be_bytes(length.try_into().expect("four bytes"));
        let answer = self.control.read(length as usize);
        serde_json::from_slice(&answer).map_err(|e| format!("the stage says no JSON: {e}"))
    }

    /// A fresh service instead of the last one.
    pub fn fresh(&mut self) -> Check {
        self.begin = self.node.stdout().len();
        self.ask(b"N", b"").map(|_| ())
    }

    /// What has been logged since.
    pub fn log(&self) -> String {
        self.node.stdout().split_off(self.begin)
    }

    /// Runs Lua text.
    pub fn run(&mut self, lua: &[u8]) -> Check<Value> {
        self.ask(b"L", lua)
    }

    /// What has been emitted since the last time.
    pub fn events(&mut self) -> Check<Value> {
        self.ask(b"E", b"")
    }
}
