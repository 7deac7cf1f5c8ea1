//! Birth and death of services.

use skynet_tests::lua_cases;

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
            kill_self;
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
