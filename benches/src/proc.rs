//! What Linux tells about a process and a machine, from `/proc`.

use std::fs;
use std::io;
use std::time::Duration;

/// What a process has used so far.
pub struct Usage {
    /// Processor time of user code and of the system on its behalf. Its resolution is that of the kernel's clock tick,
    /// 10 ms.
    pub cpu: Duration,
    /// Voluntary and involuntary context switches of all threads: how often it was woken or interrupted.
    pub switches: u64,
}

/// The usage of process `pid`.
pub fn usage(pid: u32) -> io::Result<Usage> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    let ticks = cpu_ticks(&stat).ok_or(io::ErrorKind::InvalidData)?;
    let mut switches = 0;
    for task in fs::read_dir(format!("/proc/{pid}/task"))? {
        // A thread may end meanwhile.
        let status = fs::read_to_string(task?.path().join("status")).unwrap_or_default();
        switches += field(&status, "voluntary_ctxt_switches:").unwrap_or(0);
        switches += field(&status, "nonvoluntary_ctxt_switches:").unwrap_or(0);
    }
    Ok(Usage {
        // A tick is 10 ms for all programs, whatever the kernel's own clock (USER_HZ, time(7)).
        cpu: Duration::from_millis(ticks * 10),
        switches,
    })
}

/// Resident memory of process `pid` in kilobytes.
pub fn rss_kb(pid: u32) -> io::Result<u64> {
    let rollup = fs::read_to_string(format!("/proc/{pid}/smaps_rollup"))?;
    field(&rollup, "Rss:").ok_or_else(|| io::ErrorKind::InvalidData.into())
}

/// Fields 14 and 15 (utime, stime) of /proc/PID/stat, proc_pid_stat(5). The second field is a name in parentheses that
/// may have blanks and parentheses.
fn cpu_ticks(stat: &str) -> Option<u64> {
    let mut rest = stat.rsplit_once(')')?.1.split_ascii_whitespace().skip(11);
    Some(rest.next()?.parse::<u64>().ok()? + rest.next()?.parse::<u64>().ok()?)
}

/// The number after `name` at the start of a line.
fn field(text: &str, name: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    line.split_ascii_whitespace().next()?.parse().ok()
}

/// What all processors have done since the machine started, in clock ticks.
pub struct Machine {
    idle: u64,
    total: u64,
}

impl Machine {
    /// The part of the time since then in which they were not idle: all processes, and what the host took away.
    pub fn busy_since(&self, before: &Machine) -> f64 {
        let total = self.total.saturating_sub(before.total);
        let idle = self.idle.saturating_sub(before.idle);
        match total {
            0 => 0.0,
            _ => 1.0 - idle as f64 / total as f64,
        }
    }
}

/// The machine's processors so far: the first line of /proc/stat, proc_stat(5).
pub fn machine() -> io::Result<Machine> {
    let text = fs::read_to_string("/proc/stat")?;
    let line = text
        .lines()
        .next()
        .and_then(|line| line.strip_prefix("cpu "));
    let words = line
        .ok_or(io::ErrorKind::InvalidData)?
        .split_ascii_whitespace();
    // Those after the eighth are in the first two already.
    let ticks: Vec<u64> = words.take(8).map_while(|word| word.parse().ok()).collect();
    Ok(Machine {
        idle: ticks.iter().skip(3).take(2).sum(),
        total: ticks.iter().sum(),
    })
}

/// The processor's model.
pub fn cpu_model() -> Option<String> {
    let info = fs::read_to_string("/proc/cpuinfo").ok()?;
    let line = info.lines().find(|line| line.starts_with("model name"))?;
    Some(line.split_once(':')?.1.trim().to_owned())
}

/// The machine's memory in kilobytes.
pub fn memory_kb() -> Option<u64> {
    field(&fs::read_to_string("/proc/meminfo").ok()?, "MemTotal:")
}

/// The kernel's release.
pub fn kernel() -> Option<String> {
    let text = fs::read_to_string("/proc/sys/kernel/osrelease").ok()?;
    Some(text.trim().to_owned())
}

/// How many threads wanted to run during the last minute, on average.
pub fn load() -> Option<f64> {
    let text = fs::read_to_string("/proc/loadavg").ok()?;
    text.split_ascii_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_program_may_have_any_name() {
        let stat = "7 (a) b (c)) S 1 7 7 0 -1 4194560 100 0 0 0 30 12 0 0 20 0 4 0 99";
        assert_eq!(cpu_ticks(stat), Some(42));
    }

    #[test]
    fn the_machine_is_busy_in_part() {
        let then = Machine {
            idle: 10,
            total: 30,
        };
        let now = Machine {
            idle: 15,
            total: 50,
        };
        assert_eq!(now.busy_since(&then), 0.75);
        assert_eq!(now.busy_since(&now), 0.0);
        assert!(machine().unwrap().total > 0);
    }

    #[test]
    fn this_process_has_usage() {
        let pid = std::process::id();
        assert!(usage(pid).unwrap().switches > 0);
        assert!(rss_kb(pid).unwrap() > 100);
    }
}
