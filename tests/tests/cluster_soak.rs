//! Two nodes that do everything to each other, for a while, one of which is killed and started again at random moments.
//!
//! A few seconds by default. `SOAK_SECONDS=600 cargo test --release -p skynet-tests --test cluster_soak -- --nocapture`
//! is the long form. Each node checks its own books (see `lua/cluster/soak.lua`): one outcome for each request, the
//! right answers, no call, connection or coroutine left.

use std::time::{Duration, Instant};

use skynet_tests::peer::port;
use skynet_tests::{Node, Running};

fn start(me: &str, own: u16, other: u16, seed: u64, seconds: u64) -> Running {
    let mut node = Node::case("cluster/soak", "run")
        .key("me", &format!("'{me}'"))
        .key("port", &own.to_string())
        .key("peer", &other.to_string())
        .key("seed", &seed.to_string())
        .limit(Duration::from_secs(3 * seconds + 180))
        .stdin()
        .spawn();
    node.until_output("READY");
    node
}

#[test]
fn soak() {
    let seconds = std::env::var("SOAK_SECONDS").map_or(8, |text| {
        text.parse::<u64>().expect("SOAK_SECONDS is a number")
    });
    let (stays, dies) = (port(), port());
    let mut seed = u64::from(std::process::id());
    let mut kills = 0;
    let started = Instant::now();
    let mut one = start("one", stays, dies, seed, seconds);
    let mut two = start("two", dies, stays, seed + 1, seconds);
    while started.elapsed() < Duration::from_secs(seconds) {
        // Soon, later, and in the middle of the beginning.
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        std::thread::sleep(Duration::from_millis((seed >> 33) % 1500));
        two.kill();
        kills += 1;
        two = start("two", dies, stays, seed >> 33, seconds);
    }
    // Both answer the other one's requests until neither has any left.
    let good = |node: &Running| node.stdout().matches("GOOD ").count();
    for node in [&mut one, &mut two] {
        let before = good(node);
        node.until("answers after the last start", |node| good(node) > before);
    }
    for node in [&mut one, &mut two] {
        node.write("stop\n");
    }
    for node in [&mut one, &mut two] {
        node.until_output("QUIET");
    }
    for node in [&mut one, &mut two] {
        node.write("end\n");
    }
    for out in [one.wait(), two.wait()] {
        out.passed();
        let ledger = out.stdout.lines().find(|line| line.contains("LEDGER "));
        println!("{} ({kills} kills)", ledger.expect("a ledger"));
    }
}
