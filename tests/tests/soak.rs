//! Random services under a model, for `SKYNET_SOAK_SECONDS` seconds (6 unless set) with the seed `SKYNET_SOAK_SEED`
//! (another one each time unless set; the output shows it).

use skynet_tests::Node;

fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |text| text.parse().expect("a number"))
}

#[test]
fn random_services() {
    let seconds = number("SKYNET_SOAK_SECONDS", 6);
    let time = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap();
    let seed = number("SKYNET_SOAK_SEED", time.as_secs() % 1_000_000);
    let out = Node::case("soak/soak", "random_services")
        .key("seconds", &seconds.to_string())
        .key("seed", &seed.to_string())
        // The work logs thousands of errors that are meant to be.
        .key("logger", "'/dev/null'")
        .limit(std::time::Duration::from_secs(seconds + 60))
        .run();
    out.passed();
    for line in out
        .stdout
        .lines()
        .filter(|line| line.starts_with("driver ") || line.starts_with("resident"))
    {
        println!("{line}");
    }
}
