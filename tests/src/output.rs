//! What a node left behind, and what tests ask of it.

use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;

/// The output and exit status of a node that has ended. The assertions show all of it when they fail.
pub struct Output {
    /// Standard output as text; bytes that are not UTF-8 are replaced.
    pub stdout: String,
    /// Standard output as it came.
    pub bytes: Vec<u8>,
    /// Standard error.
    pub stderr: String,
    /// How the process ended.
    pub status: ExitStatus,
}

impl Output {
    pub(crate) fn new(stdout: Vec<u8>, stderr: Vec<u8>, status: ExitStatus) -> Output {
        Output {
            stdout: String::from_utf8_lossy(&stdout).into_owned(),
            bytes: stdout,
            stderr: String::from_utf8_lossy(&stderr).into_owned(),
            status,
        }
    }

    /// Asserts that a Lua case ran to its end, checked something and found nothing wrong, in a node that ended well.
    pub fn passed(&self) -> &Output {
        self.exit(0);
        let failed: Vec<&str> = self
            .stdout
            .lines()
            .filter(|line| line.contains("FAIL "))
            .collect();
        assert!(failed.is_empty(), "{}\n{self}", failed.join("\n"));
        // The log may tear a line of a service in two, so it is looked for everywhere.
        let done = self.stdout.split("DONE ").nth(1).map(|rest| {
            let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
            digits.parse::<usize>().unwrap_or(0)
        });
        assert!(
            done.is_some_and(|count| count > 0),
            "the case did not finish, or checked nothing\n{self}"
        );
        for line in self.stdout.lines() {
            // A case has found that something is missing here, and says how to get it.
            if let Some((what, how)) = line
                .strip_prefix("SKIPPED ")
                .and_then(|l| l.split_once("; "))
            {
                crate::skipped(what, how);
            }
        }
        self.no_panic()
    }

    /// Asserts that no Rust code panicked.
    pub fn no_panic(&self) -> &Output {
        assert!(!self.stderr.contains("panicked"), "a panic\n{self}");
        self
    }

    /// Asserts the exit status.
    pub fn exit(&self, code: i32) -> &Output {
        assert_eq!(
            self.status.code(),
            Some(code),
            "exit status (signal {:?})\n{self}",
            self.status.signal()
        );
        self
    }

    /// Asserts that some line of standard output contains `text`.
    pub fn has(&self, text: &str) -> &Output {
        assert!(self.count(text) > 0, "no line with {text:?}\n{self}");
        self
    }

    /// Asserts that no line of standard output contains `text`.
    pub fn has_not(&self, text: &str) -> &Output {
        assert_eq!(self.count(text), 0, "a line with {text:?}\n{self}");
        self
    }

    /// Asserts that exactly `times` lines of standard output contain `text`.
    pub fn has_times(&self, text: &str, times: usize) -> &Output {
        assert_eq!(self.count(text), times, "lines with {text:?}\n{self}");
        self
    }

    /// Asserts that standard error contains `text`.
    pub fn has_error(&self, text: &str) -> &Output {
        assert!(self.stderr.contains(text), "no {text:?} on stderr\n{self}");
        self
    }

    /// Asserts that these texts occur in standard output in this order.
    pub fn in_order(&self, texts: &[&str]) -> &Output {
        let mut from = 0;
        for text in texts {
            match self.stdout[from..].find(text) {
                Some(at) => from += at + text.len(),
                None => panic!("no {text:?} in its place\n{self}"),
            }
        }
        self
    }

    /// How many lines of standard output contain `text`.
    pub fn count(&self, text: &str) -> usize {
        self.stdout
            .lines()
            .filter(|line| line.contains(text))
            .count()
    }
}

impl std::fmt::Display for Output {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "--- {}\n--- stdout\n{}\n--- stderr\n{}",
            self.status, self.stdout, self.stderr
        )
    }
}
