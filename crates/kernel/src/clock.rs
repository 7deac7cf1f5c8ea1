//! Cheap time for accounting, and the node's own clock.
//!
//! *Ticks* are what the processor counts: the time stamp counter where it is invariant (x86-64),
//! nanoseconds of the monotonic clock elsewhere. Reading them costs a few nanoseconds and no system
//! call, so a worker can read them for every message. They are converted to seconds only when
//! somebody asks, by the ratio of elapsed monotonic time to elapsed ticks.
//!
//! *Centiseconds* ([`Clock::now_cs`]) count from the start of the node and begin with the
//! centisecond fraction of the wall clock at that moment, so that `starttime + now_cs / 100` is
//! wall time plus elapsed monotonic time.

use std::sync::OnceLock;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Messages carry `ticks >> STAMP_SHIFT` as 32 bits: 2^20 ticks are a quarter to one millisecond,
/// and the value wraps after twelve days or more.
pub(crate) const STAMP_SHIFT: u32 = 20;

/// Reads the tick counter.
#[inline(always)]
pub(crate) fn ticks() -> u64 {
    #[cfg(target_arch = "x86_64")]
    if invariant_tsc() {
        // SAFETY: RDTSC exists on every x86-64 processor and has no side effects.
        return unsafe { core::arch::x86_64::_rdtsc() };
    }
    monotonic_ns()
}

/// Nanoseconds of the monotonic clock.
pub(crate) fn monotonic_ns() -> u64 {
    let mut ts = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: `ts` is a valid place to write to, and the clock exists on every supported system.
    unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &mut ts) };
    ts.tv_sec as u64 * 1_000_000_000 + ts.tv_nsec as u64
}

/// Does the counter run at a constant rate in all power states (CPUID 8000_0007h, EDX bit 8)? Asked
/// once.
#[cfg(target_arch = "x86_64")]
#[inline(always)]
fn invariant_tsc() -> bool {
    use std::sync::atomic::{AtomicU8, Ordering::Relaxed};
    static KNOWN: AtomicU8 = AtomicU8::new(0);
    #[cold]
    fn ask() -> bool {
        use core::arch::x86_64::__cpuid;
        let yes =
            __cpuid(0x8000_0000).eax >= 0x8000_0007 && __cpuid(0x8000_0007).edx & (1 << 8) != 0;
        KNOWN.store(if yes { 2 } else { 1 }, Relaxed);
        yes
    }
    match KNOWN.load(Relaxed) {
        2 => true,
        1 => false,
        _ => ask(),
    }
}

/// A moment on both scales, taken when the first node starts. One for the process: it is a property
/// of the machine.
fn epoch() -> &'static (u64, u64) {
    static EPOCH: OnceLock<(u64, u64)> = OnceLock::new();
    EPOCH.get_or_init(|| (ticks(), monotonic_ns()))
}

/// Seconds per tick, measured over the life of the process.
fn seconds_per_tick() -> f64 {
    let &(t0, n0) = epoch();
    let (dt, dn) = (ticks().wrapping_sub(t0), monotonic_ns().wrapping_sub(n0));
    if dt == 0 {
        0.0
    } else {
        dn as f64 / dt as f64 * 1e-9
    }
}

/// Converts a span of ticks to seconds.
pub(crate) fn seconds(ticks: u64) -> f64 {
    ticks as f64 * seconds_per_tick()
}

/// The stamp of a message that is sent now.
pub(crate) fn stamp() -> u32 {
    (ticks() >> STAMP_SHIFT) as u32
}

/// Age in milliseconds of a message stamp.
pub(crate) fn stamp_age_ms(at: u32) -> u64 {
    // A stamp taken on another core may be a unit ahead.
    let age = stamp().wrapping_sub(at) as i32;
    (seconds((age.max(0) as u64) << STAMP_SHIFT) * 1e3) as u64
}

/// The time of one node.
pub(crate) struct Clock {
    started: Instant,
    /// Centiseconds that `now_cs` begins with.
    fraction_cs: u64,
    /// Whole UTC seconds at the start.
    starttime: u32,
}

impl Clock {
    pub(crate) fn new() -> Clock {
        epoch();
        let wall = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or(Duration::ZERO);
        Clock {
            started: Instant::now(),
            fraction_cs: (wall.subsec_millis() / 10) as u64,
            starttime: wall.as_secs() as u32,
        }
    }

    /// Milliseconds since the start; the wheel's time.
    pub(crate) fn elapsed_ms(&self) -> u64 {
        self.started.elapsed().as_millis() as u64
    }

    /// When the wheel's time `ms` is reached.
    pub(crate) fn instant(&self, ms: u64) -> Option<Instant> {
        self.started.checked_add(Duration::from_millis(ms))
    }

    /// The wheel's time at `instant`, rounded up.
    pub(crate) fn wheel_time(&self, instant: Instant) -> u64 {
        instant
            .saturating_duration_since(self.started)
            .as_nanos()
            .div_ceil(1_000_000) as u64
    }

    /// The wheel's time that is not reached before `ms` milliseconds have passed.
    pub(crate) fn after_ms(&self, ms: u64) -> u64 {
        self.wheel_time(Instant::now()).saturating_add(ms)
    }

    /// The wheel's time that is not reached before `time` has passed.
    pub(crate) fn after(&self, time: Duration) -> u64 {
        let when = Instant::now().checked_add(time);
        when.map_or(u64::MAX, |when| self.wheel_time(when))
    }

    /// The wheel's time at which `now_cs` will have advanced by `cs`.
    pub(crate) fn after_cs(&self, cs: u64) -> u64 {
        (self.elapsed_ms() / 10 + cs) * 10
    }

    pub(crate) fn now_cs(&self) -> u64 {
        self.fraction_cs + self.elapsed_ms() / 10
    }

    pub(crate) fn starttime(&self) -> u32 {
        self.starttime
    }
}

/// Local time, broken down.
pub(crate) fn local_time(unix: i64) -> libc::tm {
    // SAFETY: all-zero bytes are a valid tm (its zone pointer may be null).
    let mut tm: libc::tm = unsafe { std::mem::zeroed() };
    // SAFETY: both pointers lead to live variables.
    unsafe { libc::localtime_r(&unix, &mut tm) };
    tm
}

/// The current local time in the form of C's `ctime`: `Sun Nov 22 02:00:19 2026`.
pub(crate) fn ctime() -> String {
    const DAYS: [&str; 7] = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"];
    const MONTHS: [&str; 12] = [
        "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
    ];
    let unix = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or(Duration::ZERO)
        .as_secs();
    let tm = local_time(unix as i64);
    format!(
        "{} {} {:2} {:02}:{:02}:{:02} {}",
        DAYS[tm.tm_wday as usize % 7],
        MONTHS[tm.tm_mon as usize % 12],
        tm.tm_mday,
        tm.tm_hour,
        tm.tm_min,
        tm.tm_sec,
        i64::from(tm.tm_year) + 1900
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_span_ends_in_the_millisecond_in_which_it_has_passed() {
        let clock = Clock::new();
        for micros in [1, 500, 1000, 1001, 20_000] {
            let span = Duration::from_micros(micros);
            let before = Instant::now();
            let when = clock.instant(clock.after(span)).unwrap();
            let after = Instant::now();
            assert!(when >= before + span, "never early");
            assert!(when < after + span + Duration::from_millis(1));
        }
        assert_eq!(clock.after(Duration::MAX), u64::MAX);
    }
}
