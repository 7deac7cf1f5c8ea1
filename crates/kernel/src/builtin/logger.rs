//! The log service: TEXT messages become lines on the standard output, or in a file.
//!
//! A line is `[:%08x] text`, with the handle of whoever logged it; in a file it begins with the
//! local time as `dd/mm/yy HH:MM:SS.cc `. The text is written as it is, even if it has several
//! lines. A SYSTEM message opens the file anew. Lines that arrive together are written by one
//! system call.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::sync::Arc;

use crate::clock;
use crate::context::Context;
use crate::error::InitError;
use crate::message::{Message, kind};
use crate::service::Service;

/// Lines are written when so many bytes have come together, even if more messages wait.
const FLUSH: usize = 64 * 1024;

#[derive(Default)]
pub(super) struct Logger {
    file: Option<(String, File)>,
    lines: Vec<u8>,
    /// The last lines could not be written.
    failing: bool,
}

fn open(path: &str) -> io::Result<File> {
    OpenOptions::new()
        .append(true)
        .create(true)
        .open(crate::text::path(path))
}

/// The system's text without the number behind it.
fn reason(error: &io::Error) -> String {
    let text = error.to_string();
    match text.split_once(" (os error") {
        Some((text, _)) => text.to_owned(),
        None => text,
    }
}

impl Service for Logger {
    fn init(&mut self, _cx: &Arc<Context>, param: &str) -> Result<(), InitError> {
        if !param.is_empty() {
            let file = open(param).map_err(|error| {
                format!(
                    "cannot open the log file {param}: {} (the config key logger names it: its folder has to exist, \
                     and to be writable)",
                    reason(&error)
                )
            })?;
            self.file = Some((param.to_owned(), file));
        }
        Ok(())
    }

    fn handle(&mut self, cx: &Arc<Context>, message: Message) {
        match message.kind {
            kind::TEXT => {
                if self.file.is_some() {
                    self.prefix(cx);
                }
                // Writing to a Vec cannot fail.
                let _ = write!(self.lines, "[{}] ", message.source);
                self.lines.extend_from_slice(message.payload());
                self.lines.push(b'\n');
                if self.lines.len() >= FLUSH {
                    self.flush();
                }
            }
            kind::SYSTEM => {
                self.flush();
                if let Some((path, file)) = &mut self.file {
                    match open(path) {
                        Ok(new) => *file = new,
                        // The old file may have been moved, but there is no other place for the lines.
                        Err(error) => cx.log(format!(
                            "error: cannot open the log file {path} again: {}; the old one stays in use",
                            reason(&error)
                        )),
                    }
                }
            }
            _ => {}
        }
    }

    fn turn_end(&mut self, _cx: &Arc<Context>) {
        self.flush();
    }
}

impl Logger {
    fn prefix(&mut self, cx: &Context) {
        let now = cx.node().now_cs();
        let tm = clock::local_time(i64::from(cx.node().starttime()) + (now / 100) as i64);
        let _ = write!(
            self.lines,
            "{:02}/{:02}/{:02} {:02}:{:02}:{:02}.{:02} ",
            tm.tm_mday,
            tm.tm_mon + 1,
            tm.tm_year % 100,
            tm.tm_hour,
            tm.tm_min,
            tm.tm_sec,
            now % 100
        );
    }

    /// Writes the lines. What fails is told on standard error, once until it works again: it is the only place left.
    fn flush(&mut self) {
        if self.lines.is_empty() {
            return;
        }
        let written = match &mut self.file {
            Some((_, file)) => file.write_all(&self.lines),
            None => {
                let mut out = io::stdout().lock();
                out.write_all(&self.lines).and_then(|()| out.flush())
            }
        };
        if let Err(error) = &written
            && !self.failing
        {
            let path = self
                .file
                .as_ref()
                .map_or("standard output", |(path, _)| path);
            let why = reason(error);
            // If this fails, there is no place left for the message.
            let _ = writeln!(
                io::stderr(),
                "the log cannot be written to {path}: {why}; its lines are lost until it can"
            );
        }
        self.failing = written.is_err();
        self.lines.clear();
    }
}
