//! The soak test: random services that talk, come and go, checked against their own books (see `lua/soak/main.lua`).
//!
//! A few seconds by default. `SOAK_SECONDS=600 cargo test --release -p skynet-tests --test soak -- --nocapture` is the
//! long form; `SOAK_SEED` repeats the decisions of an earlier run, which printed its seed.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use skynet_tests::Node;

fn number(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    Some(
        text.parse()
            .unwrap_or_else(|_| panic!("{name} is a number")),
    )
}

#[test]
fn soak() {
    let seconds = number("SOAK_SECONDS").unwrap_or(6);
    let seed = number("SOAK_SEED").unwrap_or_else(|| {
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        u64::from(now.expect("a clock after 1970").subsec_nanos())
    });
    println!("SOAK_SEED={seed} SOAK_SECONDS={seconds}");
    // What is logged is checked by a log service of its own.
    let output = Node::case("soak/main", "soak")
        .key("seed", &seed.to_string())
        .key("seconds", &seconds.to_string())
        .key("logservice", "'snlua'")
        .key("logger", "'soak/log'")
        .limit(Duration::from_secs(3 * seconds + 120))
        .run();
    output.passed();
    for line in output.stdout.lines() {
        if !line.starts_with("ok ") {
            println!("{line}");
        }
    }
}
