//! Code and strings that all services of a process share.

use skynet_tests::lua_cases;

lua_cases! {
    "shared/code" {
        own_strings_before_the_code;
        few_own_strings;
        churn;
        debug;
        memory;
        library_tables;
        memory_limit;
    }
}
