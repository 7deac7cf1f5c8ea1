//! The dispatcher's state machine, and what it has to survive.

use skynet_tests::lua_cases;

mod machine {
    use super::*;

    lua_cases! {
        "dispatch/machine" {
            response_resumes;
            break_placeholder => |out| {
                out.has_not("Unknown session");
            };
            unknown_response => |out| {
                out.has("Unknown session : 99999 from 555").has("Response message : lost");
            };
            error_with_session;
            error_of_a_dead_service;
            error_closes_responses;
            trace_message;
            unregistered_type;
            registered_without_handler;
            unpack_error => |out| {
                out.has_times("Invalid serialize stream", 2);
            };
            unpack_runs_before_the_handler => |out| {
                out.has("unpack function fails");
            };
            raised_error => |out| {
                out.has("a text").has("error of a send");
            };
            error_after_the_answer => |out| {
                out.has("after the answer");
            };
            wakeup_then_error;
            close_on_error;
            raw_yields => |out| {
                out.has("Unknown command : ODD").has("Unknown command : 7").has_times("Unknown command : ", 4);
                out.has("Call skynet.coroutine.yield out of skynet.coroutine.resume");
            };
            raw_yield_of_nothing => |out| {
                out.has_not("Unknown command");
            };
            wakeups_before_errors;
            before_the_next_message;
            wakeup_chains;
            errors_of_one_message => |out| {
                out.has("error of the handler").has("error of fork one").has("error of fork two");
                out.has_times("lua call [", 1);
            };
            coroutines_are_reused;
            waiting_coroutines_survive_gc;
            yield_across_pcall;
            waiting_where_that_is_impossible => |out| {
                out.has_not("Unknown session");
            };
            dead_coroutines => |out| {
                out.has_not("never printed");
            };
            resume_by_hand;
        }
    }
}

mod leftovers {
    use super::*;

    lua_cases! {
        "dispatch/leftovers" {
            texts_that_do_not_fit;
            tag_of_a_refused_request;
            calls_by_name => |out| {
                out.has_not("Unknown session");
            };
            sleepers_that_the_application_closes;
            profiles_without_an_end;
            timer_of_a_killed_thread;
            exit_where_it_cannot_wait => |out| {
                out.has("exit false attempt to yield from outside a coroutine").has("to nobody nil");
                out.has("closed").has_not("comes back");
            };
            hook_of_the_application;
            sends_to_one_that_leaves;
        }
    }
}

mod robust {
    use super::*;

    lua_cases! {
        "dispatch/robust" {
            raise;
            raise_after_waiting;
            raise_in_fork;
            raise_in_hook => |out| {
                out.has_times("budget used up", 4);
            };
            raise_in_timeout;
            raise_in_close;
            raise_in_close_without_error;
            raise_in_gc;
            raise_in_message_handler;
            raise_answers;
            overflows;
            impossible_results;
            raise_in_init;
            raise_while_closing;
            wrong_arguments;
            deep_coroutines;
            pending_sessions;
            pending_calls;
        }
    }
}

mod places {
    use super::*;

    lua_cases! {
        "dispatch/places" {
            answers => |out| {
                out.has_not("Maybe forgot");
            };
            exits;
            work_while_closing => |out| {
                out.has_not("fork while closing").has_not("timeout while closing");
            };
            blocking_in_plain_coroutines;
        }
    }
}

mod lost {
    use super::*;

    lua_cases! {
        "dispatch/lost" {
            listing_what_has_not_begun;
            blocking_below_a_c_function;
            bad_answer;
            errors_of_the_dying => |out| {
                out.has("error in __gc").has("from a finalizer").has("from a last finalizer");
                out.has_times("from close", 3);
            };
            close_gets_the_error;
            closing_kills_itself;
            trace_of_the_killed;
            token_of_the_killed;
            small_messages_to_a_callback => |out| {
                out.has("small end of it true").has("small xxxxxxxxxxxxxxxx true").has_not(" false");
            };
            late_answer_to_select => |out| {
                out.has_not("Unknown session");
            };
            tracecall_in_a_traced_task;
            messages_of_impossible_size;
            start_before_a_failing_chunk => |out| {
                out.has("after start").has_not("started all the same");
            };
        }
    }
}

mod memory {
    use super::*;

    lua_cases! {
        "dispatch/memory" {
            limit => |out| {
                out.has("Set memory limit to 8.00 M").has("not enough memory");
            };
            large_messages => |out| {
                assert!(out.count("lua memory error : [") + out.count("not enough memory") > 0, "{out}");
            };
            warnings => |out| {
                out.has_times("Memory warning 3", 1).has_times("Memory warning 6", 1).in_order(&["warning 3", "warning 6"]);
                // Garbage may take it over 128 MiB as well.
                assert!(out.count("Memory warning") <= 3, "{out}");
            };
            warnings_of_one_message => |out| {
                out.in_order(&["Memory warning 3", "Memory warning 6"]);
            };
            every_allocation;
            squeezed;
        }
    }
}
