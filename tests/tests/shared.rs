//! Code and strings that all services of a process share.

use skynet_tests::{lua_cases, skipped};

/// Is the tested program built without sharing?
fn stock() -> bool {
    std::env::var_os("SKYNET_TEST_STOCK").is_some()
}

lua_cases! {
    "shared/code" {
        own_strings_before_the_code;
        few_own_strings;
        churn;
        changing_code;
        debug;
        stripped;
        memory;
        library_tables;
        memory_limit;
    }
    "shared/lazy" {
        reading;
        nested;
        variables;
        runs;
        assignments;
        weak;
        collector;
        programs;
        release;
        hooks;
        traceback;
        large;
        messages;
        errors;
        weight;
    }
    "shared/sharetable" {
        load_and_read;
        no_changes;
        what_can_be_shared => |out| {
            if stock() {
                return skipped("Lua as it is published", "run without SKYNET_TEST_STOCK");
            }
            out.has("Not a table, it's a number.")
                .has("Can't share metatable")
                .has("Invalid function with upvalue")
                .has("Invalid type [userdata]")
                .has("(Type invalid)");
        };
        strings_are_one;
        query_in_a_walk;
        equality;
        nothing_stays;
        holes_in_an_array;
        strings_of_all_kinds;
        reading_at_the_limit;
        random;
        names_of_protocols;
        update;
        updated_versions_go;
        versions => |out| {
            if !stock() {
                out.has("Delete a version (userdata: ");
            }
        };
        churn_of_versions;
    }
}
