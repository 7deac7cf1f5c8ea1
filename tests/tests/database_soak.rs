//! All drivers of databases at once, for a while, with servers that are killed at random moments and started again.
//!
//! Some seconds by default. `SOAK_SECONDS=600 cargo test -p skynet-tests --test database_soak -- --nocapture` is the long
//! form; `SOAK_SEED` repeats the decisions of an earlier run, which printed its seed. What is checked is a bank in each of
//! the databases; see `lua/db/soak.lua`.

use std::time::{Duration, Instant};

use skynet_tests::Node;
use skynet_tests::database::{Cluster, Server};

fn number(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    Some(
        text.parse()
            .unwrap_or_else(|_| panic!("{name} is a number")),
    )
}

#[test]
#[cfg_attr(
    not(all(redis_server, mariadb_server, postgres_server)),
    ignore = "no servers of databases: apt-get install redis-server mariadb-server postgresql"
)]
fn soak() {
    let seconds = number("SOAK_SECONDS").unwrap_or(12);
    let seed = number("SOAK_SEED").unwrap_or_else(|| u64::from(std::process::id()));
    println!("SOAK_SEED={seed} SOAK_SECONDS={seconds}");
    let always = ["--appendfsync", "always"];
    let mut servers = [
        ("redis", Server::redis_with(&always)),
        ("mariadb", Server::mariadb()),
        ("postgres", Server::postgres()),
    ];
    let mut cluster = Cluster::start();
    let ports = cluster.ports();
    let words: Vec<String> = ports.iter().map(u16::to_string).collect();
    let mut node = Node::case("db/soak", "run")
        .key("seed", &seed.to_string())
        .key("redisport", &servers[0].1.port().to_string())
        .key("mysqlport", &servers[1].1.port().to_string())
        .key("pgsqlport", &servers[2].1.port().to_string())
        .key("clusterports", &format!("'{}'", words.join(" ")))
        .limit(Duration::from_secs(2 * seconds + 240))
        .stdin()
        .spawn();
    node.until_output("READY");
    let started = Instant::now();
    let mut state = seed;
    let mut random = move |below: u64| {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) % below
    };
    let mut kills = 0;
    while started.elapsed() < Duration::from_secs(seconds) {
        std::thread::sleep(Duration::from_millis(random(1500)));
        let pause = Duration::from_millis(random(600));
        let which = random(5) as usize;
        if let Some((_, server)) = servers.get_mut(which) {
            server.kill();
            std::thread::sleep(pause);
            server.restart();
        } else {
            let port = ports[random(ports.len() as u64) as usize];
            cluster.kill(port);
            // Sometimes long enough for a replica to take over.
            std::thread::sleep(pause * 4);
            cluster.restart(port);
        }
        kills += 1;
    }
    node.write("stop\n");
    let out = node.wait();
    for line in out.stdout.lines() {
        if line.starts_with("LEDGER ") {
            println!("{line}");
        }
    }
    println!("{kills} kills");
    out.passed();
}
