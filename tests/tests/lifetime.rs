//! Birth and death of services.
//!
//! `random_services` works for `SKYNET_RANDOM_SECONDS` seconds (6 unless set) with the seed `SKYNET_RANDOM_SEED`
//! (another one each time unless set; its output shows it).

use std::time::{Duration, SystemTime};

use skynet_tests::{Node, lua_cases};

mod death {
    use super::*;

    lua_cases! {
        "lifetime/death" {
            exit_answers_everybody => |out| {
                out.has("KILL self").has("Maybe forgot response");
            };
            kill_answers_everybody;
            kill_with_queued_requests;
            queued_send_to_the_dead;
            exit_with_own_calls;
            exit_after_answer;
            kill_self => |out| {
                out.has("] KILL :").has_not("] KILL :0");
            };
            fork_and_exit;
            collected_response;
            chain;
            retired_at_once;
            handles_are_not_reused;
            closing_order => |out| {
                out.has("closed: waiting 1").has("closed: waiting 2").has("closed: sleeping").has("closed: handler");
                out.has_times("closed: ", 5).has_not("fork ran").has("finalizer ran");
                for text in ["waiting 1", "waiting 2", "sleeping", "handler"] {
                    out.in_order(&[&format!("closed: {text}"), "KILL self", "closed: exiting"]);
                }
            };
            kill_runs_finalizers => |out| {
                out.has("finalizer of the killed ran");
                out.has("] KILL :").has_not("] KILL :0");
            };
            exit_in_a_fork_and_a_timeout => |out| {
                out.has_not("unreachable");
            };
            never_started;
            exit_monitor_redirects;
            monitor_hears_of_failed_launches;
        }
    }
}

/// Notices: `skynet.watch`, `skynet.link`, `skynet.trapexit`.
mod ends {
    use super::*;

    lua_cases! {
        "lifetime/ends" {
            reasons;
            many_watches;
            last_words;
            links;
            traps;
            short_lived_watchers;
            by_hand;
            mistakes;
        }
    }
}

mod churn {
    use super::*;

    lua_cases! {
        "lifetime/churn" {
            calls_while_killing;
            killed_by_others;
            memory_goes_back;
        }
    }
}

/// Random work under a model of what has to come of it.
#[test]
fn random_services() {
    let number = |name: &str, default: u64| {
        std::env::var(name).map_or(default, |text| text.parse().expect("a number"))
    };
    let now = SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap();
    let seconds = number("SKYNET_RANDOM_SECONDS", 6);
    let seed = number("SKYNET_RANDOM_SEED", now.as_secs() % 1_000_000);
    let out = Node::case("lifetime/random", "random_services")
        .key("seconds", &seconds.to_string())
        .key("seed", &seed.to_string())
        // The work logs thousands of errors that are meant to be.
        .key("logger", "'/dev/null'")
        .limit(Duration::from_secs(seconds + 60))
        .run();
    out.passed();
}
