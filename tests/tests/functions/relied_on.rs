//! What existing programs rely on, in the words of those who wrote them, and the test of each line.

/// What existing programs rely on, and the test of it.
pub const RELIED_ON: &[(&str, &str)] = &[
    (
        "several roles in one file, by arguments",
        "checklist::roles_inside_one_file",
    ),
    (
        "a call to a service that exits in its handler fails",
        "checklist::exit_inside_a_handler",
    ),
    (
        "a service exits while its own call is outstanding",
        "checklist::exit_with_a_call_outstanding",
    ),
    (
        "100,000 calls one after the other and in parallel",
        "checklist::calls_in_sequence_and_in_parallel",
    ),
    (
        "an answer to a send is harmless",
        "checklist::ret_for_a_send",
    ),
    (
        "response closures in a table, fired by a timer",
        "checklist::responses_fired_by_a_timer_loop",
    ),
    (
        "services made from a function, one of each name",
        "api_edge::service",
    ),
    (
        "a deadline by fork, sleep and wakeup",
        "checklist::deadline_by_hand",
    ),
    ("select over several requests", "api_edge::completion_order"),
    (
        "select: blocking calls in the loop",
        "api_edge::blocking_in_the_loop",
    ),
    ("select: fields of requests, failures", "api_edge::failures"),
    ("select: the flag of the timeout", "api_edge::timeout"),
    (
        "a call to an unknown global name, ended by TERM",
        "checklist::term_of_an_unknown_global_name",
    ),
    (
        "to-be-closed variables at errors and at the end",
        "checklist::close_variables",
    ),
    (
        "services come and go for long",
        "checklist::launch_and_kill_for_long",
    ),
    (
        "handles are not reused while they are in use",
        "lifetime::handles_are_not_reused",
    ),
    ("forks before an exit never run", "checklist::fork_and_exit"),
    (
        "handle numbers go round after 24 bits",
        "crates/kernel/src/registry::numbers_wrap_after_24_bits_and_skip_zero",
    ),
    ("abort in the main chunk", "boot::abort_in_the_main_chunk"),
    (
        "the node outlives its start service",
        "checklist::exit_of_the_start_service_with_others",
    ),
    (
        "local and global names of one service",
        "checklist::local_and_global_names",
    ),
    (
        "a patch to the launcher by injection",
        "checklist::debug_injection",
    ),
    (
        "a ping of every service that the launcher lists",
        "checklist::ping_of_every_service",
    ),
    (
        "an exit monitor that tells watchers",
        "lifetime::exit_monitor_redirects",
    ),
    ("a log service in Lua", "config::log_service_in_lua"),
    ("a preload script", "config::preload"),
    ("a config with include", "config::includes"),
    (
        "a config with environment variables and comments",
        "config::environment_variables",
    ),
    (
        "timeouts in order, never early",
        "checklist::timeouts_in_order",
    ),
    (
        "a sleep that is interrupted",
        "api_edge::wakeup_of_a_sleeper",
    ),
    (
        "an endless loop of sleep(0)",
        "checklist::sleep_zero_starves_nobody",
    ),
    ("where timers were made", "api_edge::trace_timeout"),
    ("coroutines that block", "coroutines::blocking_inside"),
    ("coroutines: the status blocked", "coroutines::status"),
    ("coroutines: the thread below", "coroutines::thread"),
    ("coroutines: close", "coroutines::close"),
    (
        "CPU time of a chain of coroutines",
        "coroutines::profile_of_a_chain",
    ),
    (
        "a critical section in a snax service",
        "snax::critical_section",
    ),
    ("endless loops are noticed", "timers::endless"),
    ("overload is noticed", "checklist::overload"),
    ("a memory limit", "dispatch::limit"),
    (
        "packed values of every kind",
        "seri::recorded_vectors_through_messages",
    ),
    (
        "packed values: proxies, long keys, binary data",
        "checklist::packed_values",
    ),
    (
        "datasheets that are updated while they are read",
        "sharing::versions",
    ),
    (
        "sharedata: updates, sub-tables that vanish",
        "sharing::update",
    ),
    ("sharedata: delete", "sharing::delete"),
    ("sharetable: load and query", "shared::load_and_read"),
    ("sharetable: update in place", "shared::update"),
    ("stm: copies to other services", "sharing::stm"),
    ("sharemap with a schema file", "sharing::sharemap"),
    ("multicast: ten subscribers", "sharing::ten_subscribers"),
    ("multicast: channels as values", "sharing::channels"),
    (
        "multicast: channels of other nodes",
        "sharing::foreign_channel",
    ),
    ("datacenter: get, set, wait", "api_edge::datacenter"),
    ("snax: objects, methods, errors", "snax::methods"),
    ("snax: patches with local variables", "snax::variables"),
    ("snax: results of a patch", "snax::results"),
    ("snax: objects as text", "snax::object"),
    ("snax: exit inside a method", "snax::exit_in_a_post"),
    ("snax: profile", "snax::profile"),
    ("snax: unique services", "snax::unique"),
    ("the debug console over TCP", "console::session_services"),
    (
        "the debug console by GET and POST",
        "console::http_requests",
    ),
    (
        "the service console on standard input",
        "checklist::console",
    ),
    ("a message log that can be parsed", "config::message_log"),
    (
        "a trace through several services",
        "checklist::trace_across_services",
    ),
    ("daemon mode", "boot::daemon"),
    ("log rotation", "config::log_rotation"),
    ("a network of nodes with a master", "harbor::names"),
    ("gate, watchdog and agents", "gate::watchdog"),
    ("old names of modules", "checklist::old_module_names"),
    ("sproto requests of clients", "sharing::rpc"),
    ("socket channels: requests in a row", "net::order"),
    ("UDP", "net::dial_and_listen"),
];
