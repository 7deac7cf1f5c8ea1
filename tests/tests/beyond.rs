//! The additions: deadlines, bounded mailboxes, millisecond timers, cancelling; and sessions that wrap around.

use skynet_tests::lua_cases;

lua_cases! {
    "beyond/beyond" {
        timeoutcall => |out| {
            out.has_not("Unknown session");
        };
        timeoutcall_and_death;
        timeoutcall_many => |out| {
            out.has_not("Unknown session");
        };
        calltimeout[calltimeout = "50"];
        news_after_the_deadline[calltimeout = "150"];
        refuse => |out| {
            // The first of them, and each doubling: 10 sends and a call.
            for count in [1, 2, 4, 8] {
                out.has(&format!("Mailbox full (limit 10), messages refused = {count}"));
            }
        };
        refuse_only_requests;
        warn => |out| {
            let lines = out.stdout.lines().filter(|line| line.contains("over its limit"));
            // 10, 20 and 40 were passed.
            assert!((1..=4).contains(&lines.count()), "{out}");
        };
        limit_in_the_config[mqlimit = "20", mqpolicy = "\"refuse\""];
        mqage;
        sleepms;
        timer;
        timer_order;
        timer_cancel_when_due;
        timer_many => |out| {
            out.has_not("Unknown session");
        };
        session_wrap;
        session_wrap_into_used_ones;
    }
}
