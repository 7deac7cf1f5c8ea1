//! Coroutines of the user's own, and the time that they use.

use skynet_tests::lua_cases;

lua_cases! {
    "coroutines/coroutine" {
        generator;
        blocking_inside;
        nested;
        status;
        errors;
        thread;
        close;
        plain_coroutines;
        many;
        profile;
        profile_of_a_chain;
    }
    "coroutines/suspension" {
        places;
        tasks;
        handlers;
        bodies;
        tracebacks;
        closing;
        hooks;
        depth;
    }
    "coroutines/by_hand" {
        kill_below;
        kill_itself;
        requests;
        exit => |out| {
            let all: Vec<_> = out.stdout.lines().filter_map(|l| Some(l.split_once("leaver closed: ")?.1.to_owned())).collect();
            let once = ["other", "resumer", "resumed"];
            assert_eq!(all, [once, once].concat());
        };
        begin;
        sleeping;
        woken;
        while_closing;
        close_running;
        dispatched_inside;
        hammer;
    }
}
