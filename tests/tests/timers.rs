//! Timers, the monitor of endless loops, signals to services, overload warnings.

use skynet_tests::lua_cases;

lua_cases! {
    "timers/timers" {
        order_of_due_times;
        same_tick;
        many;
        after_a_stall;
        zero_goes_behind_the_mailbox;
        long_ones;
        of_a_dead_service;
        text_command;
        clock;
        never_early;
    }
    "timers/monitor" {
        endless[thread = "2", monitorinterval = "200"] => |out| {
            let line = out.stdout.lines().find(|line| line.contains("maybe in an endless loop"));
            let line = line.unwrap_or_else(|| panic!("no warning\n{out}"));
            assert!(line.starts_with("[:00000000] error: A message from [ :00000008 ] to [ :0000000"), "{line}");
            assert!(line.contains(" ] maybe in an endless loop (version = "), "{line}");
            // Beyond the original: the service, the kind of message, and where the code is.
            out.has("timers/monitor busy").has("stack traceback").has("monitor.lua:");
        };
        signal_while_running[thread = "2"] => |out| {
            out.has("recv a signal 0").has("signal 0");
        };
        signal_while_idle => |out| {
            out.has("recv a signal 0");
        };
        signal_memory => |out| {
            out.has("recv a signal 1").has("Current Memory ").has("recv a signal 7");
        };
        overload => |out| {
            let warnings: Vec<&str> =
                out.stdout.lines().filter(|line| line.contains("error: May overload, message queue length = ")).collect();
            assert!(warnings.len() >= 2, "one at least for each flood\n{out}");
            assert!(warnings.len() <= 8, "one for each doubling at most\n{out}");
        };
    }
}
