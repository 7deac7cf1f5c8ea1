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
}
